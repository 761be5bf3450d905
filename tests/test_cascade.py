"""A cascade of two fake encoders: what the first clears, and what both say of the rest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeEncoder

from cabletag.encoders.cascade import CascadeEncoder, Stage
from cabletag.errors import ModelError
from cabletag.manifest import Cascade, Manifest, Member


class Reader(FakeEncoder):
    """Remembers what it was given to read."""

    def encode(self, texts):
        self.read = list(texts)
        return super().encode(texts)


@pytest.fixture
def second(codebook):
    return Reader(codebook.ids)


@pytest.fixture
def cascade(codebook, second):
    content = np.array([label != codebook.voice_id for label in codebook.ids])
    one, none = np.ones(len(codebook.ids)), np.zeros(len(codebook.ids))
    first = Stage(FakeEncoder(codebook.ids), one, none + 1)
    return CascadeEncoder(first, Stage(second, 2 * one, none), 0.25, 0.05, content)


def test_only_what_the_first_does_not_clear_is_read_by_the_second(cascade, second):
    cascade.encode(["nothing", "sovereignty here", "nothing more"])
    assert second.read == ["sovereignty here"]


def test_cleared_text_keeps_the_first_s_calibrated_logits(cascade):
    assert cascade.encode(["nothing"])[0] == pytest.approx(-4 + 1)


def test_other_texts_get_the_mean_of_both(cascade, codebook):
    logits = cascade.encode(["sovereignty here"])[0][0]
    assert logits[codebook.ids.index("sovereignty")] == pytest.approx(0.25 * (4 + 1) + 0.75 * 2 * 4)
    assert logits[codebook.ids.index("root_causes")] == pytest.approx(0.25 * (-4 + 1) + 0.75 * 2 * -4)


def test_the_voice_alone_does_not_keep_a_text_from_being_cleared(cascade, second, codebook):
    cascade.encode([f"{codebook.voice_id} sovereignty"])
    second.read = []
    cascade.encode([codebook.voice_id])
    assert second.read == []


def test_logits_do_not_hang_on_neighbours(cascade):
    texts = ["sovereignty", "nothing", "root_causes and sovereignty"]
    alone = np.vstack([cascade.encode([text])[0] for text in texts])
    assert (cascade.encode(texts)[0] == alone).all()


def test_attributions_of_both_add_up_to_their_share_of_the_logit(cascade, codebook):
    (found,) = cascade.explain(["sovereignty here"])
    column = codebook.ids.index("sovereignty")
    assert found.contributions[:, column].sum() == pytest.approx(0.25 * 4 + 0.75 * 2 * 4)
    assert found.offsets[found.contributions[:, column] > 0].tolist() == [[0, 11], [0, 11]]


@pytest.fixture
def folders(manifest, tmp_path):
    """Two model folders and a cascade of them."""
    members = []
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
        member = replace(manifest, name=name)
        member.save(tmp_path / name)
        members.append(Member(name, member.digest))
    (tmp_path / "both").mkdir()
    replace(manifest, name="both", cascade=Cascade(*members, 0.3, 0.05)).save(tmp_path / "both")
    return tmp_path


def test_manifest_of_a_cascade_comes_back_as_it_was_written(folders):
    found = Manifest.load(folders / "both")
    assert (found.cascade.share, found.cascade.cleared_below) == (0.3, 0.05)
    assert [member.name for _, member in found.members(folders / "both")] == ["small", "large"]
    found.save(folders / "both")
    assert Manifest.load(folders / "both") == found


def test_cascade_whose_model_was_changed_is_refused(folders):
    large = Manifest.load(folders / "large")
    replace(large, voice=None).save(folders / "large")
    with pytest.raises(ModelError, match=r"large: expected the model .* that both was made of.*`cabletag cascade`"):
        Manifest.load(folders / "both")


def test_cascade_without_its_models_says_which_is_missing(folders):
    (folders / "small" / "manifest.json").unlink()
    (folders / "small").rmdir()
    with pytest.raises(ModelError, match="expected small, which both is made of, in the same folder, found none"):
        Manifest.load(folders / "both")


def test_cascade_finds_its_models_from_within_its_folder(folders, monkeypatch):
    monkeypatch.chdir(folders / "both")
    assert Manifest.load(Path()).name == "both"


def test_models_tell_cascades_apart_by_the_digest_of_their_weights(folders):
    both, large = Manifest.load(folders / "both"), Manifest.load(folders / "large")
    assert both.weights_sha256 not in ("", large.weights_sha256)

import json
from dataclasses import replace

import pytest

from cabletag.assets import is_shipped
from cabletag.errors import ModelError
from cabletag.manifest import Manifest, sha256


@pytest.fixture
def folder(tmp_path, manifest):
    (tmp_path / "weights.bin").write_bytes(b"weights")
    replace(manifest, files={"weights.bin": sha256(tmp_path / "weights.bin")}).save(tmp_path)
    return tmp_path


def test_saved_manifest_loads_equal(folder, manifest):
    assert Manifest.load(folder).labels == manifest.labels


def test_changed_byte_is_refused(folder):
    (folder / "weights.bin").write_bytes(b"weightz")
    with pytest.raises(ModelError, match=r"weights\.bin: expected SHA-256 .* the file was changed"):
        Manifest.load(folder)


def test_missing_file_is_refused(folder):
    (folder / "weights.bin").unlink()
    with pytest.raises(ModelError, match="expected this file of the model, found none"):
        Manifest.load(folder)


@pytest.mark.parametrize("name", ["weights.bin", "model.safetensors"])
def test_damaged_file_is_told_in_place_of_what_it_made_of_loading(tmp_path, manifest, name):
    (tmp_path / name).write_bytes(b"weights")
    damaged = replace(manifest, files={name: "0" * 64})
    with pytest.raises(ModelError, match="the file was changed"), damaged.verified(tmp_path):
        raise RuntimeError("unreadable weights")


def test_whole_files_let_an_error_of_loading_through(folder):
    with pytest.raises(RuntimeError, match="no memory"), Manifest.read(folder).verified(folder):
        raise RuntimeError("no memory")


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ModelError, match="expected a model folder, found none"):
        Manifest.load(tmp_path / "none")


def test_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"expected a model folder with its manifest\.json"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("change", [{"format": 99}, {"surprise": 1}, {"labels": [{"id": "a"}]}, {"labels": None}])
def test_manifest_of_another_shape_is_refused(folder, change):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=r"manifest\.json: expected"):
        Manifest.load(folder)


def test_manifest_of_a_format_to_come_asks_for_another_cabletag(folder):
    raw = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(raw | {"format": 2, "another": "key"}))
    with pytest.raises(ModelError, match="expected format 1, found 2; update cabletag or the model"):
        Manifest.load(folder)


@pytest.mark.parametrize(("name", "shipped"), [("cabletag-minilm", True), (".", False), ("..", False), ("none", False)])
def test_model_is_shipped_by_its_name_alone(name, shipped):
    assert is_shipped(name) == shipped


def test_half_a_manifest_is_refused(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(ModelError, match="expected a manifest of format 1"):
        Manifest.load(folder)


def test_another_codebook_version_is_refused(folder):
    with pytest.raises(
        ModelError, match=r"expected a model of codebook cable-2025-11-21 2\.0\.0, found cable-2025-11-21 1\.0\.0"
    ):
        Manifest.load(folder).require(folder, "cable-2025-11-21", "2.0.0")

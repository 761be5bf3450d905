"""End to end on the models that come with the package, as a user gets them."""

import json
import subprocess
import sys
import threading

import numpy as np
import openvino
import pytest

from cabletag import OptionError, Tagger, score_corpus
from cabletag.assets import MODELS, codebook_file, model_folder
from cabletag.encoders.cpu import GRAPH, VECTORS, _cut, _keep_halves
from cabletag.golden import check_golden

SAMPLE = codebook_file().parent / "sample-cable.txt"
LARGE = model_folder("cabletag-mpnet")
ODD = ["", " ", "\x00", "\u200b", "😀" * 50, "\ud800", "日本語のテキスト", "a" * 20_000, "\u202eאבג", "\n" * 100]


@pytest.fixture(scope="module")
def shipped():
    return Tagger.from_pretrained()


@pytest.fixture(scope="module")
def texts():
    return [
        json.loads(line)["text"] for line in (model_folder() / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    ]


@pytest.mark.parametrize("name", sorted(folder.name for folder in MODELS.iterdir()))
@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_golden_scores_hold(name, precision):
    count, worst = check_golden(Tagger.from_pretrained(name, precision=precision), model_folder(name))
    assert 50 < count <= 63
    assert worst < (2e-3 if precision == "f32" else 5e-2)


def test_batch_in_single_precision_says_so(tmp_path):
    (tmp_path / "in.txt").write_text("Posts should report by Friday.")
    score_corpus([tmp_path / "in.txt"], tmp_path / "out.jsonl", model="cabletag-minilm", precision="f32")
    assert json.loads((tmp_path / "out.jsonl.run.json").read_text())["precision"] == "f32"


@pytest.mark.parametrize("command", ["tag", "batch", "evaluate"])
def test_precision_is_passed_on_by_every_command_that_scores(command, tmp_path, run):
    coded = tmp_path / "coded.jsonl"
    coded.write_text(json.dumps({"text": "Posts should report by Friday.", "labels": ["reporting_directive"]}) + "\n")
    output = ["-o", str(tmp_path / "out.jsonl")] if command == "batch" else []
    code, _, err = run(command, str(coded), *output, "--precision", "f64")
    assert code == 2
    assert "expected a precision of auto, f32, bf16, found 'f64'" in err


def test_unknown_precision_is_refused():
    with pytest.raises(OptionError, match="expected a precision of auto, f32, bf16, found 'int4'"):
        Tagger.from_pretrained(precision="int4")


def test_scores_do_not_depend_on_order_or_batch(shipped, texts):
    whole = shipped.predict_proba(texts)
    assert (shipped.predict_proba(texts[::-1])[::-1] == whole).all()
    assert (np.vstack([shipped.predict_proba([text]) for text in texts[:8]]) == whole[:8]).all()


def test_scores_do_not_depend_on_threads(shipped, texts):
    assert (Tagger.from_pretrained(threads=1).predict_proba(texts[:16]) == shipped.predict_proba(texts[:16])).all()


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_text_is_scored(shipped, text):
    assert np.isfinite(shipped.predict_proba([text])).all()


def test_long_text_says_how_many_windows(shipped):
    assert shipped.tag(["The border is ours, he said, and went on. " * 60])[0].windows > 2


def test_sample_cable_gives_the_directives_their_labels(shipped):
    tagged = shipped.tag_document(SAMPLE.read_text(encoding="utf-8"))
    assert tagged.document.format == "cable"
    found = {
        passage.paragraph: prediction.labels
        for passage, prediction in zip(tagged.passages, tagged.predictions, strict=True)
    }
    assert "reporting_directive" in found["7"]
    assert "non_interference" in found["2"]
    assert found["6"] == ()


def test_denial_keeps_the_label_and_adds_the_response(shipped):
    found = shipped.tag(
        [
            "There is no evidence that migrants commit more crime than other residents; study after study has found the opposite."
        ]
    )
    assert {"crime_framing", "evidence_challenge"} <= set(found[0].labels)


def test_topic_alone_carries_nothing(shipped):
    assert shipped.tag(["The minister discussed migration and security."])[0].labels == ()


def test_console_script_pipes_json_lines():
    done = subprocess.run(
        [sys.executable, "-m", "cabletag.cli", "tag", "-"], input=SAMPLE.read_bytes(), capture_output=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert {row["paragraph"] for row in rows} == set("1234567")
    assert rows[0]["marking"] == "SBU"


def test_changed_weights_are_refused(tmp_path):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(LARGE, folder)
    file = max(folder.glob("*.safetensors"))
    weights = bytearray(file.read_bytes())
    weights[-1] ^= 1
    file.write_bytes(weights)
    done = subprocess.run(
        [sys.executable, "-m", "cabletag.cli", "tag", "--text", "x", "--model", str(folder)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the file was changed" in done.stderr


def test_graph_is_called_once_before_threads_share_it(monkeypatch):
    # two first calls at once hang in OpenVINO's binding, in about one start of four when they truly meet
    from cabletag.encoders.cpu import CpuEncoder

    callers = []
    whole = CpuEncoder.run
    monkeypatch.setattr(
        CpuEncoder, "run", lambda *given: (callers.append(threading.current_thread()), whole(*given))[1]
    )
    Tagger.from_pretrained("cabletag-minilm", threads=2)
    assert callers == [threading.main_thread()]


def test_every_weight_in_half_precision_is_kept_as_it_is():
    graph = openvino.Core().read_model(LARGE / GRAPH)
    _keep_halves(graph)
    stored = [
        node
        for node in graph.get_ops()
        if node.get_type_name() == "Convert" and node.input_value(0).get_node().get_type_name() == "Constant"
    ]
    assert len(stored) > 70  # the products of twelve layers
    assert all("decompression_0" in node.get_rt_info() for node in stored)


def test_the_graph_in_two_parts_gives_what_it_gives_whole():
    core, settings = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    graph = core.read_model(LARGE / GRAPH)
    whole = core.compile_model(graph, "CPU", settings)
    encoder, head = (core.compile_model(part, "CPU", settings) for part in _cut(graph))
    ids, mask = np.full((2, 16), 2000), np.ones((2, 16), np.int64)
    mask[1, 9:] = 0
    vectors = encoder({"input_ids": ids, "attention_mask": mask})[VECTORS]
    found = head({VECTORS: vectors, "attention_mask": mask})["contributions"]
    assert found == pytest.approx(whole({"input_ids": ids, "attention_mask": mask})["contributions"], abs=1e-5)

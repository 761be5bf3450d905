"""The batch scorer on a local Ray of two workers, with the embedded model; skipped where Ray is not installed."""

import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from cabletag import BatchOptions, OptionError, score_corpus
from cabletag.batch import distributed as module
from cabletag.batch.distributed import OnRay, slices_of
from cabletag.batch.inputs import digested, find_inputs
from cabletag.batch.outputs import Layout
from cabletag.batch.parts import records_of

ray = pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")

ROWS = [
    {"id": f"d{number}", "text": f"Posts should report by {number} June. The weather was fine.\n\nNothing {number}."}
    for number in range(90)
]


@pytest.fixture(scope="module")
def cluster():
    """A Ray of this machine with a core for each of two workers, and none to spare: nothing may wait for another one."""
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "SLICE_BYTES", 1500)
    monkeypatch.setattr(module, "_BLOCK", 100)
    lines = [json.dumps(row) for row in ROWS]
    lines[5], lines[60] = "not json", '{"id": "n", "text": 7}'
    (tmp_path / "a.jsonl").write_text("".join(f"{line}\n" for line in lines))
    parquet.write_table(pa.Table.from_pylist(ROWS[:40]), tmp_path / "b.parquet", row_group_size=10)
    return tmp_path


def test_slices_hold_every_record_with_its_line_once(corpus, tmp_path):
    files = [digested(item) for item in find_inputs(["a.jsonl", "b.parquet"], None, tmp_path / "out.csv")]
    options = BatchOptions(id_column="id")
    slices = slices_of(files)
    assert len(slices) > 6
    assert [(r.id, r.line, r.text, r.error) for part, _ in slices for r in records_of([part], options)] == [
        (r.id, r.line, r.text, r.error) for r in records_of(files, options)
    ]


def test_tagger_without_the_name_of_its_model_is_refused(tmp_path, tagger):
    (tmp_path / "in.jsonl").write_text(json.dumps(ROWS[0]))
    with pytest.raises(OptionError, match="give model= too"):
        score_corpus([tmp_path / "in.jsonl"], tmp_path / "out.csv", tagger=tagger, engine=OnRay())


@pytest.mark.parametrize("name", ["a.csv", "-"])
def test_inputs_that_many_cannot_read_are_refused(corpus, name):
    (corpus / "a.csv").write_text("text\nt\n")
    with pytest.raises(OptionError, match=r"expected Parquet or JSON lines for --engine ray.*--engine local"):
        score_corpus([name], "out.csv", engine=OnRay())
    assert not (corpus / "out.csv.run").exists()


def told_by_a_worker(slices, tagger, precision):
    layout = Layout(Path("out.csv"), tagger.labels, ())
    worker = module._Worker(slices, 0, None, tagger.manifest, precision, 1, BatchOptions(), layout)
    (row,) = next(worker({"id": np.array([3])})).to_pylist()
    return row["error"]


def test_a_file_that_vanished_is_told_by_the_worker(corpus, monkeypatch, tagger):
    monkeypatch.setattr("cabletag.tagger.Tagger.from_pretrained", lambda *_, **__: tagger)
    files = [digested(item) for item in find_inputs(["a.jsonl"], None, corpus / "out.csv")]
    slices = slices_of(files)
    os.remove("a.jsonl")
    assert "a.jsonl: expected the file that was there before, found none" in told_by_a_worker(slices, tagger, "f32")


def test_a_worker_of_another_precision_is_refused(corpus, monkeypatch, tagger):
    monkeypatch.setattr("cabletag.tagger.Tagger.from_pretrained", lambda *_, **__: tagger)
    slices = slices_of([digested(item) for item in find_inputs(["a.jsonl"], None, corpus / "out.csv")])
    found = told_by_a_worker(slices, tagger, "bf16")
    assert "expected scores in bf16 on all machines, as the run began, found f32" in found


def test_workers_are_given_the_precision_of_the_run(tagger, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "cabletag.tagger.Tagger.from_pretrained", lambda *_, precision, **__: asked.append(precision) or tagger
    )
    for precision in ("f32", "bf16"):
        module._Worker([], 0, None, tagger.manifest, precision, 1, BatchOptions(), None)
    assert asked == ["f32", "auto"]


def test_a_ray_that_does_not_start_here_is_told_as_such(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("no room")

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(OptionError, match="expected a Ray cluster at this machine, found: no room"):
        OnRay()._start()


def kill_one_at_work(killed):
    """SIGKILL for a process of the model pool, which Ray started for this test, while it scores; its title tells."""
    while not killed:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it may have ended meanwhile
                title = " ".join(child.cmdline())
                if "MapBatches" in title and title.rstrip().endswith(".submit"):
                    child.send_signal(signal.SIGKILL)
                    killed.append(child.pid)
                    return
        time.sleep(0.01)


def test_two_workers_give_the_rows_of_one_machine_though_one_is_killed(cluster, corpus):
    options = BatchOptions(id_column="id")
    here = score_corpus(["a.jsonl", "b.parquet"], "here.jsonl", options)
    killed = []
    killer = threading.Thread(target=kill_one_at_work, args=[killed], daemon=True)
    killer.start()
    there = score_corpus(["a.jsonl", "b.parquet"], "there.jsonl", options, engine=OnRay(workers=2))
    assert killed
    assert (there.documents, there.passages, there.rejected) == (here.documents, here.passages, here.rejected)
    rows = [[json.loads(line) for line in (corpus / f"{name}.jsonl").open()] for name in ("here", "there")]
    assert len(rows[0]) == len(rows[1])
    for local, remote in zip(*rows, strict=True):
        scores = [name for name in local if name.startswith("p_") and local["status"] == "ok"]
        assert [remote.pop(name) for name in scores] == pytest.approx([local.pop(name) for name in scores], abs=2e-4)
        assert remote == local
    assert (corpus / "here.jsonl.rejects.jsonl").read_bytes() == (corpus / "there.jsonl.rejects.jsonl").read_bytes()


def test_a_stopped_run_goes_on(cluster, corpus):
    count = iter(range(100))

    def stop(_):
        if next(count) == 2:
            raise KeyboardInterrupt

    options, inputs = BatchOptions(id_column="id"), ["a.jsonl", "b.parquet"]
    with pytest.raises(KeyboardInterrupt):
        score_corpus(inputs, "out.jsonl", options, engine=OnRay(workers=1), progress=stop)
    summary = score_corpus(inputs, "out.jsonl", options, engine=OnRay(workers=1))
    assert summary.resumed > 0
    assert (summary.documents, summary.rejected) == (128, 2)

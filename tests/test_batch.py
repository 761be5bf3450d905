import csv
import json
import os
import resource
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from pyarrow import parquet

from cabletag import BatchOptions, OptionError, OutputError, Tagger, score_corpus
from cabletag.assets import codebook_file
from cabletag.errors import DocumentError

SUFFIXES = (".parquet", ".jsonl", ".csv")
BAD = {3: "not json", 11: '{"id": "n", "text": 7}', 12: '{"text": "no id"}'}


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Twenty rows of two passages each, of which three are bad; read in parts of eight rows."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {"id": f"d{number}", "text": f"Long live sovereignty {number % 4}.\n\nNothing here.", "date": number}
        for number in range(20)
    ]
    lines = [BAD.get(number, json.dumps(row)) for number, row in enumerate(rows)]
    (tmp_path / "in.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


OPTIONS = BatchOptions(id_column="id", keep=("date",))


@pytest.fixture
def score(corpus, tagger):
    def call(output="out.jsonl", options=OPTIONS, inputs=("in.jsonl",), part_rows=8, **more):
        return score_corpus(inputs, output, replace(options, part_rows=part_rows), tagger=tagger, **more)

    return call


def read(path):
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def left(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("out")}


def test_rows_are_in_input_order_with_the_bad_ones_in_their_place(score, corpus):
    summary = score()
    rows = read(corpus / "out.jsonl")
    assert (summary.documents, summary.passages, summary.rejected) == (17, 34, 3)
    assert summary.labels == {"sovereignty": 17}
    names = ["in.jsonl:4" if n == 3 else "n" if n == 11 else "in.jsonl:13" if n == 12 else f"d{n}" for n in range(20)]
    assert list(dict.fromkeys(row["document"] for row in rows)) == names
    assert [row["passage"] for row in rows[:7]] == [1, 2, 1, 2, 1, 2, 0]
    assert [row["status"] for row in rows[:7]] == ["ok"] * 6 + ["error"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_holds_the_same_rows(score, corpus, codebook, suffix):
    score(f"out{suffix}")
    rows = read(corpus / f"out{suffix}")
    first, bad = rows[0], rows[6]
    labels = first["labels"] if suffix == ".csv" else ";".join(first["labels"])
    assert list(first)[:6] == ["document", "passage", "paragraph", "marking", "start", "end"]
    assert list(first)[-1] == "date"
    assert (first["text"], labels, first["voice"], str(first["windows"])) == (
        "Long live sovereignty 0.",
        "sovereignty",
        "own",
        "1",
    )
    assert float(first["p_sovereignty"]) == 0.982
    assert str(first["date"]) == "0"
    assert bad["p_sovereignty"] in (None, "")
    assert {f"p_{label}" for label in codebook.ids} < set(first)


def test_rejects_tell_file_line_and_reason(score, corpus):
    score()
    found = read(corpus / "out.jsonl.rejects.jsonl")
    assert [(row["file"], row["line"], row["document"]) for row in found] == [
        ("in.jsonl", 4, "in.jsonl:4"),
        ("in.jsonl", 12, "n"),
        ("in.jsonl", 13, "in.jsonl:13"),
    ]
    assert "found a number" in found[1]["reason"]


def test_a_run_without_rejects_leaves_no_file_of_them(score, corpus):
    (corpus / "good.jsonl").write_text('{"id": "m", "text": "One."}\n')
    score(inputs=["good.jsonl"], options=BatchOptions())
    assert set(left(corpus)) == {"out.jsonl", "out.jsonl.run.json"}


def test_options_leave_out_text_and_the_cutting(score, corpus):
    score(options=BatchOptions(id_column="id", text=False, passages=True))
    rows = read(corpus / "out.jsonl")
    assert len(rows) == 20
    assert "text" not in rows[0]
    assert (rows[0]["start"], rows[0]["end"]) == (0, 39)


def test_a_document_without_passages_is_a_reject(score, corpus):
    (corpus / "a.md").write_text("# Title\n")
    assert score(inputs=["a.md"], options=BatchOptions()).rejected == 1
    assert "found none" in read(corpus / "out.jsonl.rejects.jsonl")[0]["reason"]


@pytest.mark.parametrize("passages", [True, False])
def test_a_passage_without_end_is_a_reject(score, corpus, monkeypatch, passages):
    monkeypatch.setattr("cabletag.batch.parts.LONGEST_LINE", 1000)
    (corpus / "a.jsonl").write_text(json.dumps({"text": "word " * 500}))
    assert score(inputs=["a.jsonl"], options=BatchOptions(passages=passages)).rejected == 1
    assert "expected passages of at most 1,000 characters" in read(corpus / "out.jsonl.rejects.jsonl")[0]["reason"]


def test_a_kept_column_never_hides_one_of_ours(score, corpus):
    score(options=BatchOptions(keep=("text", "date")))
    row = read(corpus / "out.jsonl")[0]
    assert row["text"] != row["keep_text"]
    assert list(row)[-2:] == ["keep_text", "date"]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx"])
def test_csv_has_no_formulas(score, corpus, cell):
    (corpus / "f.jsonl").write_text(json.dumps({"id": cell, "text": f"{cell} said they", "date": cell}))
    score("out.csv", inputs=["f.jsonl"], options=BatchOptions(id_column="id", keep=("date",), passages=True))
    row = read(corpus / "out.csv")[0]
    assert (row["document"], row["text"], row["date"]) == (f"'{cell}", f"'{cell} said they", f"'{cell}")


def test_csv_leaves_numbers_alone(score, corpus):
    (corpus / "f.csv").write_text("text,n\nA text.,-5.2\n")
    score("out.csv", inputs=["f.csv"], options=BatchOptions(keep=("n",)))
    assert read(corpus / "out.csv")[0]["n"] == "-5.2"


def test_identical_passages_are_scored_once_a_part(score, tagger, monkeypatch):
    seen, tag = [], tagger.tag
    monkeypatch.setattr(tagger, "tag", lambda texts, **options: seen.append(texts) or tag(texts, **options))
    score()
    distinct = [f"Long live sovereignty {number}." for number in range(4)] + ["Nothing here."]
    assert sorted(seen[2]) == distinct
    assert all(len(texts) == len(set(texts)) for texts in seen)


def test_a_finished_run_is_not_run_again(score, corpus, tagger):
    first = score()
    before, calls = left(corpus), tagger._encoder.calls
    again = score()
    assert again.already_finished
    assert (again.documents, again.passages, again.labels) == (first.documents, first.passages, first.labels)
    assert (left(corpus), tagger._encoder.calls) == (before, calls)


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"options": BatchOptions(id_column="id", keep=("date",), threshold=0.9)},
            "options threshold 0.9 instead of null",
        ),
        ({"inputs": ["in.jsonl", "more.jsonl"]}, r"input more\.jsonl added"),
        ({"inputs": ["more.jsonl"]}, r"input in\.jsonl gone"),
        ({}, r"input in\.jsonl changed"),
    ],
)
def test_a_changed_run_is_refused_with_what_differs(score, corpus, monkeypatch, finished, change, message):
    (corpus / "more.jsonl").write_text('{"id": "m", "text": "One."}\n')
    if finished:
        score()
    else:
        with pytest.raises(OutputError):
            score(max_rejects=0)
    if not change:
        (corpus / "in.jsonl").write_text('{"id": "m", "text": "One."}\n')
    before = left(corpus) if finished else None
    with pytest.raises(OptionError, match=f"{message}.*name another --output, or begin anew with --restart"):
        score(**change)
    assert before is None or left(corpus) == before
    assert score(**change, restart=True).passages >= 1
    assert not (corpus / "out.jsonl.run").exists()


def test_another_model_is_refused(score, corpus, tagger, manifest):
    score()
    tagger.manifest = replace(manifest, name="other")
    with pytest.raises(OptionError, match="model name other instead of fake"):
        score()


def test_a_foreign_file_is_not_overwritten(score, corpus):
    (corpus / "out.jsonl").write_text("mine")
    with pytest.raises(OptionError, match="found one of another origin"):
        score()
    assert set(left(corpus)) == {"out.jsonl"}


def test_a_changed_output_is_not_called_finished(score, corpus):
    score()
    with (corpus / "out.jsonl").open("a") as file:
        file.write("more")
    with pytest.raises(OptionError, match="found it changed"):
        score()


def test_too_many_rejects_stop_the_run_which_then_goes_on(score, corpus, tagger):
    with pytest.raises(OutputError, match=r"at most 1 rejected rows, found 3; see .*higher --max-rejects"):
        score(max_rejects=1)
    calls = tagger._encoder.calls
    with pytest.raises(OutputError, match="found 3"):
        score(max_rejects=1)
    assert tagger._encoder.calls - calls <= 1  # only the check of the options
    summary = score(max_rejects=3)
    assert (summary.rejected, summary.resumed) == (3, 24)


def test_two_runs_on_one_output_exclude_each_other(score, corpus, tagger):
    inside, done = threading.Event(), threading.Event()

    def wait(_):
        inside.set()
        done.wait(10)

    first = threading.Thread(target=score, kwargs={"progress": wait})
    first.start()
    inside.wait(10)
    try:
        with pytest.raises(OutputError, match="found one at work"):
            score()
    finally:
        done.set()
        first.join()
    assert len(read(corpus / "out.jsonl")) == 37


# ---- kills: a child process dies at its n-th touch of the file system, without any clean-up


def killed_at(touch, call):
    """Runs in a forked child, which is gone at once when it touches the file system for the n-th time; True if it was."""
    child = os.fork()
    if child == 0:
        count = 0

        def hook(event, arguments):
            nonlocal count
            if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir") and "out." in str(arguments[0]):
                count += 1
                if count == touch:
                    os._exit(9)

        sys.addaudithook(hook)
        try:
            call()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_kill_at_any_step_changes_no_byte(score, corpus):
    score("out.csv", part_rows=24)
    undisturbed = left(corpus)
    touch = 0
    while True:
        for path in corpus.glob("out*"):
            path.unlink()
        touch += 1
        if not killed_at(touch, lambda: score("out.csv", part_rows=24)):
            break
        killed_at(touch % 7 + 5, lambda: score("out.csv", part_rows=24))
        score("out.csv", part_rows=24)
        assert left(corpus) == undisturbed, f"killed at step {touch}"
    assert touch > 25


def test_a_kill_of_a_parquet_run_changes_no_byte(score, corpus):
    score("out.parquet")
    undisturbed = left(corpus)
    for path in corpus.glob("out*"):
        path.unlink()
    for touch in (12, 18, 24):
        assert killed_at(touch, lambda: score("out.parquet"))
    assert score("out.parquet").resumed > 0
    assert left(corpus) == undisturbed


def test_a_document_longer_than_a_part_is_resumed_inside(score, corpus, monkeypatch):
    (corpus / "long.txt").write_text("\n\n".join(f"Passage {number} of a long text." for number in range(50)))
    score(inputs=["long.txt", "in.jsonl"])
    undisturbed = left(corpus)
    for path in corpus.glob("out*"):
        path.unlink()
    stops = iter(range(100))

    def stop(_):
        if next(stops) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(inputs=["long.txt", "in.jsonl"], progress=stop)
    assert 0 < score(inputs=["long.txt", "in.jsonl"]).resumed < 50
    assert left(corpus) == undisturbed


# ---- a file system that fails


def test_a_full_disk_is_told_and_finished_parts_are_kept(score, corpus, monkeypatch):
    real, calls = os.fsync, iter(range(10_000))

    def full(handle):
        if next(calls) == 17:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="found: No space left on device; finished parts are kept"):
        score()
    assert score().resumed > 0


def test_a_file_size_limit_is_told(score, corpus):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        with pytest.raises(OutputError, match="File too large"):
            score("out.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(read_after(score, corpus)) == 37


def read_after(score, corpus):
    score("out.parquet")
    return read(corpus / "out.parquet")


def test_a_folder_that_is_not_there_is_told(score):
    with pytest.raises(OutputError, match=r"none/out\.csv: expected a file that can be written, found no such folder"):
        score("none/out.csv")


def test_an_input_that_vanishes_stops_the_run_and_parts_are_kept(score, corpus):
    text = (corpus / "in.jsonl").read_text()
    for name in "abcd":
        (corpus / f"{name}.jsonl").write_text(text)
    inputs = [f"{name}.jsonl" for name in "abcd"]

    def vanish(_):
        (corpus / "d.jsonl").unlink(missing_ok=True)

    with pytest.raises(DocumentError, match=r"d\.jsonl: expected the file that was there before"):
        score(inputs=inputs, progress=vanish)
    (corpus / "d.jsonl").write_text(text)
    summary = score(inputs=inputs)
    assert summary.resumed > 0
    assert summary.rejected == 12


# ---- the command


def test_the_command_gives_the_tags_of_the_embedded_model(tmp_path):
    sample = codebook_file().parent / "sample-cable.txt"
    output = tmp_path / "out.parquet"
    command = [sys.executable, "-m", "cabletag.cli", "batch", str(sample), "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    rows = read(output)
    tagged = Tagger.from_pretrained().tag_document(sample.read_text(encoding="utf-8"))
    assert [(row["paragraph"], row["text"], tuple(row["labels"]), row["voice"]) for row in rows] == [
        (passage.paragraph, passage.text, prediction.labels, prediction.voice)
        for passage, prediction in zip(tagged.passages, tagged.predictions, strict=True)
    ]
    assert rows[0]["p_sovereignty"] == pytest.approx(tagged.predictions[0].scores["sovereignty"], abs=2e-4)


@pytest.fixture
def fake(monkeypatch, tagger):
    monkeypatch.setattr("cabletag.tagger.Tagger.from_pretrained", lambda *_, **__: tagger)


def test_the_command_says_what_it_did_and_its_code_tells_of_rejects(fake, run, corpus):
    arguments = ("batch", "in.jsonl", "--output", "out.csv", "--id-column", "id", "--keep", "date")
    code, out, err = run(*arguments)
    assert (code, out) == (3, "")
    assert "out.csv: 17 documents, 34 passages, 3 rejected" in err
    assert "sovereignty" in err
    assert "50.0%" in err
    code, _, err = run(*arguments)
    assert code == 0
    assert "nothing to do" in err
    assert "0 also if an earlier run had finished" in " ".join(run("batch", "--help")[1].split())


def test_a_kept_column_that_no_row_has_is_told(fake, run, corpus):
    code, _, err = run("batch", "in.jsonl", "-o", "out.csv", "--id-column", "id", "--keep", "date,yaer,source")
    assert code == 3
    assert err.splitlines()[-1] == (
        "warning: expected values to keep in 'yaer', 'source', found none in any passage; check --keep"
    )


def test_a_kept_column_in_one_part_is_enough_though_the_run_was_resumed(score, corpus):
    lines = [json.dumps({"text": f"Text {number}.", **({"date": 1} if number == 0 else {})}) for number in range(20)]
    (corpus / "in.jsonl").write_text("".join(f"{line}\n" for line in lines))
    options = BatchOptions(keep=("date", "none"))
    count = iter(range(9))

    def stop(state):
        if next(count) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(options=options, progress=stop)
    summary = score(options=options)
    assert summary.resumed > 0
    assert summary.empty == ("none",)


def test_standard_input_is_read_and_not_resumed(fake, run, corpus, monkeypatch):
    import io

    with (corpus / "in.jsonl").open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
        code, _, _ = run("batch", "-", "--output", "out.csv", "--id-column", "id")
    assert code == 3
    assert read(corpus / "out.csv")[6]["document"] == "stdin:4"
    code, _, err = run("batch", "-", "--output", "out.csv", "--id-column", "id")
    assert code == 2
    assert "standard input cannot be read twice" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["in.jsonl", "-o", "out.xls"], 2, "expected an output that ends in .parquet, .jsonl, .csv, found '.xls'"),
        (["none.csv", "-o", "out.csv"], 1, "none.csv: expected a file or folder, found none"),
        (["in.jsonl", "-o", "in.jsonl"], 2, "found in.jsonl as both"),
        (["in.jsonl", "-o", "out.csv", "--format", "pdf"], 2, "expected a format of"),
        (["in.jsonl", "-o", "out.csv", "--encoding", "utf-9"], 2, "expected a known encoding"),
        (["in.jsonl", "-o", "out.csv", "--labels", "crim"], 2, "did you mean 'crime_framing'"),
        (["in.jsonl", "-o", "out.csv", "--threshold", "7"], 2, "expected a threshold"),
        (["in.jsonl", "-o", "no/out.csv"], 1, "found no such folder"),
        (["in.jsonl", "-o", "out.csv", "--max-rejects", "0"], 1, "go on with a higher --max-rejects"),
    ],
)
def test_what_stops_a_run_is_one_line(fake, run, corpus, arguments, code, message):
    found, out, err = run("batch", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_terminal_sees_a_bar(fake, run, corpus, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    _, _, err = run("batch", "in.jsonl", "-o", "out.csv")
    assert "out.csv: " in err


def test_a_pipe_sees_lines_with_rate_and_time_left(capsys):
    from cabletag.batch.progress import shown
    from cabletag.batch.scorer import Progress

    with shown(seconds=0) as show:
        show(Progress(100, 1000, 10, 0))
        show(Progress(500, 1000, 50, 2))
    last = capsys.readouterr().err.splitlines()[-1]
    assert "50%, 50 passages" in last
    assert "2 rejected, about 0:00:00 left" in last


def test_the_end_tells_the_first_reason_of_a_reject(corpus, score, capsys):
    from cabletag.batch.progress import tell

    tell(score(), corpus / "out.jsonl")
    assert "out.jsonl.rejects.jsonl; the first, in.jsonl line 4: " in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_evidence_counts_the_characters_of_the_source(corpus, score, suffix):
    text = "Nothing of note was said here by anybody at all today.\n\nThe speech held sovereignty in its seventh line."
    (corpus / "one.jsonl").write_text(json.dumps({"text": text}) + "\n", encoding="utf-8")
    score(f"out{suffix}", BatchOptions(evidence=True), inputs=("one.jsonl",))
    rows = read(corpus / f"out{suffix}")
    spans = [
        span for row in rows for span in (json.loads(row["evidence"] or "[]") if suffix == ".csv" else row["evidence"])
    ]
    assert [span["label"] for span in spans] == ["sovereignty"]
    assert "sovereignty" in text[spans[0]["start"] : spans[0]["end"]]


def test_evidence_is_written_only_when_asked_for(corpus, score):
    score()
    assert "evidence" not in read(corpus / "out.jsonl")[0]

import json
import re
import subprocess
import sys

import pytest

from cabletag.assets import codebook_file


@pytest.fixture
def fake(monkeypatch, tagger):
    """The command line on a tagger with a fake encoder."""
    monkeypatch.setattr("cabletag.tagger.Tagger.from_pretrained", lambda *_, **__: tagger)


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Long live sovereignty.\n\nNothing here.\n")
    return path


def test_pipe_gets_one_json_line_a_passage(fake, run, document):
    code, out, _ = run("tag", document)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["labels"] for row in rows] == [["sovereignty"], []]
    assert document.read_text()[rows[0]["start"] : rows[0]["end"]] == rows[0]["text"]


def test_all_scores_gives_every_label(fake, run, codebook):
    _, out, _ = run("tag", "--text", "sovereignty", "--all-scores")
    assert set(json.loads(out)["scores"]) == set(codebook.ids)


def test_terminal_gets_a_table(fake, run, document, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = run("tag", document)
    assert "sovereignty 0.98" in out
    assert "1 of 2 passages carries a label" in out


def test_brackets_in_a_name_are_only_text(fake, run, monkeypatch, tmp_path):
    path = tmp_path / "[bold]cable[" / "x].txt"
    path.parent.mkdir()
    path.write_text("Long live sovereignty.")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, err = run("tag", path)
    assert code == 0, err
    assert "[bold]cable[/x].txt" in "".join(out.split())


def test_codebook_of_the_model_is_read_once(fake, run, document, monkeypatch, codebook):
    loaded = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("cabletag.codebook.Codebook.load", lambda path=None: loaded.append(path) or codebook)
    assert run("tag", document, document)[0] == 0
    assert loaded == [codebook_file(codebook.id)]


def test_control_characters_do_not_reach_the_terminal(fake, run, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = run("tag", "--text", "sovereignty \x1b]0;owned\x07 [red]here[/red]")
    assert "\x07" not in out
    assert "[red]here[/red]" in out


def test_bad_file_is_named_and_good_ones_are_tagged(fake, run, document, tmp_path):
    code, out, err = run("tag", tmp_path / "none.txt", document)
    assert code == 1
    assert len(out.splitlines()) == 2
    assert err.count("\n") == 1
    assert "none.txt: expected a text file, found none" in err


def test_spaces_between_labels_do_not_matter(fake, run):
    _, out, _ = run("tag", "--text", "sovereignty", "--labels", "crime_framing, sovereignty")
    assert json.loads(out)["labels"] == ["sovereignty"]


def test_empty_text_is_an_error_as_an_empty_file_is(fake, run):
    code, out, err = run("tag", "--text", " ")
    assert (code, out) == (1, "")
    assert "expected text, found an empty one" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag"], "expected files, - or --text, found none"),
        (["tag", "f", "--text", "t"], "expected files, - or --text, found both"),
        (["tag", "--text", "t", "--labels", "crim"], "unknown label 'crim'; did you mean 'crime_framing'?"),
        (["tag", "--text", "t", "--labels", ""], "expected one label or more, found none"),
        (["tag", "--text", "t", "--labels", "attributed"], "'attributed' is the voice"),
        (["tag", "--text", "t", "--threshold", "2"], "expected a threshold between 0 and 1, found 2.0"),
        (["tag", "--text", "t", "--format", "pdf"], "expected a format of auto, prose, markdown, cable, found 'pdf'"),
        (["labels", "show", "crim"], "did you mean 'crime_framing'?"),
    ],
)
def test_wrong_option_is_one_line_and_code_two(fake, run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_missing_model_folder_is_one_line(run, tmp_path):
    code, _, err = run("tag", "--text", "t", "--model", tmp_path / "none")
    assert code == 1
    assert "expected a model folder, found none" in err


def test_labels_lists_all(run, codebook):
    _, out, _ = run("labels")
    assert all(label in out for label in codebook.ids)


def test_labels_show_explains_one(run):
    _, out, _ = run("labels", "show", "root_causes")
    assert all(part in out for part in ("Counts", "Does not count", "Examples", "Near miss", "Drawn from"))


@pytest.mark.parametrize("before", [True, False])
def test_labels_show_explains_one_of_a_codebook_of_ones_own(run, tmp_path, before):
    path = tmp_path / "mine.yaml"
    path.write_text(codebook_file().read_text(encoding="utf-8").replace("root_causes", "my_label"), encoding="utf-8")
    option = ["--codebook", path]
    code, out, err = run("labels", *(option if before else []), "show", "my_label", *([] if before else option))
    assert code == 0, err
    assert "my_label" in out


def test_labels_check_names_the_line(run, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("id: mine\nversions: 1\n")
    code, _, err = run("labels", "check", path)
    assert code == 1
    assert "mine.yaml:2: unknown key 'versions' in the codebook; did you mean 'version'?" in err


def test_train_without_its_extra_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr("cabletag.extras.find_spec", lambda _: None)
    code, _, err = run("train", "out")
    assert code == 2
    assert "pip install 'cabletag[train]'" in err


def test_models_lists_each_on_a_line_of_eighty_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("models")[1].splitlines()
    assert [line.split()[::4] for line in lines if "verified" in line] == [
        ["cabletag", "verified"],
        ["cabletag-minilm", "verified"],
        ["cabletag-mpnet", "verified"],
    ]


def test_models_names_the_one_that_is_taken_by_default(run):
    assert "cabletag is taken where no model is named" in run("models")[1]


def test_models_show_says_what_a_cascade_is_made_of(run):
    out = run("models", "show", "cabletag")[1]
    assert re.search(r"first +cabletag-minilm, clears passages", out)
    assert re.search(r"second +cabletag-mpnet, reads the others", out)


def test_damaged_shipped_model_is_listed_as_such(run, monkeypatch, tmp_path):
    (tmp_path / "broken").mkdir()
    monkeypatch.setattr("cabletag.assets.MODELS", tmp_path)
    code, out, _ = run("models")
    assert code == 0
    assert "broken" in out


@pytest.mark.parametrize("lines", [0, 1])
def test_closed_pipe_ends_quietly(lines):
    code = "import sys; sys.argv = ['cabletag', 'labels']; from cabletag.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr.read() == ""

import csv
import json

import pytest

from cabletag.assets import DEFAULT_MODEL, codebook_file

ROWS = [
    ("Long live sovereignty.", ["sovereignty"], "speech", "d1"),
    ("They say attributed sovereignty.", ["sovereignty", "attributed"], "speech", "d1"),
    ("A sovereignty that is none.", [], "news", "d2"),
    ("The model cannot see this one.", ["crime_framing"], "news", "d2"),
    *((f"Number {n}: sovereignty.", ["sovereignty"], "speech", f"e{n}") for n in range(10)),
    *((f"Number {n}: nothing.", [], "speech", f"e{n}") for n in range(10)),
]


@pytest.fixture
def fake(monkeypatch, tagger):
    monkeypatch.setattr("cabletag.tagger.Tagger.from_pretrained", lambda *_, **__: tagger)


@pytest.fixture
def coded(tmp_path):
    path = tmp_path / "gold.jsonl"
    rows = [dict(zip(("text", "labels", "genre", "document"), row, strict=True)) for row in ROWS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def evaluated(fake, run, coded):
    def call(*options):
        code, out, err = run("evaluate", coded, "--json", "--samples", 100, *options)
        assert code == 0, err
        return json.loads(out)

    return call


def test_confusion_counts_every_passage(evaluated):
    found = evaluated()["confusion"]
    counts = {name: found["sovereignty"][name] for name in ("tp", "fp", "fn", "tn")}
    assert counts == {"tp": 12, "fp": 1, "fn": 0, "tn": 11}
    assert {name: found["any_label"][name] for name in ("tp", "fp", "fn", "tn")} == {
        "tp": 12,
        "fp": 1,
        "fn": 1,
        "tn": 10,
    }


def test_result_says_what_was_run(evaluated, tagger, codebook):
    found = evaluated()
    assert found["model"] == {"name": "fake", "digest": tagger.manifest.digest}
    assert found["codebook"] == {"id": codebook.id, "version": codebook.version}
    assert found["precision"] == "f32"
    assert found["gold"]["passages"] == 24
    assert len(found["gold"]["sha256"]) == 64
    assert found["overall"]["micro"]["support"] == 13


def test_effective_sizes_need_documents(evaluated):
    assert evaluated()["confusion"]["any_label"]["negatives_effective"] == 11
    assert evaluated("--document-column", "document")["gold"]["documents"] == 12


def test_whole_documents_give_errors_per_document(evaluated):
    found = evaluated("--document-column", "document", "--whole-documents")["document_confusion"]["sovereignty"]
    assert {name: found[name] for name in ("tp", "fp", "fn", "tn")} == {"tp": 11, "fp": 1, "fn": 0, "tn": 0}


def test_by_states_what_is_too_few(evaluated):
    values = evaluated("--by", "genre")["by"]["values"]
    assert values["speech"]["passages"] == 22
    assert values["speech"]["micro"]["f1"][0] == 1.0
    assert values["news"] == {"passages": 2, "support": 1, "note": "too few to measure: 1 labels coded, 10 needed"}


def test_table_shows_every_label_and_its_base(fake, run, coded, codebook, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = run("evaluate", coded, "--samples", 100, "--by", "genre")
    assert code == 0
    assert all(label in out for label in codebook.ids)
    assert "on 24 coded passages" in out
    assert "too few to measure" in out


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_errors_are_written_worst_first(fake, run, coded, tmp_path, suffix):
    path = tmp_path / f"errors{suffix}"
    assert run("evaluate", coded, "--errors", path, "--samples", 100)[0] == 0
    lines = path.read_text().splitlines()
    rows = [json.loads(line) for line in lines] if suffix == ".jsonl" else list(csv.DictReader(lines))
    assert [(row["error"], row["label"]) for row in rows] == [
        ("false positive", "sovereignty"),
        ("miss", "crime_framing"),
    ]
    assert rows[0]["text"] == "A sovereignty that is none."
    assert float(rows[0]["probability"]) == pytest.approx(0.982, abs=1e-3)


def test_formulas_in_a_table_of_errors_are_only_text(fake, run, tmp_path):
    coded, path = tmp_path / "gold.jsonl", tmp_path / "errors.csv"
    coded.write_text('{"text": "=1+1 sovereignty", "labels": []}\n{"text": "sovereignty", "labels": ["sovereignty"]}\n')
    run("evaluate", coded, "--errors", path, "--samples", 100)
    assert next(csv.DictReader(path.read_text().splitlines()))["text"] == "'=1+1 sovereignty"


def test_columns_of_ones_own_do_not_replace_those_of_an_error(fake, run, tmp_path):
    coded, path = tmp_path / "gold.jsonl", tmp_path / "errors.jsonl"
    coded.write_text('{"text": "sovereignty", "labels": ["crime_framing"], "error": "mine", "year": 2025}\n')
    run("evaluate", coded, "--errors", path, "--samples", 100)
    row = json.loads(path.read_text().splitlines()[0])
    assert row["error"] in ("miss", "false positive")
    assert row["year"] == "2025"


def test_page_shows_values_errors_and_run(fake, run, coded, tmp_path):
    page = tmp_path / "page.html"
    code, out, err = run("evaluate", coded, "--samples", 100, "--by", "genre", "--page", page)
    assert code == 0, err
    assert "sovereignty" in out
    text = page.read_text(encoding="utf-8")
    assert "The model cannot see this one." in text  # the miss
    assert "Missed: " in text
    assert "too few to measure" in text  # news
    assert text.count('role="img"') == 3  # F1 wide and narrow, reliability
    assert "<script>" not in text


def test_page_has_no_interval_from_few_documents(fake, run, tmp_path):
    path, page = tmp_path / "gold.jsonl", tmp_path / "page.html"
    rows = [
        {"text": f"Sovereignty {n}.", "labels": ["sovereignty"], "document": f"d{n % 3}", "source": "s"}
        for n in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ("--samples", 100, "--document-column", "document", "--by", "source", "--page", page)
    assert run("evaluate", path, *options)[0] == 0
    assert "<b>1.00</b>" in page.read_text()


def test_page_and_errors_take_half_characters(fake, run, tmp_path):
    path, page, errors = tmp_path / "gold.jsonl", tmp_path / "page.html", tmp_path / "errors.csv"
    path.write_text(
        '{"text": "No \\ud83d sovereignty.", "labels": []}\n{"text": "Sovereignty.", "labels": ["sovereignty"]}\n'
    )
    assert run("evaluate", path, "--samples", 100, "--page", page, "--errors", errors)[0] == 0
    assert "No ? sovereignty." in page.read_text()
    assert "No ? sovereignty." in errors.read_text()


def test_page_escapes_what_was_coded(fake, run, tmp_path):
    path, page = tmp_path / "<b>gold.jsonl", tmp_path / "page.html"
    attack = {"text": "<script>alert(1)</script> {{ 7*7 }} sovereignty.", "labels": [], "genre": "<img src=x>"}
    right = {"text": "Long live sovereignty.", "labels": ["sovereignty"], "genre": "{{ 7*7 }}"}
    path.write_text(f"{json.dumps(attack)}\n{json.dumps(right)}\n")
    assert run("evaluate", path, "--samples", 100, "--by", "genre", "--page", page)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in text
    assert not {"<img", "<b>gold", "<script"} & set(text.split())
    assert "<img" not in text


def test_threshold_is_recorded_and_used(evaluated):
    found = evaluated("--threshold", 0.99)
    assert found["thresholds"]["sovereignty"] == 0.99
    assert found["confusion"]["sovereignty"]["tp"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "genr"], "expected the column 'genr', found none; did you mean 'genre'?"),
        (["--text-column", "txt"], "expected the column 'txt', found none; did you mean 'text'?"),
        (["--whole-documents"], "name it with --document-column"),
        (["--threshold", "3"], "expected a threshold between 0 and 1, found 3.0"),
        (["--errors", "/none/e.csv"], "found no such folder"),
        (["--errors", "e.txt"], "expected an output that ends in .jsonl, .csv"),
        (["--page", "/none/page.html"], "found no such folder"),
        (["--codebook", "/none.yaml"], "expected a readable codebook file"),
    ],
)
def test_wrong_options_are_one_line(fake, run, coded, options, message):
    code, out, err = run("evaluate", coded, *options)
    assert code != 0
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_coded_set_is_not_written_over(fake, run, coded):
    before = coded.read_bytes()
    for option in ("--errors", "--page"):
        assert "found an input; choose another name" in run("evaluate", coded, option, coded)[2]
    assert coded.read_bytes() == before


def test_set_without_labels_is_refused(fake, run, tmp_path):
    path = tmp_path / "gold.csv"
    path.write_text("text,labels\nA.,\nB.,\n")
    code, _, err = run("evaluate", path)
    assert code == 1
    assert "expected passages with labels, found none among 2" in err


def test_missing_extra_says_what_to_install(run, monkeypatch, coded):
    monkeypatch.setattr("cabletag.extras.find_spec", lambda _: None)
    assert "pip install 'cabletag[evaluate]'" in run("evaluate", coded)[2]


def test_shipped_model_on_authored_passages(run, tmp_path):
    path = tmp_path / "some.jsonl"
    lines = (codebook_file().parent / "corpus" / "test.jsonl").read_text(encoding="utf-8").splitlines()[:120]
    path.write_text("\n".join(lines), encoding="utf-8")
    code, out, err = run("evaluate", path, "--json", "--samples", 100, "--document-column", "brief")
    assert code == 0, err
    found = json.loads(out)
    assert found["overall"]["micro"]["f1"][0] > 0.5
    assert found["model"]["name"] == DEFAULT_MODEL

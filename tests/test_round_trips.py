"""One command's output is the next one's input: batch, report, annotate, evaluate and prevalence on the files that they write."""

import json

import pytest

from cabletag.assets import codebook_file

SUFFIXES = (".parquet", ".jsonl", ".csv")
DOCUMENTS = 40


@pytest.fixture
def corpus(tmp_path, monkeypatch, tagger):
    """Documents of two passages, every other one with a label, with what is awkward in files; and two rows that cannot be read."""
    monkeypatch.setattr("cabletag.tagger.Tagger.from_pretrained", lambda *_, **__: tagger)
    monkeypatch.chdir(tmp_path)
    rows = []
    for number in range(DOCUMENTS):
        first = ["=sovereignty, said they", "'=One \u2028 “two”; sovereignty, attributed"][number % 2]
        second = f"+ Nothing {number}." if number % 2 else f"Document {number} and crime_framing."
        rows.append({"id": f"-d{number}", "text": f"{first} {number}.\n\n{second}", "year": 2020 + number % 3})
    lines = [*map(json.dumps, rows), "not json", '{"id": "n", "text": 7}']
    (tmp_path / "in.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


@pytest.fixture
def batch(run, corpus):
    def call(name, *options):
        code, _, err = run("batch", "in.jsonl", "-o", name, "--id-column", "id", "--keep", "year", *options)
        assert code == 3, err
        return name

    return call


@pytest.fixture
def coded(run, corpus):
    """A coded corpus by way of a tool: the sample is exported, filled in by a coder, and imported. Passages of documents that end in 7 were mistaken."""

    def call(output, *options):
        code, _, err = run("annotate", "export", output, "--to", "doccano", "-o", "tasks.jsonl", *options)
        assert code == 0, err
        filled = []
        for number, line in enumerate((corpus / "tasks.jsonl").read_text().splitlines()):
            row = json.loads(line)
            assert row["label"] == []
            filled.append({**row, "id": number, "label": coder(row)})
        (corpus / "anna.jsonl").write_text("".join(json.dumps(row) + "\n" for row in filled))
        code, _, err = run("annotate", "import", "anna.jsonl", "-o", "coded.jsonl")
        assert code == 0, err
        return "coded.jsonl"

    return call


def coder(row):
    return [] if row["document"].endswith("7") else [label for label in row["model_labels"].split(";") if label]


@pytest.fixture
def evaluated(run, corpus):
    def call(coded, *options):
        code, out, err = run("evaluate", coded, "--json", "--samples", 100, *options)
        assert code == 0, err
        (corpus / "e.json").write_text(out)
        return "e.json"

    return call


def shares(run, *arguments):
    code, out, err = run("prevalence", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_batch_to_coders_to_evaluation_to_shares_and_page(run, corpus, batch, coded, evaluated, suffix):
    output = batch(f"out{suffix}")
    gold = coded(output, "--blind", "--size", 500)
    rows = [json.loads(line) for line in (corpus / gold).read_text().splitlines()]
    assert len(rows) == 2 * DOCUMENTS
    assert {(row["document"], row["passage"]) for row in rows} == {
        (f"-d{n}", p) for n in range(DOCUMENTS) for p in (1, 2)
    }
    assert any(row["text"].startswith("'=One \u2028 “two”") for row in rows)
    evaluation = evaluated(gold, "--document-column", "document", "--whole-documents")
    counts = json.loads((corpus / evaluation).read_text())["confusion"]["sovereignty"]
    assert {name: counts[name] for name in ("tp", "fp", "fn", "tn")} == {"tp": 36, "fp": 4, "fn": 0, "tn": 40}
    by_sample = shares(run, output, "--sample", gold, "--by", "year")
    assert by_sample["all"]["labels"]["sovereignty"]["passages"]["corrected"] == [0.45] * 3
    assert by_sample["all"]["labels"]["sovereignty"]["documents"]["corrected"] == [0.9] * 3
    assert (by_sample["rows_rejected"], set(by_sample["by"]["values"])) == (2, {"2020", "2021", "2022"})
    by_rates = shares(run, output, "--evaluation", evaluation)
    assert by_rates["all"]["labels"]["sovereignty"]["passages"]["corrected"][0] == pytest.approx(0.45)
    code, _, err = run("report", output, "-o", "r.html", "--by", "year", "--time", "year", "--evaluation", evaluation)
    assert code == 0, err
    page = (corpus / "r.html").read_text()
    assert "Measured on 80 coded passages (<code>e.json</code>, scored in f32)" in page
    assert "<dt>precision</dt><dd>f32</dd>" in page
    assert "<td>50.0%</td><td><b>45.0%</b>" in page
    assert "&#39;=One" in page


def test_all_formats_of_an_output_give_the_same_sample_shares_and_page(run, corpus, batch):
    found = []
    for suffix in SUFFIXES:
        output = batch(f"out{suffix}")
        run("annotate", "export", output, "--to", "label-studio", "-o", "tasks.json", "--size", 20)
        run("report", output, "-o", "r.html", "--by", "year", "--title", "t")
        texts = [(corpus / name).read_text() for name in ("tasks.json", "r.html")]
        found.append([text.replace(suffix, "") for text in texts] + [shares(run, output, "--by", "year")["all"]])
    tasks, pages, counted = zip(*found, strict=True)
    assert tasks[0] == tasks[1] == tasks[2]
    assert counted[0] == counted[1] == counted[2]
    passages = [page[page.index('<section id="shares"') : page.index('<section id="run"')] for page in pages]
    assert passages[0] == passages[1] == passages[2]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_output_without_texts_serves_all_but_coding(run, corpus, batch, suffix):
    output = batch(f"out{suffix}", "--no-text")
    assert shares(run, output)["all"]["labels"]["crime_framing"]["passages"]["tagged"] == DOCUMENTS // 2
    assert run("report", output, "-o", "r.html")[0] == 0
    assert (
        "run `cabletag batch` without --no-text" in run("annotate", "export", output, "--to", "doccano", "-o", "t")[2]
    )


def test_sample_near_the_thresholds_gives_no_shares(run, batch, coded):
    output = batch("out.csv")
    gold = coded(output, "--blind", "--sample", "threshold", "--size", 40)
    code, out, err = run("prevalence", output, "--sample", gold)
    assert (code, out) == (2, "")
    assert "expected a random sample, found one of passages near a threshold" in err


def test_evaluation_at_other_thresholds_is_refused_by_the_page_too(run, batch, coded, evaluated):
    output = batch("out.jsonl")
    evaluation = evaluated(coded(output, "--blind"), "--threshold", 0.99)
    code, _, err = run("report", output, "-o", "r.html", "--evaluation", evaluation)
    assert code == 2
    assert "expected labels given at the thresholds of the evaluation" in err


def test_shipped_model_from_passages_to_a_page_with_its_evaluation(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = (codebook_file().parent / "corpus" / "test.jsonl").read_text(encoding="utf-8").split("\n")[:120]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert run("batch", "in.jsonl", "-o", "out.parquet", "--id-column", "id", "--passages")[0] == 0
    code, out, err = run("evaluate", "in.jsonl", "--json", "--samples", 100)
    assert code == 0, err
    (tmp_path / "e.json").write_text(out)
    whole = shares(run, "out.parquet", "--evaluation", "e.json")
    assert whole["model"] == json.loads(out)["model"]
    assert any(entry["passages"]["corrected"] for entry in whole["all"]["labels"].values())
    code, _, err = run("report", "out.parquet", "-o", "r.html", "--evaluation", "e.json")
    assert code == 0, err
    assert "Measured on 120 coded passages" in (tmp_path / "r.html").read_text()

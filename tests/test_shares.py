import json

import numpy as np
import pytest

from cabletag.evaluation.sources import read_sample

LENGTH = 5


def passages(ids, documents=200):
    """Rows as the batch scorer writes them, and what they really carry: one document in four says sovereignty once, the model misses some."""
    rows, gold = [], {}
    for document in range(documents):
        for passage in range(1, LENGTH + 1):
            carries = document % 4 == 0 and passage == 1
            given = (carries and document % 20 != 0) or (document % 50 == 1 and passage == 2)
            rows.append(
                {
                    "document": f"0{document}",
                    "passage": passage,
                    "text": "=text",
                    "labels": ["sovereignty"] if given else [],
                    "voice": "own" if given else None,
                    "status": "ok",
                    **{f"p_{label}": 0.9 if given and label == "sovereignty" else 0.1 for label in ids},
                    "year": 2020 + document % 2,
                }
            )
            gold[f"0{document}", passage] = ["sovereignty"] if carries else []
    rows.append({**rows[-1], "document": "bad", "passage": None, "labels": None, "voice": None, "status": "error"})
    return rows, gold


@pytest.fixture
def data(codebook):
    return passages(codebook.ids)


@pytest.fixture
def output(write_output, data):
    return write_output(data[0])


@pytest.fixture
def evaluation(tmp_path, codebook, manifest):
    """Error rates of a coded set: sensitivity 80%, specificity 99%."""
    from cabletag.evaluation.events import events

    counts = {"tp": 160, "fp": 8, "fn": 40, "tn": 792, "positives_effective": 200, "negatives_effective": 800}
    found = {
        "date": "2026-01-01",
        "model": {"name": manifest.name, "digest": manifest.digest},
        "precision": "f32",
        "codebook": {"id": codebook.id, "version": codebook.version},
        "labels": {},
        "gold": {"passages": 1000, "documents": 200},
        "thresholds": dict.fromkeys(codebook.ids, 0.5),
        "confusion": dict.fromkeys(events(codebook), counts),
        "document_confusion": None,
    }

    def make(**changes):
        path = tmp_path / "evaluation.json"
        path.write_text(json.dumps({**found, **changes}))
        return path

    return make


@pytest.fixture
def sample(tmp_path, data):
    def make(keys):
        path = tmp_path / "sample.jsonl"
        rows = [{"document": key[0], "passage": key[1], "labels": data[1].get(key, [])} for key in keys]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return make


def shares(run, *arguments):
    code, out, err = run("prevalence", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_without_coding_shares_are_named_uncorrected(run, output):
    found = shares(run, output)
    entry = found["all"]["labels"]["sovereignty"]["passages"]
    assert (entry["tagged"], entry["method"], entry["corrected"]) == (44, "uncorrected", None)
    assert entry["share_tagged"] == pytest.approx(44 / 1000)
    assert list(found["assumes"]) == ["uncorrected"]
    assert found["rows_rejected"] == 1
    assert found["all"]["labels"]["sovereignty"]["documents"]["tagged"] == 44


def test_whole_is_the_same_whatever_it_is_grouped_by(run, write_output):
    parties = ["A", "B", "A", "B"]
    debate = [{"passage": number, "labels": ["sovereignty"], "party": party} for number, party in enumerate(parties, 1)]
    path = write_output(debate)
    grouped = shares(run, path, "--by", "party")
    assert grouped["all"] == shares(run, path)["all"]
    assert grouped["all"]["documents"] == 1
    assert [grouped["by"]["values"][party]["documents"] for party in "AB"] == [1, 1]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_every_format_gives_the_same(run, output, data, write_output, suffix):
    other = write_output(data[0], f"out{suffix}")
    one, two = shares(run, output, "--by", "year"), shares(run, other, "--by", "year")
    assert {**one, "output": ""} == {**two, "output": ""}


def test_blocks_cut_through_documents_without_harm(run, output, monkeypatch):
    whole = shares(run, output, "--by", "year")
    monkeypatch.setattr("cabletag.formats.ROWS", 7)
    assert shares(run, output, "--by", "year") == whole


def test_evaluation_corrects_passages_and_not_documents(run, output, evaluation):
    found = shares(run, output, "--evaluation", evaluation())["all"]["labels"]["sovereignty"]
    share, low, high = found["passages"]["corrected"]
    assert share == pytest.approx((0.044 + 0.99 - 1) / 0.79, abs=1e-5)
    assert low < share < high
    assert found["documents"]["corrected"] is None
    assert "documents coded whole" in found["documents"]["problem"]


def test_documents_coded_whole_correct_documents(run, output, evaluation):
    from_whole = evaluation()
    counts = json.loads(from_whole.read_text())["confusion"]
    found = shares(run, output, "--evaluation", evaluation(document_confusion=counts))["all"]["labels"]["sovereignty"]
    assert found["documents"]["corrected"][0] == pytest.approx((44 / 200 + 0.99 - 1) / 0.79, abs=1e-5)


def test_documents_of_another_length_stay_uncorrected(run, output, evaluation):
    counts = json.loads(evaluation().read_text())["confusion"]
    path = evaluation(document_confusion=counts, gold={"passages": 1000, "documents": 20})
    found = shares(run, output, "--evaluation", path)["all"]["labels"]["sovereignty"]["documents"]
    assert found["corrected"] is None
    assert "5.0 passages here and 50.0 in the coded set" in found["problem"]


def test_random_sample_corrects_by_itself(run, output, sample, data):
    keys = list(data[1])
    picked = [keys[number] for number in np.random.default_rng(0).choice(len(keys), 400, replace=False)]
    found = shares(run, output, "--sample", sample(picked))
    entry = found["all"]["labels"]["sovereignty"]
    assert entry["passages"]["method"] == "post_stratified"
    assert entry["passages"]["corrected"][1] <= 0.05 <= entry["passages"]["corrected"][2]
    assert entry["documents"]["corrected"] is None
    assert found["notes"] == []


def test_documents_sampled_whole_correct_documents(run, output, sample, data):
    drawn = {f"0{number}" for number in np.random.default_rng(0).choice(200, 60, replace=False)}
    found = shares(run, output, "--sample", sample([key for key in data[1] if key[0] in drawn]))
    entry = found["all"]["labels"]["sovereignty"]["documents"]
    assert entry["method"] == "post_stratified"
    assert entry["corrected"][1] <= 0.25 <= entry["corrected"][2]


def test_everything_coded_leaves_no_error(run, output, sample, data):
    found = shares(run, output, "--sample", sample(list(data[1])))["all"]["labels"]["sovereignty"]
    assert found["passages"]["corrected"] == pytest.approx([0.05] * 3)
    assert found["documents"]["corrected"] == pytest.approx([0.25] * 3)


def test_sample_of_tagged_passages_is_called_no_random_sample(run, output, sample, data):
    tagged = [(row["document"], row["passage"]) for row in data[0] if row["labels"]]
    assert "hardly a random sample" in shares(run, output, "--sample", sample(tagged))["notes"][0]


def test_values_with_too_small_a_sample_take_the_evaluation(run, output, sample, data, evaluation):
    keys = [key for key in data[1] if int(key[0]) % 2 == 0]
    found = shares(run, output, "--sample", sample(keys), "--evaluation", evaluation(), "--by", "year")["by"]["values"]
    methods = {year: part["labels"]["sovereignty"]["passages"]["method"] for year, part in found.items()}
    assert methods == {"2020": "post_stratified", "2021": "rogan_gladen"}
    assert sum(part["passages"] for part in found.values()) == 1000


def test_value_with_too_small_a_sample_says_so(run, output, sample, data):
    keys = [key for key in data[1] if int(key[0]) % 2 == 0]
    found = shares(run, output, "--sample", sample(keys[:200]), "--by", "year")["by"]["values"]["2021"]["labels"][
        "sovereignty"
    ]
    assert found["passages"]["corrected"] is None
    assert found["passages"]["problem"] == "0 coded passages, 30 needed"
    assert found["documents"]["problem"] == "needs a sample of 30 documents or more, each coded whole"


def test_table_shows_shares_with_their_assumption(run, output, evaluation, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    code, out, _ = run("prevalence", output, "--evaluation", evaluation(), "--by", "year")
    assert code == 0
    assert "1,000 passages of 200 documents" in out
    assert "assumes that the model errs in this corpus at the rates of" in out
    assert "2021" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "yaer"], "expected the column 'yaer', found none; did you mean 'year'?"),
        (["--evaluation", "/none.json"], "expected the JSON of `cabletag evaluate`, found: No such file"),
        (["--sample", "/none.jsonl"], "expected a readable coded set"),
    ],
)
def test_wrong_options_are_one_line(run, output, options, message):
    code, out, err = run("prevalence", output, *options)
    assert code != 0
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_evaluation_of_another_model_is_refused(run, output, evaluation):
    path = evaluation(model={"name": "other", "digest": "0" * 64})
    assert "expected an evaluation of the output's model" in run("prevalence", output, "--evaluation", path)[2]


def test_evaluation_of_another_codebook_version_is_refused(run, output, evaluation, codebook):
    path = evaluation(codebook={"id": codebook.id, "version": "9.9"})
    assert "expected an evaluation of the output's codebook" in run("prevalence", output, "--evaluation", path)[2]


def test_labels_given_at_other_thresholds_are_refused(run, output, evaluation, codebook):
    path = evaluation(thresholds=dict.fromkeys(codebook.ids, 0.95))
    err = run("prevalence", output, "--evaluation", path)[2]
    assert "found 'sovereignty' given at 0.90 (document '01', passage 2; threshold 0.95)" in err


def test_output_without_its_record_has_no_shares(run, output):
    output.with_name("out.parquet.run.json").unlink()
    assert "expected the record of the run beside its output" in run("prevalence", output)[2]


def test_sample_near_the_thresholds_is_refused(run, output, tmp_path):
    path = tmp_path / "sample.jsonl"
    row = {"document": "00", "passage": 1, "labels": [], "sample": {"sample": "threshold"}}
    path.write_text(json.dumps(row))
    assert (
        "expected a random sample, found one of passages near a threshold"
        in run("prevalence", output, "--sample", path)[2]
    )


@pytest.mark.parametrize("column", ["{A}", "7", '{"wave": 1}', ""])
def test_column_sample_of_ones_own_is_let_be(tmp_path, codebook, column):
    path = tmp_path / "sample.jsonl"
    path.write_text(json.dumps({"document": "00", "passage": 1, "labels": [], "sample": column}))
    assert list(read_sample(path, codebook)) == [("00", "1")]


def test_coded_passage_that_the_output_has_twice_is_refused(run, write_output, data, sample):
    output = write_output([*data[0], data[0][0]])
    code, _, err = run("prevalence", output, "--sample", sample([("00", 1)]))
    assert code == 1
    assert "expected one passage 1 of document '00', found two" in err
    assert "give --id-column an id of its own for each row" in err


def test_sample_of_another_output_is_refused(run, output, sample):
    assert (
        "found 1 of them missing, first document 'zz' passage 1"
        in run("prevalence", output, "--sample", sample([("zz", 1)]))[2]
    )


def test_passage_coded_twice_is_refused(run, output, sample):
    assert "expected each passage once" in run("prevalence", output, "--sample", sample([("00", 1), ("00", 1)]))[2]


def test_output_of_errors_alone_has_no_shares(run, write_output, data):
    assert "expected scored passages, found none (1 rows rejected)" in run("prevalence", write_output(data[0][-1:]))[2]

"""To Label Studio and doccano and back, as those tools write their exports."""

import json
import xml.etree.ElementTree as ET
import zipfile

import pytest

from cabletag import Codebook
from cabletag.corpus import read_corpus

ROWS = [
    {
        "document": "a",
        "passage": 1,
        "text": "One  <b>&\n “two”\u2028.",
        "labels": ["sovereignty"],
        "voice": "attributed",
    },
    {"document": "a", "passage": 1, "text": "The same id again.", "labels": []},
    {"document": "b", "passage": 2, "text": "Three.", "labels": ["crime_framing", "evidence_challenge"]},
]


@pytest.fixture
def exported(run, write_output, tmp_path):
    def call(tool, *options):
        file = tmp_path / ("tasks.json" if tool == "label-studio" else "tasks.jsonl")
        code, _, err = run("annotate", "export", write_output(ROWS), "--to", tool, "-o", file, "--seed", 3, *options)
        assert code == 0, err
        return file

    return call


def label_studio(file, coders, name="back.json", change=lambda task: task):
    """What Label Studio's JSON export makes of imported tasks: `coders` maps a user to a function from labels to labels."""
    tasks = []
    for number, task in enumerate(json.loads(file.read_text()), 1):
        shown = [
            label for part in task["predictions"] for result in part["result"] for label in result["value"]["choices"]
        ]
        annotations = []
        for user, code in coders.items():
            labels = code(shown or task["data"]["model_labels"].split(";"))
            if labels is None:
                continue
            result = [{"id": "x", "type": "choices", "value": {"choices": [label]}, "origin": "manual", "from_name": "response", "to_name": "text"}
                      for label in labels if label]  # fmt: skip
            annotations.append(
                {"id": number, "completed_by": user, "was_cancelled": False, "ground_truth": False, "result": result}
            )
        data = dict(task["data"], text=" ".join(task["data"]["text"].split()))  # the tool trims white space
        tasks.append(change({"id": number, "data": data, "annotations": annotations, "predictions": [], "project": 1}))
    back = file.with_name(name)
    back.write_text(json.dumps(tasks))
    return back


def doccano(file, code, change=lambda row: row):
    """What doccano's JSON-lines export makes of imported rows: an id of its own first, labels sorted, metadata kept."""
    lines = []
    for number, line in enumerate(file.read_text().split("\n")[:-1], 1):
        row = json.loads(line)
        labels = code(row.pop("label"))
        lines.append(json.dumps(change({"id": number, **row, "label": sorted(labels), "Comments": []})))
    return "".join(line + "\n" for line in lines)


def test_label_studio_round_trip_keeps_text_labels_and_design(run, exported, tmp_path, codebook):
    back = label_studio(exported("label-studio"), {7: lambda labels: labels})
    code, out, err = run("annotate", "import", back, "-o", tmp_path / "coded.jsonl")
    assert code == 0, err
    rows = {row["id"]: row for row in map(json.loads, (tmp_path / "coded.jsonl").read_text().splitlines())}
    assert set(rows) == {"a#1", "a#1~2", "b#2"}
    given = {" ".join(row["text"].split()): (row["labels"], row["model_labels"], row["coder"]) for row in rows.values()}
    assert given["One <b>& “two” ."] == (["sovereignty", "attributed"], ["sovereignty", "attributed"], "7")
    assert given["The same id again."][0] == []
    assert rows["b#2"]["sample"]["seed"] == 3
    assert rows["b#2"]["sample"]["of"] == 3
    assert len(read_corpus(tmp_path / "coded.jsonl", codebook)) == 3
    found = {entry["label"]: entry for entry in map(json.loads, out.splitlines())}
    assert found["sovereignty"] == {
        "label": "sovereignty",
        "coded": 1,
        "model": 1,
        "both": 1,
        "coders_alpha": None,
        "model_alpha": 1.0,
    }


def test_labelling_config_has_every_label_once(exported, codebook):
    root = ET.parse(exported("label-studio").with_suffix(".config.xml")).getroot()
    assert sorted(choice.get("value") for choice in root.iter("Choice")) == sorted(codebook.ids)
    groups = {choices.get("name"): {choice.get("value") for choice in choices} for choices in root.iter("Choices")}
    task = json.loads(exported("label-studio").read_text())[0]
    for result in task["predictions"][0]["result"]:
        assert set(result["value"]["choices"]) <= groups[result["from_name"]]
        assert result["to_name"] == root.find("Text").get("name")
    assert root.find("Text").get("value") == "$text"


def test_blind_export_shows_no_label_and_still_compares(run, exported, tmp_path):
    file = exported("label-studio", "--blind")
    assert all(task["predictions"] == [] for task in json.loads(file.read_text()))
    code, out, _ = run("annotate", "import", label_studio(file, {1: lambda _: []}), "-o", tmp_path / "c.jsonl")
    assert code == 0
    assert sum(json.loads(line)["model"] for line in out.splitlines()) == 4


@pytest.mark.parametrize("zipped", [False, True])
def test_doccano_round_trip_by_file_and_by_zip(run, exported, tmp_path, zipped):
    text = doccano(exported("doccano"), lambda labels: labels)
    back = tmp_path / ("export.zip" if zipped else "anna.jsonl")
    if zipped:
        with zipfile.ZipFile(back, "w") as archive:
            archive.writestr("anna.jsonl", text)
            archive.writestr("ben.jsonl", text)
    else:
        back.write_text(text)
    code, _, err = run("annotate", "import", back, "-o", tmp_path / "c.jsonl")
    assert code == 0, err
    rows = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert {row["coder"] for row in rows} == {"anna, ben" if zipped else "anna"}
    assert all(row["labels"] == row["model_labels"] for row in rows)
    assert {item["text"] for item in json.loads((tmp_path / "tasks.labels.json").read_text())} == set(
        Codebook.load().ids
    )


def test_coders_are_settled_by_majority_and_their_difference_is_kept(run, exported, tmp_path):
    coders = {1: lambda labels: labels, 2: lambda labels: labels, 3: lambda _: ["root_causes"]}
    code, out, _ = run("annotate", "import", label_studio(exported("label-studio"), coders), "-o", tmp_path / "c.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert code == 0
    assert all(row["labels"] == row["model_labels"] and not row["sure"] for row in rows)
    assert all(row["coding"]["3"] == ["root_causes"] for row in rows)
    assert json.loads(out.splitlines()[0])["coders_alpha"] < 1


def test_two_files_of_two_people_are_two_coders(run, exported, tmp_path):
    file = exported("label-studio")
    backs = [label_studio(file, {1: lambda labels: labels}, name) for name in ("anna.json", "ben.json")]
    run("annotate", "import", *backs, "-o", tmp_path / "c.jsonl")
    assert json.loads((tmp_path / "c.jsonl").read_text().splitlines()[0])["coder"] == "anna/1, ben/1"


def test_same_coder_twice_is_told(run, exported, tmp_path):
    text = doccano(exported("doccano"), lambda labels: labels)
    (tmp_path / "all.jsonl").write_text(text * 2)
    code, _, err = run("annotate", "import", tmp_path / "all.jsonl", "-o", tmp_path / "c.jsonl")
    assert code == 1
    assert "found two; give each coder's file its own name" in err


def test_skipped_and_uncoded_passages_are_counted_and_left_out(run, exported, tmp_path):
    back = label_studio(exported("label-studio"), {1: lambda labels: labels if "sovereignty" in labels else None})
    code, _, err = run("annotate", "import", back, "-o", tmp_path / "c.jsonl")
    assert code == 0
    assert "1 coded passages; 2 not coded, 0 left out" in err


def test_unknown_label_and_changed_text_are_named_and_left_out(run, exported, tmp_path):
    def change(row):
        return row | {"text": "Three, said he."} if row["text"] == "Three." else row

    text = doccano(exported("doccano"), lambda labels: ["sovreignty"] if "sovereignty" in labels else labels, change)
    (tmp_path / "all.jsonl").write_text(text)
    code, _, err = run("annotate", "import", tmp_path / "all.jsonl", "-o", tmp_path / "c.jsonl")
    assert code == 1
    assert "unknown label 'sovreignty'; did you mean 'sovereignty'?; left out" in err
    assert "the text of 'b#2' is not the one that was exported; left out" in err
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "found an empty export"),
        ("[]", "found an empty export"),
        ("{", "expected Label Studio's JSON or doccano's JSON lines"),
        ('[{"text": "x", "sovereignty": 1}]', "choose JSON, not JSON-MIN or CSV"),
        ('{"text": "x", "label": []}', "expected an item of `cabletag annotate export --to doccano`"),
        ("\x00\x01", "expected Label Studio's JSON"),
        (
            '[{"data": {"text": "x", "passage_id": "a", "document": "a", "passage": "1", "text_digest": "b"}, "annotations": [7]}]',
            "expected a coded item",
        ),
        (
            '{"text": "x", "passage_id": "a", "document": "a", "passage": "1", "text_digest": "b", "label": "x"}',
            "is it a project for text classification?",
        ),
    ],
)
def test_file_that_is_no_export_is_one_line(run, tmp_path, content, message):
    (tmp_path / "x").write_text(content)
    code, _, err = run("annotate", "import", tmp_path / "x", "-o", tmp_path / "c.jsonl")
    assert code == 1
    assert err.count("\n") == 1
    assert message in err


def test_nothing_coded_is_told(run, exported, tmp_path):
    code, _, err = run("annotate", "import", label_studio(exported("label-studio"), {}), "-o", tmp_path / "c.jsonl")
    assert code == 1
    assert "expected coded passages, found none that can be used; are any of them submitted?" in err


def test_unknown_tool_is_told(run, write_output, tmp_path):
    code, _, err = run("annotate", "export", write_output(ROWS), "--to", "prodigy", "-o", tmp_path / "x")
    assert code == 2
    assert "expected a tool of label-studio or doccano, found 'prodigy'" in err


def test_terminal_gets_a_table(run, exported, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    back = label_studio(exported("label-studio"), {1: lambda labels: labels, 2: lambda labels: labels})
    _, out, _ = run("annotate", "import", back, "-o", tmp_path / "c.jsonl")
    assert "sovereignty" in out
    assert "1.00" in out
    assert "root_causes" not in out

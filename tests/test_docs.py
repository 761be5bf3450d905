"""What the pages say is what the tool does."""

import re
import subprocess
import sys
from importlib import import_module, util
from pathlib import Path

import pytest

import cabletag
from cabletag import Codebook
from cabletag.corpus import read_corpus
from cabletag.formats import FIXED

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^cabletag [^\n|>]+", README, re.MULTILINE)))


def test_python_snippet_runs_and_gives_the_directive(capsys):
    snippet = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    exec(compile(snippet, "README.md", "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert "reporting_directive" in first
    assert second == "() None"


@pytest.mark.parametrize("command", COMMANDS)
def test_options_in_the_readme_exist(command):
    words = command.split()
    path = [
        word
        for word in words[1:3]
        if re.fullmatch(r"[a-z]+", word) and not (len(words) > 2 and words[1] == "tag" and word == words[2])
    ]
    done = subprocess.run([sys.executable, "-m", "cabletag.cli", *path, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in re.findall(r"--[a-z-]+", command):
        assert option in done.stdout


def test_codebook_of_ones_own_and_its_row_are_taken(tmp_path):
    page = (ROOT / "docs" / "own-codebook.md").read_text(encoding="utf-8")
    files = {"book.yaml": "yaml", "train.jsonl": "json"}
    for name, kind in files.items():
        (tmp_path / name).write_text(re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL).group(1), encoding="utf-8")
    book = Codebook.load(tmp_path / "book.yaml")
    assert read_corpus(tmp_path / "train.jsonl", book)[0].labels == ("jobs",)


@pytest.mark.parametrize("column", FIXED)
def test_every_column_of_a_batch_is_told(column):
    assert f"`{column}`" in (ROOT / "docs" / "method.md").read_text(encoding="utf-8").split("### Columns")[1]


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def script(name):
    """A script of docs/, which is no package."""
    spec = util.spec_from_file_location(Path(name).stem, ROOT / "docs" / name)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_figures(page):
    """Words and labels alone: last digits, and with them the widths of tables and the order of labels by their number, differ between processors."""
    page = re.sub(r"^  [a-z_]+ +[\d,]+ +[\d.]+%$", "#", page, flags=re.MULTILINE)
    page = re.sub(r"\b[0-9a-f]{12}\b|\bin (bf16|f32)\b|─+", "#", page)
    return re.sub(r"[\d.,]*\d%?", "#", page).split()


def test_tutorial_runs_in_an_empty_folder_and_shows_what_the_commands_print(tmp_path):
    tutorial = script("tutorial.py")
    page = tutorial.PAGE.read_text(encoding="utf-8")
    assert without_figures(tutorial.refreshed(page, tmp_path)) == without_figures(page), "run python docs/tutorial.py"
    assert "<script" in (tmp_path / "afternoon" / "by-genre.html").read_text(encoding="utf-8")


def test_tutorial_stops_at_a_command_that_fails(tmp_path):
    with pytest.raises(RuntimeError, match="expected exit code 0, found 1"):
        script("tutorial.py").refreshed("```bash\nls nothing-here 2>/dev/null || exit 1\n```\n", tmp_path)


@pytest.mark.parametrize(
    "package", ["cabletag", "cabletag.batch", "cabletag.evaluation", "cabletag.report", "cabletag.annotation"]
)
def test_api_page_has_every_public_name(package):
    listed = re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    here = {
        name.rpartition(".")[2]
        for name in listed
        if name.startswith("cabletag." if package == "cabletag" else f"{package}.")
    }
    assert set(import_module(package).__all__) <= here | set(cabletag.__all__)


def test_codebook_page_says_all_that_the_codebook_says(codebook):
    shown = "\n".join(script("hooks/codebook_page.py").page(codebook))
    plain = re.sub(r"\\(?=[\\`*_\[\]#])|`", "", shown).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    for label in codebook.labels:
        said = (label.name, label.id, label.definition, label.near_miss, *label.counts, *label.does_not_count)
        for text in (*said, *label.examples, *label.facts):
            assert text.replace("`", "") in plain
    for fact in codebook.facts:
        assert f"{fact.statement} | {fact.support}" in plain


def test_command_page_names_every_option_of_every_command():
    from cabletag.cli import app

    page = "\n".join(script("hooks/command_pages.py").page(app))
    for name in (
        "tag",
        "batch",
        "evaluate",
        "prevalence",
        "report",
        "annotate export",
        "labels check",
        "models verify",
    ):
        shown = re.search(rf"^## cabletag {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL).group(1)
        done = subprocess.run(
            [sys.executable, "-m", "cabletag.cli", *name.split(), "--help"], capture_output=True, text=True
        )
        assert set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", done.stdout, re.MULTILINE)) <= set(
            re.findall(r"--[a-z-]+", shown)
        )

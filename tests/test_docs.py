"""What the pages say is what the tool does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target

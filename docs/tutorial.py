"""The commands of tutorial.md, run in their order, and their output put below them.

    python docs/tutorial.py

Every block marked `bash` is run in one empty folder beside `docs` and `labels`; the block marked `text` below it takes what it
prints on a terminal of COLUMNS columns. `<!-- first N lines -->` between the two shortens the output and says by how much; `<!-- exit N -->` is an
exit code that is meant to be. Blocks marked `sh` are for the reader alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
COLUMNS = 96
STYLE = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
BLOCK = re.compile(
    r"```bash\n(?P<commands>.*?)```\n(?P<marks>(?:\n?<!--[^\n]*-->\n)*)(?P<gap>\n*)(?:```text\n(?P<shown>.*?)```\n)?",
    re.DOTALL,
)


def run(commands: str, folder: Path, expected: int) -> str:
    """What the commands print in `folder`, standard output as on a terminal, then standard error. Raises RuntimeError for another exit code."""
    programs = folder / ".programs"
    if not programs.is_dir():
        programs.mkdir()
        for name, words in (("python", ""), ("cabletag", "-m cabletag.cli ")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
            program.chmod(0o755)
    settings = {
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm",
        "NO_COLOR": "1",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    here, there = os.openpty()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env={**os.environ, **settings, "PATH": path}, stdin=subprocess.DEVNULL, stdout=there, stderr=errors
        )  # fmt: skip
        os.close(there)
        out = b""
        while part := _read(here):
            out += part
        os.close(here)
        errors.seek(0)
        out += errors.read()
    code, text = process.wait(), STYLE.sub("", out.decode()).replace("\r\n", "\n")
    if code != expected:
        raise RuntimeError(f"{commands}expected exit code {expected}, found {code}: {text}")
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the program has closed the terminal
        return b""


def refreshed(page: str, home: Path) -> str:
    """The page with every output made anew, in the folder `afternoon` of an empty folder `home`."""
    folder = home / "afternoon"
    folder.mkdir()
    for name in ("docs", "labels"):
        (home / name).symlink_to(ROOT / name)

    def block(match: re.Match[str]) -> str:
        code = re.search(r"exit (\d+)", match["marks"])
        lines = run(match["commands"], folder, int(code[1]) if code else 0).splitlines()
        first = re.search(r"first (\d+) lines", match["marks"])
        if first and len(lines) > int(first[1]):
            lines[int(first[1]) :] = [f"… ({len(lines) - int(first[1])} more lines)"]
        head = f"```bash\n{match['commands']}```\n{match['marks']}"
        return head + match["gap"] if match["shown"] is None else f"{head}\n```text\n{chr(10).join(lines)}\n```\n"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8"), Path(empty)), encoding="utf-8")

"""Rebuild the texts of the real passages from the public git repositories that real.jsonl points into.

    python labels/scripts/rebuild_real.py labels/cable-2025-11-21/corpus/real.jsonl OUT.jsonl [--clones FOLDER] [--offline]

Clones each repository at the coded commit, takes the passage at its locator, and keeps it if its SHA-256 is the coded one. What
cannot be rebuilt is counted and named. The texts belong to their publishers; they are for your use, not for publication here.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import html
import io
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path


def units(raw: str, locator: dict) -> list[str]:
    """The units of a file that a locator of this format may mean; raises LookupError for a format that is not read here.

    All of them, since the digest tells which one was coded whatever the counting.
    """
    kind = locator["format"]
    if kind in ("blocks", "europarl"):
        return [*re.split(r"\n\s*\n", raw), *raw.split("\n")]
    if kind == "lines":
        return raw.split("\n")
    if kind == "lines3":
        lines = raw.split("\n")
        return [" ".join(lines[start : start + 3]) for start in range(len(lines))]
    if kind == "flat":
        start, end = map(int, re.findall(r"\d+", locator["unit"]))
        return [" ".join(raw.split())[start:end]]
    if kind in ("html", "tei"):
        return [
            html.unescape(re.sub(r"<[^>]+>", " ", part))
            for part in re.findall(r"<p\b[^>]*>(.*?)</p>", raw, re.DOTALL | re.IGNORECASE)
        ]
    if kind.startswith("csv"):
        _, delimiter, column = kind.split(":", 2)
        csv.field_size_limit(1 << 30)
        return [
            row[column] or ""
            for row in csv.DictReader(
                io.StringIO(raw), delimiter={"comma": ",", "semicolon": ";", "tab": "\t"}[delimiter]
            )
        ]
    raise LookupError(kind)


def coded(raw: str, locator: dict, digest: str) -> str | None:
    """The passage of a file with this digest, at the stretch of a unit that the locator names, white space as it stands or collapsed."""
    part = slice(locator["start"], locator["end"])
    for unit in units(raw, locator):
        flat = " ".join(unit.split())
        for text in (flat[part], unit[part], unit.strip()[part], flat[part].strip()):
            if hashlib.sha256(text.encode()).hexdigest() == digest:
                return text
    return None


def fetch(repository: str, commit: str, clones: Path, offline: bool) -> Path:
    folder = clones / repository.replace("/", "__")
    if not folder.is_dir() and not offline:
        url = f"https://github.com/{repository}"
        subprocess.run(["git", "clone", "--quiet", "--filter=blob:none", "--no-checkout", url, str(folder)], check=True)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pointers", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--clones", type=Path, default=Path("clones"))
    parser.add_argument("--offline", action="store_true", help="use the clones that are there, fetch nothing")
    arguments = parser.parse_args()
    arguments.clones.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in arguments.pointers.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if "span" not in row]  # a part comes with its whole
    files: dict[tuple[str, str, str], str | None] = {}
    lost: Counter[str] = Counter()
    with arguments.output.open("w", encoding="utf-8") as out:
        for row in rows:
            place = (row["repo"], row["commit"], row["path"])
            if place not in files:
                folder = fetch(row["repo"], row["commit"], arguments.clones, arguments.offline)
                shown = subprocess.run(
                    ["git", "-C", str(folder), "show", f"{row['commit']}:{row['path']}"], capture_output=True
                )
                files[place] = shown.stdout.decode("utf-8", "replace") if shown.returncode == 0 else None
            raw = files[place]
            if raw is None:
                lost[f"{row['repo']}: no such file or commit"] += 1
                continue
            try:
                text = coded(raw, row["locator"], row["sha256"])
            except (LookupError, ValueError):
                lost[f"{row['repo']}: locator {row['locator']['format']} is not read by this script"] += 1
                continue
            if text is None:
                lost[f"{row['repo']}: the text there is not the one that was coded"] += 1
            else:
                out.write(json.dumps({"id": row["id"], "text": text}, ensure_ascii=False) + "\n")
    for reason, count in lost.most_common():
        print(f"{count:>6} lost  {reason}", file=sys.stderr)
    print(f"{len(rows) - lost.total():,} of {len(rows):,} passages rebuilt into {arguments.output}", file=sys.stderr)
    return 0 if not lost else 1


if __name__ == "__main__":
    raise SystemExit(main())

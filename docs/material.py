"""Texts for the tutorial, from the authored corpus, and codes for them in the place of a person's.

python docs/material.py texts passages.csv     # a folder of documents, and the same passages as a table
python docs/material.py --code to-code.jsonl   # doccano's export as it comes back, coded as the corpus is
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from cabletag import Codebook, split

CODEBOOK = Path(__file__).resolve().parents[1] / "labels" / Codebook.load().id
BRIEFS = ("te-02", "te-09", "te-13", "te-15")
A_DOCUMENT = 9  # passages


def passages() -> list[dict[str, object]]:
    """The passages of some briefs that `split` leaves whole, so that their codes are known when they are found again."""
    lines = (CODEBOOK / "corpus" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = (row for row in map(json.loads, lines) if row["brief"] in BRIEFS)
    return [row for row in rows if [passage.text for passage in split(row["text"]).passages] == [row["text"]]]


def write_texts(folder: Path, table: Path) -> None:
    """Documents of some passages each, and one file that is no UTF-8; and the table."""
    folder.mkdir()
    documents: dict[str, list[str]] = {}
    with table.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(("id", "genre", "text"))
        for place, row in enumerate(passages()):
            name = f"{row['genre']}-{place // A_DOCUMENT + 1:02}.txt"
            documents.setdefault(name, []).append(str(row["text"]))
            out.writerow((row["id"], row["genre"], row["text"]))
    for name, texts in documents.items():
        (folder / name).write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    (folder / "old-scan.txt").write_bytes("Café at the border, in Latin-1.\n".encode("latin-1"))
    print(f"{folder}: {len(documents) + 1} files; {table}: {sum(map(len, documents.values()))} passages")


def code(tasks: Path) -> None:
    """What doccano would export when a person had coded every item as the corpus has it."""
    known = {str(row["text"]): row["labels"] for row in passages()}
    for number, line in enumerate(tasks.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        print(json.dumps({"id": number, **row, "label": known[row["text"]]}))


if __name__ == "__main__":
    if sys.argv[1] == "--code":
        code(Path(sys.argv[2]))
    else:
        write_texts(Path(sys.argv[1]), Path(sys.argv[2]))

"""A new model put in the place of an old one, whose card is kept, for people write on in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from cabletag.errors import OutputError
from cabletag.manifest import FILE as MANIFEST

CARD = "MODEL_CARD.md"


def check_folder(output: Path) -> None:
    """Raise OutputError for anything but a new or empty folder, or that of a model."""
    if output.is_file() or (output.is_dir() and any(output.iterdir()) and not (output / MANIFEST).is_file()):
        raise OutputError(f"{output}: expected a new folder or that of a model, found something else; name another")


def put(fresh: Path, output: Path, card: str) -> None:
    """Move a whole model folder to `output`, with the card that is there, or `card` if there is none."""
    old = output / CARD
    (fresh / CARD).write_text(old.read_text(encoding="utf-8") if old.is_file() else card, encoding="utf-8")
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(fresh, output)

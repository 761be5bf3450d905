"""JSON in: one object with the keys that are needed, or a clear line that says what was expected."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cabletag.errors import DocumentError


def read_json(path: Path, what: str, needed: Sequence[str], mend: str) -> dict[str, Any]:
    """A JSON object that has the keys `needed`. Raises DocumentError: `what` was expected, and how to `mend` it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = str(error.strerror)
    except ValueError as error:
        reason = str(error)
    else:
        if not isinstance(found, dict):
            reason = "no object"
        elif not (missing := [key for key in needed if key not in found]):
            return found
        else:
            reason = f"no '{missing[0]}' in it"
    raise DocumentError(f"{path}: expected {what}, found: {reason}; {mend}")

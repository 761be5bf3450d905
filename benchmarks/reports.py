"""The results folder: what every benchmark writes, and what tables.py reads."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cabletag import Tagger

FOLDER = Path(__file__).parent / "results"


def read(name: str) -> dict[str, Any]:
    """A benchmark's last report; empty before its first run."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write(name: str, report: dict[str, Any]) -> None:
    (FOLDER / f"{name}.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def machine() -> str:
    import openvino

    name = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    return f"{name.strip()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def model(tagger: Tagger) -> dict[str, str]:
    return {"name": tagger.manifest.name, "weights_sha256": tagger.manifest.weights_sha256}

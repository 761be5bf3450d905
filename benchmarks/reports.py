"""The results folder: what every benchmark writes, and what tables.py reads."""

from __future__ import annotations

import json
import os
import platform
import re
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
    """The processor as it calls itself and, on Linux, its family and model: virtual machines of several generations bear one name."""
    import openvino

    name = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME").strip()
    file = Path("/proc/cpuinfo")
    told = dict(re.findall(r"^(cpu family|model)\s*: (\d+)$", file.read_text(), re.MULTILINE)) if file.is_file() else {}
    generation = f" family {told['cpu family']} model {told['model']}" if len(told) == 2 else ""
    return f"{name}{generation}, {os.cpu_count()} cores, Python {platform.python_version()}"


def model(tagger: Tagger) -> dict[str, str]:
    return {"name": tagger.manifest.name, "weights_sha256": tagger.manifest.weights_sha256}

"""Floors under the measured quality: results/quality.json must not fall below gate.json.

    python benchmarks/gate.py            # check; leaves with 1 below a floor
    python benchmarks/gate.py --raise    # lift the floors to what was measured
    python benchmarks/gate.py --lower    # set them to what was measured, also where that is less

A floor belongs to a coded set by its digest: figures on another set say nothing about it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GATE, RESULTS = HERE / "gate.json", HERE / "results" / "quality.json"


def measured(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Set name to digest and figures of the shipped model."""
    return {
        name: {
            "sha256": report["sets"][name]["sha256"],
            "floors": floors(systems["cabletag"]["overall"]),
        }
        for name, systems in report["results"].items()
    }


def floors(overall: dict[str, Any]) -> dict[str, float]:
    return {
        "macro_f1": overall["macro_f1"][0],
        "micro_f1": overall["micro"]["f1"][0],
        "any_label_f1": overall["any"]["f1"][0],
    }


def problems(gate: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What stands below its floor, or was measured on another set."""
    below = []
    for name, entry in gate.items():
        if name not in found:
            below.append(f"{name}: expected a result, found none; run benchmarks/quality.py with --gold '{name}=FILE'")
        elif found[name]["sha256"] != entry["sha256"]:
            below.append(f"{name}: the set is another one than the floors were measured on; set them anew with --lower")
        else:
            below += [
                f"{name}: expected {measure} of at least {floor}, found {found[name]['floors'][measure]}"
                for measure, floor in entry["floors"].items()
                if found[name]["floors"][measure] < floor
            ]
    return below


def raised(gate: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The floors lifted to what was found, none lowered."""
    lifted = {}
    for name, entry in found.items():
        old = gate.get(name)
        keep = old["floors"] if old and old["sha256"] == entry["sha256"] else {}
        higher = {measure: max(value, keep.get(measure, 0.0)) for measure, value in entry["floors"].items()}
        lifted[name] = {"sha256": entry["sha256"], "floors": higher}
    return lifted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--raise", dest="lift", action="store_true", help="lift the floors to what was measured")
    group.add_argument("--lower", action="store_true", help="set the floors to what was measured, lower ones included")
    arguments = parser.parse_args()
    gate = json.loads(GATE.read_text(encoding="utf-8")) if GATE.is_file() else {}
    found = measured(json.loads(RESULTS.read_text(encoding="utf-8")))
    if arguments.lift or arguments.lower:
        gate = found if arguments.lower else raised(gate, found)
        GATE.write_text(json.dumps(gate, indent=1) + "\n", encoding="utf-8")
        return 0
    below = problems(gate, found)
    for line in below:
        print(line)
    return 1 if below else 0


if __name__ == "__main__":
    raise SystemExit(main())

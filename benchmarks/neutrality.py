"""Does the model treat groups, faiths, nations, parties and sides alike? Into results/neutrality.json.

    python benchmarks/neutrality.py

Counterfactual pairs (Garg et al. 2019): two passages that differ only in who is spoken of, or who speaks. Where the codebook gives
both the same labels the model should; where it does not (crime by newcomers, crime by locals) it should tell them apart.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from typing import Any

import numpy as np
import reports

from cabletag import Codebook, Tagger
from cabletag.assets import codebook_file
from cabletag.corpus import checked_labels, read_rows


def measure(tagger: Tagger, pairs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Per kind of swap: pairs, share with the same labels, and the largest change of a label's probability within a pair."""
    sides = [tagger.tag([pair[side] for pair in pairs]) for side in ("a", "b")]
    kinds: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for pair, one, two in zip(pairs, *sides, strict=True):
        change = max(
            abs(one.scores[label] - two.scores[label]) for label in one.scores if label != tagger.manifest.voice
        )
        found = (set(one.labels) == set(two.labels), change)
        kinds[pair["kind"]].append(found)
        kinds["all that should agree" if pair["same"] else "all that should differ"].append(found)
    return {
        kind: {
            "pairs": len(found),
            "same_labels": round(float(np.mean([same for same, _ in found])), 4),
            "change_median": round(float(np.median([change for _, change in found])), 4),
            "change_p95": round(float(np.percentile([change for _, change in found], 95)), 4),
        }
        for kind, found in kinds.items()
    }


def main() -> None:
    codebook, tagger = Codebook.load(), Tagger.from_pretrained(precision="f32")
    path = codebook_file().parent / "corpus" / "pairs.jsonl"
    pairs = []
    for place, row in read_rows(path):
        sides = [set(checked_labels({"labels": row[key]}, codebook, place)) for key in ("labels_a", "labels_b")]
        if (sides[0] == sides[1]) != row["same"]:
            raise SystemExit(f"{place}: expected 'same' to say whether the two sides' labels are equal")
        pairs.append(row)
    report = {
        "date": reports.today(),
        "model": reports.model(tagger),
        "pairs_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "kinds": measure(tagger, pairs),
    }
    reports.write("neutrality", report)
    print(json.dumps(report["kinds"], indent=1))


if __name__ == "__main__":
    main()

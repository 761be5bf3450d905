"""An outside check: crowd-coded sentences of the British party manifestos of 2010, into results/manifestos.json.

    python benchmarks/manifestos.py FILE

FILE is JSON lines {id, text, label, direction_mean}: the immigration sentences of Benoit, Conway, Lauderdale, Laver & Mikhaylov (2016),
with `label` "Immigration" or "Not immigration" and the crowd's mean direction, +1 restrictive, -1 open. Nobody of the project coded them. How
well does "any migration label" find the sentences on immigration, and which labels do restrictive and open ones get?
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import reports
from scipy.special import logit
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from cabletag import Codebook, Tagger
from cabletag.corpus import read_rows
from cabletag.encoders.cascade import cleared
from cabletag.manifest import Manifest

CROWD_F1 = 0.805  # of one crowd run against another, on the same sentences
CLEAR = 0.5  # a mean direction beyond this counts as restrictive or open


def cleared_share(manifest: Manifest, texts: list[str]) -> float:
    """The share of the texts that the first model of a cascade keeps from the second; 0 for a model that is none."""
    if (cascade := manifest.cascade) is None:
        return 0.0
    scores = Tagger.from_pretrained(cascade.first.name, precision="f32").predict_proba(texts)
    content = np.array([label != manifest.voice for label in manifest.ids])
    return float(cleared(logit(scores), content, cascade.cleared_below).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    tagger, codebook = Tagger.from_pretrained(precision="f32"), Codebook.load()
    migration = [label.id for label in codebook.labels if label.scope == "migration" and label.id != codebook.voice_id]
    rows = [row for _, row in read_rows(arguments.file)]
    texts = [row["text"] for row in rows]
    predictions = tagger.tag(texts)
    gold = np.array([row["label"] == "Immigration" for row in rows])
    carried = [set(prediction.labels) & set(migration) for prediction in predictions]
    given = np.array([bool(labels) for labels in carried])
    # The probability that at least one label is carried, were they independent.
    scores = np.array(
        [1 - np.prod([1 - prediction.scores[label] for label in migration]) for prediction in predictions]
    )
    precision, recall, f1, _ = precision_recall_fscore_support(gold, given, average="binary")
    sides = {}
    for name, sign in (("restrictive", 1), ("open", -1)):
        picked = [
            labels
            for row, labels, about in zip(rows, carried, gold, strict=True)
            if about and row["direction_mean"] is not None and sign * row["direction_mean"] > CLEAR
        ]
        sides[name] = {
            "sentences": len(picked),
            "labels": {label: round(float(np.mean([label in labels for labels in picked])), 3) for label in migration},
        }
    report = {
        "date": reports.today(),
        "model": reports.model(tagger),
        "sha256": hashlib.sha256(arguments.file.read_bytes()).hexdigest(),
        "sentences": len(rows),
        "immigration": int(gold.sum()),
        "pr_auc": round(float(average_precision_score(gold, scores)), 4),
        "precision": round(float(precision), 4),
        "recall": round(float(recall), 4),
        "f1": round(float(f1), 4),
        "crowd_f1": CROWD_F1,
        "sides": sides,
        "cleared": round(cleared_share(tagger.manifest, texts), 4),
    }
    reports.write("manifestos", report)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

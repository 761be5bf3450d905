"""Quality of every system on every coded set, from one run, into results/quality.json.

    python benchmarks/quality.py [--real-text FILE] [--gold NAME=FILE ...]

All systems but the keywords, the zero-shot and the few-shot one are trained on the data that the shipped model was trained on; all
thresholds but the keywords' are fitted on the data that its thresholds were fitted on. A gold set is JSON lines {id, text, labels}.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
import reports
import yaml
from scipy.special import logit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion

from cabletag import Codebook, Tagger
from cabletag.assets import DEFAULT_MODEL, MODELS, codebook_file
from cabletag.corpus import CodedPassage, digest, gold_matrix, read_corpus
from cabletag.encoders.cascade import cleared
from cabletag.evaluation.events import groups
from cabletag.evaluation.measures import Answers, calibration, measure
from cabletag.export import compare
from cabletag.manifest import Cascade
from cabletag.policy import fit_policy
from cabletag.prediction import calibrate
from cabletag.training.data import training_data
from cabletag.training.recipe import MINILM, Recipe, base_folder

HERE = Path(__file__).parent


class Keywords:
    """Regular expressions drawn from the codebook; nothing is learned."""

    def __init__(self, codebook: Codebook) -> None:
        rules = yaml.safe_load((HERE / "keywords.yaml").read_text())
        self.setting = re.compile(rules["setting"], re.IGNORECASE)
        self.rules = [
            (re.compile(rules["labels"][label.id], re.IGNORECASE), label.scope == "migration")
            for label in codebook.labels
        ]

    def decide(self, texts: list[str]) -> tuple[np.ndarray, None]:
        rows = []
        for text in texts:
            setting = bool(self.setting.search(text))
            rows.append([bool(rule.search(text)) and (setting or not needs) for rule, needs in self.rules])
        return np.array(rows), None


class Scored:
    """What gives logits, with the policy fitted as for the shipped model."""

    def fit_policy(self, codebook: Codebook, held_out: list[CodedPassage]) -> None:
        logits = self.logits([passage.text for passage in held_out])
        self.policy = fit_policy(codebook.ids, logits, gold_matrix(codebook, held_out), codebook.voice_id)

    def logits(self, texts: list[str]) -> np.ndarray:
        raise NotImplementedError

    def decide(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        slope, intercept, threshold = np.array(
            [[label.slope, label.intercept, label.threshold] for label in self.policy]
        ).T
        scores = calibrate(self.logits(texts), slope, intercept)
        return scores >= threshold, scores


class Linear(Scored):
    """Logistic regression per label over any features."""

    def __init__(
        self, features, codebook: Codebook, fit: list[CodedPassage], held_out: list[CodedPassage], c: float
    ) -> None:
        self.features = features
        gold = gold_matrix(codebook, fit)
        self.model = OneVsRestClassifier(LogisticRegression(C=c, solver="liblinear"))
        self.model.fit(features([passage.text for passage in fit], True), gold)
        self.fit_policy(codebook, held_out)

    def logits(self, texts: list[str]) -> np.ndarray:
        return self.model.decision_function(self.features(texts, False))


class Shipped:
    """A model that comes with the package, as anyone gets it."""

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger
        self.thresholds = np.array([label.threshold for label in tagger.manifest.labels])

    def decide(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        scores = self.tagger.predict_proba(texts)
        return scores >= self.thresholds, scores


class ZeroShot(Scored):
    """Cosine of a passage with each label's name and definition, by the frozen encoder; only the policy is fitted."""

    def __init__(self, features, codebook: Codebook, held_out: list[CodedPassage]) -> None:
        self.features = features
        self.labels = features([f"{label.name}. {label.definition}" for label in codebook.labels], False)
        self.fit_policy(codebook, held_out)

    def logits(self, texts: list[str]) -> np.ndarray:
        return 10 * self.features(texts, False) @ self.labels.T


def tfidf():
    union = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=3, sublinear_tf=True)),
        ]
    )
    return lambda texts, fit: union.fit_transform(texts) if fit else union.transform(texts)


def frozen():
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(base_folder(MINILM), device="cpu")
    return lambda texts, fit: model.encode(texts, batch_size=64, show_progress_bar=True)


def few_shot(codebook: Codebook, fit: list[CodedPassage], shots: int = 16, seed: int = 13):
    """SetFit (Tunstall et al. 2022): the encoder is tuned on pairs of a few passages a label, then embeds for a linear head.

    Returns the features and the passages that they were tuned on.
    """
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
    from transformers import set_seed

    set_seed(seed)
    random = np.random.default_rng(seed)
    kinds = [[passage for passage in fit if label in passage.labels] for label in codebook.ids]
    kinds.append([passage for passage in fit if not passage.labels])
    chosen = [[rows[place] for place in random.permutation(len(rows))[:shots]] for rows in kinds]
    pairs: dict[str, list] = {"one": [], "two": [], "score": []}
    for number, rows in enumerate(chosen):
        for passage in rows:
            same = rows[random.integers(len(rows))]
            others = chosen[(number + random.integers(1, len(chosen))) % len(chosen)]
            other = others[random.integers(len(others))]
            for partner, score in ((same, 1.0), (other, float(bool(set(passage.labels) & set(other.labels))))):
                pairs["one"].append(passage.text)
                pairs["two"].append(partner.text)
                pairs["score"].append(score)
    model = SentenceTransformer(base_folder(MINILM), device="cpu")
    model.max_seq_length = Recipe().max_tokens
    with tempfile.TemporaryDirectory() as work:
        settings = SentenceTransformerTrainingArguments(
            work, per_device_train_batch_size=16, num_train_epochs=1, learning_rate=2e-5, report_to="none", use_cpu=True
        )
        data = Dataset.from_dict(pairs)
        SentenceTransformerTrainer(model, args=settings, train_dataset=data, loss=CosineSimilarityLoss(model)).train()
    few = list({passage.id: passage for rows in chosen for passage in rows}.values())
    return (lambda texts, fit: model.encode(texts, batch_size=64, show_progress_bar=True)), few


def clearing(cascade: Cascade, codebook: Codebook, scores: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    """What the first model of the cascade, whose `scores` (passages, labels) these are, keeps from the second."""
    content = np.array([label != codebook.voice_id for label in codebook.ids])
    gone = cleared(logit(scores), content, cascade.cleared_below)
    labelled = gold[:, content].any(axis=1)
    return {
        "cleared": round(float(gone.mean()), 4),
        "labelled": int(labelled.sum()),
        "labelled_and_cleared": int((labelled & gone).sum()),
    }


def half_precision(tagger: Tagger, rows: list[CodedPassage], codebook: Codebook) -> dict[str, object] | None:
    """What bfloat16 changes against single precision, None on a machine without it."""
    half = Tagger.from_pretrained()
    if half.precision == tagger.precision:
        return None
    found = compare(tagger, half, codebook, rows)
    return {
        "precision": found.precision,
        "same_labels_and_voice": round(found.same, 4),
        "macro_f1": found.macro_f1,
        "largest_change_of_probability": round(found.largest_change, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--real-text", type=Path, help="texts of real.jsonl; needed if the shipped model was trained with them"
    )
    parser.add_argument("--gold", action="append", default=[], metavar="NAME=FILE", help="another coded set")
    arguments = parser.parse_args()
    tagger, codebook = Tagger.from_pretrained(precision="f32"), Codebook.load()
    training, cascade = tagger.manifest.training, tagger.manifest.cascade
    corpus = codebook_file().parent / "corpus"
    fit, held_out = training_data(codebook, corpus, Recipe(**training["recipe"]), arguments.real_text, print)
    if digest(fit) != training["sha256"]["train"]:
        raise SystemExit(
            "expected the data that the shipped model was trained on; give the same --real-text, or train anew"
        )
    sets = {"authored test": read_corpus(corpus / "test.jsonl", codebook)}
    for given in arguments.gold:
        name, _, path = given.partition("=")
        sets[name] = read_corpus(Path(path), codebook)
    tuned, few = few_shot(codebook, fit)
    systems = {
        "keywords": Keywords(codebook),
        "zero-shot by label description": ZeroShot(frozen(), codebook, held_out),
        "few-shot, SetFit style": Linear(tuned, codebook, few, held_out, 3.0),
        "TF-IDF + logistic regression": Linear(tfidf(), codebook, fit, held_out, 10.0),
        "frozen MiniLM + logistic regression": Linear(frozen(), codebook, fit, held_out, 3.0),
    }
    others = sorted(folder.name for folder in MODELS.iterdir() if folder.name != DEFAULT_MODEL)
    systems |= {name: Shipped(Tagger.from_pretrained(name, precision="f32")) for name in others}
    systems["cabletag"] = Shipped(tagger)
    report = {
        "date": reports.today(),
        "model": reports.model(tagger),
        "training_sha256": training["sha256"],
        "sets": {name: {"passages": len(rows), "sha256": digest(rows)} for name, rows in sets.items()},
        "half_precision": half_precision(tagger, sets["authored test"], codebook),
        "results": {},
        "clearing": {},
    }
    for set_name, rows in sets.items():
        gold, genres = gold_matrix(codebook, rows) > 0, np.array([row.genre for row in rows])
        for system_name, system in systems.items():
            given, scores = system.decide([row.text for row in rows])
            answers = Answers(
                codebook.ids, groups(codebook), codebook.voice_id, gold, given, given if scores is None else scores
            )
            result = measure(answers, ranking=scores is not None)
            if isinstance(system, Shipped):
                result["genres"] = {
                    genre: measure(answers.pick(genres == genre), samples=200, ranking=False)["overall"]
                    for genre in np.unique(genres)
                }
                result["calibration"] = calibration(answers)
            report["results"].setdefault(set_name, {})[system_name] = result
            if cascade is not None and system_name == cascade.first.name and scores is not None:
                report["clearing"][set_name] = clearing(cascade, codebook, scores, gold)
            print(
                f"{set_name:<16} {system_name:<38} macro-F1 {result['overall']['macro_f1']} micro-F1 {result['overall']['micro']['f1']}",
                flush=True,
            )
    reports.write("quality", report)


if __name__ == "__main__":
    main()

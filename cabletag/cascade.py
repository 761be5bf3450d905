"""Two model folders -> a cascade of both in a third, fitted on the passages that both were calibrated on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cabletag.codebook import Codebook
from cabletag.corpus import digest, gold_matrix
from cabletag.encoders.cascade import cleared
from cabletag.errors import ModelError
from cabletag.golden import FILE as GOLDEN
from cabletag.golden import golden_texts, write_golden
from cabletag.manifest import FORMAT, Cascade, LabelPolicy, Manifest, Member, joint, sha256
from cabletag.modelfolder import check_folder, put
from cabletag.policy import fit_policy, mixing_share
from cabletag.prediction import calibrate
from cabletag.tagger import Tagger
from cabletag.training.data import training_data
from cabletag.training.recipe import Recipe

LEVELS = (0.1, 0.08, 0.05, 0.03, 0.02, 0.01, 0.0)
LEAST_SAME = 0.995  # of the held-out passages get the labels that they would get if nothing were cleared
MARGIN = 0.5  # in logits: what comes so near to being cleared may be on one processor and not on another
CARD_TEXT = """\
# {name}

Tags passages with the labels of: {codebook}. A cascade of {first} and {second}, made by `cabletag cascade`. Not evaluated yet: measure
it on passages of your own before you rely on it.
"""


def make_cascade(
    output: Path,
    first: str,
    second: str,
    codebook_file: Path,
    corpus: Path,
    real_text: Path | None = None,
    say: Callable[[str], None] = print,
) -> Manifest:
    """Write a cascade of two models whose folders stand beside `output`; the first, the smaller, clears what the second need not read.

    The share of the first in the mean is found by stacking (see `mixing_share`). The level under which it clears a passage is the highest of
    LEVELS that leaves LEAST_SAME of the held-out passages their labels. Then calibration and thresholds are fitted as those of one model. Raises
    CorpusError, OutputError, and ModelError for models that were not calibrated on the same passages.
    """
    check_folder(output)
    codebook = Codebook.load(codebook_file)
    taggers = [Tagger.from_pretrained(output.parent / name, precision="f32") for name in (first, second)]
    manifests = [tagger.manifest for tagger in taggers]
    members = [Member(manifest.name, manifest.digest) for manifest in manifests]
    training = manifests[1].training
    _, held_out = training_data(codebook, corpus, Recipe(**training["recipe"]), real_text, say)
    for manifest in manifests:
        _check_kin(manifest, codebook, digest(held_out))
    gold = gold_matrix(codebook, held_out)
    content = np.array([label != codebook.voice_id for label in codebook.ids])
    alone = [_logits(tagger, [passage.text for passage in held_out]) for tagger in taggers]
    ratio = mixing_share(alone[1][:, content], alone[0][:, content], gold[:, content])
    share = round(ratio / (1 + ratio), 2)
    mean = share * alone[0] + (1 - share) * alone[1]
    labelled = _given(fit_policy(codebook.ids, mean, gold, codebook.voice_id), mean)[:, content].any(axis=1)
    lost = {level: float((labelled & cleared(alone[0], content, level)).mean()) for level in LEVELS}
    level = max(level for level in LEVELS if lost[level] <= 1 - LEAST_SAME)
    gone = cleared(alone[0], content, level)
    say(
        f"{first} has a share of {share} and clears under {level}: {gone.mean():.1%} of {len(gone):,} held-out passages"
    )
    policy = fit_policy(codebook.ids, np.where(gone[:, None], alone[0], mean), gold, codebook.voice_id)
    with TemporaryDirectory(dir=output.parent) as scratch:
        fresh = Path(scratch, output.name)
        fresh.mkdir()
        examples = golden_texts(codebook)
        found = [_logits(tagger, examples) for tagger in taggers]
        firm = [number for number, row in enumerate(found[0]) if _distance(row[content].max(), level) > MARGIN]
        gone = cleared(found[0], content, level)
        logits = np.where(gone[:, None], found[0], share * found[0] + (1 - share) * found[1])
        write_golden(fresh, codebook.ids, [examples[number] for number in firm], _scores(policy, logits[firm]))
        manifest = Manifest(
            format=FORMAT,
            name=output.name,
            codebook=manifests[1].codebook,
            voice=codebook.voice_id,
            labels=tuple(policy),
            max_tokens=manifests[1].max_tokens,
            stride=manifests[1].stride,
            base_model={
                "id": " and ".join(each.base_model["id"].rpartition("/")[2] for each in manifests),
                "sha256": joint([each.base_model["sha256"] for each in manifests]),
            },
            training={
                "date": datetime.now(UTC).date().isoformat(),
                "seconds": sum(_seconds(each) for each in manifests),
                **{key: training[key] for key in ("recipe", "passages", "sha256")},
            },
            files={GOLDEN: sha256(fresh / GOLDEN)},
            cascade=Cascade(members[0], members[1], share, level),
        )
        manifest.save(fresh)
        put(fresh, output, CARD_TEXT.format(name=output.name, codebook=codebook.title, first=first, second=second))
    return manifest


def _check_kin(manifest: Manifest, codebook: Codebook, held_out: str) -> None:
    if manifest.codebook["sha256"] != codebook.digest or manifest.ids != codebook.ids:
        raise ModelError(
            f"{manifest.name}: expected a model of this codebook file, {codebook.id} {codebook.version}, found one of another; give its --codebook"
        )
    if (found := manifest.training["sha256"]["held_out"]) != held_out:
        raise ModelError(
            f"{manifest.name}: expected a model calibrated on the passages that are held out here ({held_out[:12]}…), found one of "
            f"{found[:12]}…; give the --corpus and --real-text that it was trained with, or train it anew"
        )


def _logits(tagger: Tagger, texts: list[str]) -> np.ndarray:
    scores = tagger.predict_proba(texts)
    return np.asarray(np.log(scores / (1 - scores)))


def _scores(policy: Sequence[LabelPolicy], logits: np.ndarray) -> np.ndarray:
    slope, intercept = np.array([[label.slope, label.intercept] for label in policy]).T
    return calibrate(logits, slope, intercept)


def _given(policy: Sequence[LabelPolicy], logits: np.ndarray) -> np.ndarray:
    return _scores(policy, logits) >= np.array([label.threshold for label in policy])


def _distance(logit: float, level: float) -> float:
    return abs(logit - math.log(level / (1 - level))) if level else math.inf


def _seconds(manifest: Manifest) -> int:
    return int(manifest.training["seconds"] + sum(run["seconds"] for run in manifest.earlier_runs))

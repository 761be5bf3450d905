"""Generated parts of README.md and of the model cards, from the codebook, the results and the tool itself.

    python benchmarks/tables.py [--check]

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. With --check nothing is written, and a part that is not
current is named and makes the exit code 1.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from functools import cache, partial
from pathlib import Path
from typing import Any

import reports

from cabletag import Codebook, Tagger
from cabletag.assets import DEFAULT_MODEL, MODELS, codebook_file, model_folder
from cabletag.console import tag_table
from cabletag.corpus import read_rows
from cabletag.manifest import Manifest
from cabletag.tagger import TaggedDocument

ROOT = Path(__file__).resolve().parents[1]


def labels_part() -> str:
    rows = ["| label | group | carried where the passage holds |", "| --- | --- | --- |"]
    for label in Codebook.load().labels:
        rows.append(f"| `{label.id}` | {label.group.replace('_', ' ')} | {label.definition} |")
    return "\n".join(rows)


# The sample coded by the codebook, paragraph by paragraph, content labels only.
SAMPLE_LABELS = {
    "2": {"non_interference", "crime_framing", "evidence_challenge"},
    "4": {"preferential_treatment", "public_discontent"},
    "5": {"humanitarian_protection", "root_causes"},
    "7": {"reporting_directive", "engagement_directive", "crime_framing", "removal_cooperation"},
}


@cache
def tagged_sample() -> TaggedDocument:
    sample = codebook_file().parent / "sample-cable.txt"
    return Tagger.from_pretrained(precision="f32").tag_document(sample.read_text(encoding="utf-8"))


def output_part() -> str:
    """What the first command prints, at 118 columns and without colour."""
    import os

    os.environ.update(COLUMNS="118", NO_COLOR="1")
    name = f"labels/{Codebook.load().id}/sample-cable.txt"
    out = io.StringIO()
    with redirect_stdout(out):
        tag_table(name, tagged_sample(), Codebook.load(), all_scores=False, show_empty=False)
    return "```text\n" + "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines()) + "\n```"


def output_errors_part() -> str:
    """What the model got wrong in the sample."""
    tagged = tagged_sample()
    wrong = []
    for passage, prediction in zip(tagged.passages, tagged.predictions, strict=True):
        gold, given = SAMPLE_LABELS.get(passage.paragraph or "", set()), set(prediction.labels)
        parts = [f"lacks {_ids(gold - given)}"] if gold - given else []
        parts += [f"should not have {_ids(given - gold)}"] if given - gold else []
        if parts:
            wrong.append(f"¶{passage.paragraph} {' and '.join(parts)}")
    return (
        f"Not all of it is right. By the codebook, {'; '.join(wrong)}."
        if wrong
        else "By the codebook all of it is right."
    )


def _ids(labels: set[str]) -> str:
    return ", ".join(f"`{label}`" for label in sorted(labels))


def outside_part() -> str:
    crowd, kinds = reports.read("manifestos"), reports.read("neutrality")["kinds"]
    agree, differ = kinds["all that should agree"], kinds["all that should differ"]
    training = Manifest.load(model_folder()).training["passages"]
    return (
        f"The model was trained on {training['train']:,} passages and calibrated on {training['held_out']:,}; {training['real']:,} of both are real ones or single sentences of them (none of them in *real dev*, though often from the same collections), the rest our own writing. "
        f'Outside check: on {crowd["sentences"]:,} manifesto sentences of which a crowd put {crowd["immigration"]} down as immigration, "any migration label" has precision '
        f"{crowd['precision']:.2f}, recall {crowd['recall']:.2f} and F1 {crowd['f1']:.2f}; where almost nothing is about migration, much of what is tagged is wrong. Neutrality: of {agree['pairs']} pairs of passages "
        f"that differ only in group, faith, nation, sex, age, party or speaker, {agree['same_labels']:.0%} get the same labels; of {differ['pairs']} that should get different ones, {1 - differ['same_labels']:.0%} do."
    )


def _head(first: str, *figures: str) -> list[str]:
    """The head of a table with names on the left and figures to the right of them."""
    return [f"| {' | '.join((first, *figures))} |", f"| {' | '.join(('---', *('---:' for _ in figures)))} |"]


def _value(interval: list[float] | None) -> str:
    if interval is None:
        return "–"
    value, low, high = interval
    return f"{value:.3f} ({low:.2f}–{high:.2f})"


def quality_part() -> str:
    report = reports.read("quality")
    lines = []
    for set_name, systems in report["results"].items():
        size = report["sets"][set_name]
        macro = len(next(iter(systems.values()))["overall"]["macro_labels"])
        lines += [
            f"**{set_name}**, {size['passages']:,} passages (digest `{size['sha256'][:12]}`), macro over the {macro} content labels with at least ten positives:",
            "",
            "| system | macro-F1 | micro-F1 | any label F1 | voice F1 |",
            "| --- | --- | --- | --- | --- |",
        ]
        for system, found in systems.items():
            bold = "**" if system == "cabletag" else ""
            overall = found["overall"]
            figures = (
                overall["macro_f1"],
                overall["micro"]["f1"],
                overall["any"]["f1"],
                found["labels"]["attributed"]["f1"],
            )
            lines.append(f"| {bold}{system}{bold} | {' | '.join(map(_value, figures))} |")
        lines.append("")
    lines.append(
        f"Measured {report['date']} by `benchmarks/quality.py`; in brackets the 95% bootstrap interval; training data `{report['training_sha256']['train'][:12]}`."
    )
    if half := report["half_precision"]:
        lines += [
            "",
            f"All in single precision. In {half['precision']}, which processors that have it use by default, {half['same_labels_and_voice']:.1%} of the authored test passages keep the same labels and voice; "
            f"macro-F1 is {half['macro_f1'][1]:.3f} instead of {half['macro_f1'][0]:.3f}.",
        ]
    return "\n".join(lines)


def labels_quality_part(model: Path) -> str:
    report = reports.read("quality")
    system = "cabletag" if model.name == DEFAULT_MODEL else model.name
    lines = []
    for set_name, systems in report["results"].items():
        found = systems[system]
        overall = found["overall"]
        lines += [
            f"### {set_name}: {overall['passages']:,} passages",
            "",
            f"Expected calibration error {found['calibration']['all']['expected_calibration_error']:.3f}; over all content labels precision {overall['micro']['precision'][0]:.2f}, recall {overall['micro']['recall'][0]:.2f}.",
            "",
            "| label | support | precision | recall | F1 |",
            "| --- | ---: | ---: | ---: | --- |",
        ]
        for label, entry in found["labels"].items():
            measured = (
                f"{entry['precision'][0] if entry['precision'] else 0:.2f} | {entry['recall'][0]:.2f} | {_value(entry['f1'])}"
                if entry["support"]
                else "– | – | –"
            )
            lines.append(f"| {label} | {entry['support']} | {measured} |")
        lines += [
            "",
            "| group | pairs of passage and label | calibration error | of those given a probability from 0, .1, … up: the share that carry the label |",
            "| --- | ---: | ---: | --- |",
        ]
        for group, entry in found["calibration"].items():
            shares = ", ".join(f"{low:.1f}: {share:.2f}" for low, _, _, _, share in entry["reliability"])
            lines.append(
                f"| {group.replace('_', ' ')} | {entry['pairs']:,} | {entry['expected_calibration_error']:.3f} | {shares} |"
            )
        lines += ["", "| register | passages | micro-F1 | any label F1 |", "| --- | ---: | --- | --- |"]
        for genre, entry in found["genres"].items():
            lines.append(
                f"| {genre.replace('_', ' ')} | {entry['passages']} | {_value(entry['micro']['f1'])} | {_value(entry['any']['f1'])} |"
            )
        lines.append("")
    return "\n".join(lines).strip()


def speed_part() -> str:
    report = reports.read("speed")
    distinct, ends, cold, growth = (report[part] for part in ("distinct", "end_to_end", "cold_start", "growth"))
    small, large = "cabletag-minilm", "cabletag-mpnet"
    pipelines = {
        system: f"transformers {system}, batch size {size}" for system, size in distinct["pipeline_batch_sizes"].items()
    }
    names = {
        "cabletag": f"cabletag ({distinct['precision']}, as this machine runs it)",
        "cabletag f32": "cabletag in single precision",
        **{name: f"`--model {name}` ({distinct['precision']})" for name in (small, large)},
        **pipelines,
        "setfit": "frozen MiniLM + linear head (sentence-transformers)",
        "tfidf": "TF-IDF + linear model",
    }
    lines = _head("system", "passages/s", "peak memory, MB")
    for system, found in distinct["systems"].items():
        lines.append(f"| {names[system]} | {found['passages_per_second']:,.0f} | {found['peak_mb']:,.0f} |")
    ratios, paces, seconds = distinct["median_ratio"], ends["passages_per_second"], cold["seconds"]
    sizes = "; ".join(
        f"{int(size):,} passages {found['peak_mb']:.0f} MB, {found['microseconds_per_passage']:.0f} µs each"
        for size, found in growth.items()
        if size.isdigit()
    )
    starts = ", ".join(f"`{name}` {cold[name]:.2f} s" for name in ("import cabletag", "cabletag --help"))
    return "\n".join(
        [
            *lines,
            "",
            f"{distinct['passages']:,} distinct passages; against the pipelines of both models, one after the other, **{ratios['cabletag']:.1f} times** (of the larger alone {ratios['cabletag to the larger alone']:.1f} times), "
            f"in single precision {ratios['cabletag f32']:.1f} times; `{small}` {ratios[small]:.1f} times its pipeline, `{large}` {ratios[large]:.1f} times. "
            f"`cabletag batch` end to end, its start included, on {ends['passages']:,} passages in {ends['documents']:,} documents, a fifth of them boilerplate: "
            f"{paces['cabletag']:,.0f} passages/s, **{ends['median_ratio']['cabletag']:.1f} times** the pipelines of both (of the larger alone {ends['median_ratio']['cabletag to the larger alone']:.1f} times; their start left out); "
            f"`{small}` {paces[small]:,.0f}, {ends['median_ratio'][small]:.1f} times its pipeline. "
            f"One passage from a cold start: {seconds['cabletag']:.1f} s, both pipelines {seconds['both pipelines']:.1f} s; `{small}` {seconds[small]:.1f} s and {seconds['pipeline ' + small]:.1f} s; {starts}. "
            f"The scorer itself, with an encoder that costs nothing: {sizes}.",
            "",
            f"Medians of {len(distinct['rounds'])} alternating rounds, {distinct['threads']} threads ({distinct['machine']}), {distinct['date']}, by `benchmarks/speed.py`; its results hold every round, for machines like this one are not quiet.",
        ]
    )


def evidence_part() -> str:
    report = reports.read("evidence")
    faithful, plausible = report["faithfulness"], report["plausibility"]
    lines = _head("fall in the label's probability", "deleted", "kept alone")
    for name in ("evidence", "random words", "random run"):
        lines.append(f"| {name} | {_value(faithful[name + ' deleted'])} | {_value(faithful[name + ' alone'])} |")
    f1 = plausible["f1"]
    return "\n".join(
        [
            *lines,
            "",
            f"{faithful['pairs']:,} labels given on the authored test split; the spans hold {faithful['share_of_words']:.0%} of the words, the random ones as many. Deleted, evidence should cost "
            f"much; kept alone, little. Against words underlined by a language-model coder in {plausible['passages']} passages ({plausible['pairs']} labels): F1 over characters {f1['model']:.2f}, a random run of as "
            f"many words {f1['random run']:.2f}, a second coder {f1['second coder']:.2f}; in {plausible['model_touches']:.0%} the spans touch what is underlined. {report['date']}, by `benchmarks/evidence.py`.",
        ]
    )


def robustness_part() -> str:
    report = reports.read("robustness")
    fuzz = report["fuzz"]
    killed = "; ".join(
        f"{name}: {found['kills']} kills ({found['with_finished_parts']} of them with finished parts to go on from) in {found['runs']} runs, {found['identical']} of the outputs byte for byte those of an undisturbed run"
        for name, found in report["kills"].items()
    )
    return (
        f"Measured {report['date']} by `benchmarks/robustness.py`: killed at random moments and resumed, {killed}. {fuzz['rows']:,} rows, {sum(fuzz['bad'].values()):,} of them spoilt in "
        f"{len(fuzz['bad'])} ways: {fuzz['bad_rows_not_told']} spoilt rows passed over in silence, {fuzz['good_rows_lost']} good rows lost, {fuzz['tracebacks']} tracebacks."
    )


def prevalence_part() -> str:
    summary = reports.read("prevalence")["summary"]
    alike, together = summary["independent errors"], summary["errors alike within documents"]
    return (
        f"In a simulation with known truth (`benchmarks/prevalence.py`, {alike['naive']['scenarios']} settings, nominal 95%) the corrected intervals hold the true share in "
        f"{alike['rogan_gladen']['mean_coverage']:.0%} (evaluation) and {alike['post_stratified']['mean_coverage']:.0%} (sample) of the rounds, counting what is tagged in {alike['naive']['mean_coverage']:.0%}; where errors go together within documents ({together['naive']['scenarios']} settings), {together['rogan_gladen']['mean_coverage']:.0%} and {together['post_stratified']['mean_coverage']:.0%}. "
        f"Where the model errs more in the corpus than in the coded set, an evaluation's correction holds it in {summary['more errors in the corpus than in the coded set']['rogan_gladen']['mean_coverage']:.0%} and a sample's in "
        f"{summary['more errors in the corpus than in the coded set']['post_stratified']['mean_coverage']:.0%}: a sample of the corpus itself is the safer ground."
    )


def neutrality_part() -> str:
    report = reports.read("neutrality")
    lines = _head("kind of swap", "pairs", "same labels", "change, median", "change, 95th percentile")
    for kind, found in sorted(report["kinds"].items(), key=lambda item: item[0].startswith("all")):
        name = f"**{kind}**" if kind.startswith("all") else kind.replace("_", " and ")
        lines.append(
            f"| {name} | {found['pairs']} | {found['same_labels']:.0%} | {found['change_median']:.3f} | {found['change_p95']:.3f} |"
        )
    lines += ["", f"Measured {report['date']} by `benchmarks/neutrality.py` on pairs `{report['pairs_sha256'][:12]}`."]
    return "\n".join(lines)


def manifestos_part() -> str:
    report = reports.read("manifestos")
    sides = report["sides"]
    lines = [
        f'{report["sentences"]:,} sentences, {report["immigration"]} of them on immigration by the crowd (file `{report["sha256"][:12]}`): "any migration label" has PR-AUC '
        f"{report['pr_auc']:.3f}, precision {report['precision']:.2f}, recall {report['recall']:.2f}, F1 {report['f1']:.3f}; one run of the crowd against another had F1 {report['crowd_f1']}.",
        "",
        *_head(
            "label",
            f"of {sides['restrictive']['sentences']} restrictive sentences",
            f"of {sides['open']['sentences']} open ones",
        ),
    ]
    for label, share in sides["restrictive"]["labels"].items():
        lines.append(f"| {label} | {share:.0%} | {sides['open']['labels'][label]:.0%} |")
    lines += ["", f"Measured {report['date']} by `benchmarks/manifestos.py`."]
    return "\n".join(lines)


def ablation_part() -> str:
    report = reports.read("ablation")
    setting = report["setting"]
    lines = _head(
        "variant", "passages", "held-out macro average precision: all", "real", "authored", "without n-grams: all"
    )
    for name, found in report["variants"].items():
        whole, encoder = found["macro_ap"], found["macro_ap_without_ngrams"]
        lines.append(
            f"| {name} | {found['passages']:,} | {whole['all']:.3f} | {whole['real']:.3f} | {whole['authored']:.3f} | {encoder['all']:.3f} |"
        )
    lines += [
        "",
        f"One seed, one training passage in {setting['share']} of the data `{setting['train_sha256'][:12]}`, {setting['epochs']} epochs, so the levels are below the shipped model's, and "
        "differences of .005 may be chance; by `benchmarks/ablation.py`.",
    ]
    return "\n".join(lines)


def training_part(model: Path) -> str:
    manifest = Manifest.load(model)
    training = manifest.training
    recipe = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in training["recipe"].items())
    log = "\n".join(
        f"| {entry['epoch']:.0f} | {entry['eval_loss']:.3f} | {entry['eval_macro_ap']:.3f} |"
        for entry in {round(entry["epoch"]): entry for entry in training["log"]}.values()
    )
    said = {
        "continued_from": ", going on from an earlier run",
        "averaged_with": ", and its weights averaged with those of earlier runs",
    }
    before = "".join(f"{words}: {runs_told(training[how])}" for how, words in said.items() if training.get(how))
    return (
        f"{training['passages']['train']:,} passages to train on and {training['passages']['held_out']:,} held out, {training['passages']['real']:,} of both "
        f"together real; digests `{training['sha256']['train'][:12]}` and `{training['sha256']['held_out'][:12]}`. Base model {manifest.base_model['id']} "
        f"(`{manifest.base_model['sha256'][:12]}`). Trained {training['date']} in {training['seconds']} s{before}.\n\n{recipe}\n\n"
        f"| epoch | held-out loss | held-out macro average precision |\n| ---: | ---: | ---: |\n{log}"
    )


def runs_told(runs: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{run['seconds']} s on {run['passages']['train']:,} passages, "
        f"{run['recipe']['epochs']} {'epoch' if run['recipe']['epochs'] == 1 else 'epochs'} (`{run['weights_sha256'][:12]}`)"
        for run in runs
    )


def cascade_part(model: Path) -> str:
    manifest = Manifest.load(model)
    cascade = manifest.cascade
    assert cascade is not None
    cleared = ", ".join(
        f"{found['cleared']:.0%} of {name} (with {found['labelled_and_cleared']} of its {found['labelled']} labelled passages)"
        for name, found in reports.read("quality")["clearing"].items()
    )
    return (
        f"Of the mean `{cascade.first.name}` has {cascade.share:.0%}; it clears a passage when all content labels are under {cascade.cleared_below}. So it clears {cleared} and {reports.read('manifestos')['cleared']:.0%} of the sentences of the outside check. "
        f"Made {manifest.training['date']} of models whose training took {manifest.training['seconds'] / 60:.0f} minutes on two cores, all runs together."
    )


def sources_part() -> str:
    """The registers that the real passages of the training data come from."""
    registers: dict[str, list[dict[str, Any]]] = {}
    for _, row in read_rows(codebook_file().parent / "corpus" / "real.jsonl"):
        if "span" not in row:
            registers.setdefault(row["genre"], []).append(row)
    lines = [
        "| register of the real passages | passages | with a label | years | repositories |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for genre, rows in sorted(registers.items(), key=lambda item: -len(item[1])):
        years = sorted(row["year"] for row in rows if row.get("year"))
        span = "–".join(dict.fromkeys(str(year) for year in (years[0], years[-1]))) if years else "not known"
        lines.append(
            f"| {genre.replace('_', ' ')} | {len(rows):,} | {sum(bool(row['labels']) for row in rows) / len(rows):.0%} | {span} | "
            f"{', '.join(sorted({row['repo'] for row in rows}))} |"
        )
    return "\n".join(lines)


PARTS = {
    "labels": labels_part,
    "output": output_part,
    "output-errors": output_errors_part,
    "outside": outside_part,
    "quality": quality_part,
    "speed": speed_part,
    "evidence": evidence_part,
    "robustness": robustness_part,
    "prevalence": prevalence_part,
    "sources": sources_part,
    "neutrality": neutrality_part,
    "manifestos": manifestos_part,
    "ablation": ablation_part,
}


def fill(text: str, model: Path) -> str:
    """The page with every generated part made anew; `model` is the folder of the model whose page it is."""
    own = {
        "labels-quality": partial(labels_quality_part, model),
        "training": partial(training_part, model),
        "cascade": partial(cascade_part, model),
    }
    for name, make in (PARTS | own).items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin in text:
            before, _, rest = text.partition(begin)
            _, _, after = rest.partition(end)
            text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


def main() -> int:
    stale = []
    cards = [(folder / "MODEL_CARD.md", folder) for folder in sorted(MODELS.iterdir())]
    for page, model in ((ROOT / "README.md", model_folder()), *cards):
        text = page.read_text(encoding="utf-8")
        if (filled := fill(text, model)) != text:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv:
                page.write_text(filled, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"not current: {', '.join(stale)}; run python benchmarks/tables.py")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

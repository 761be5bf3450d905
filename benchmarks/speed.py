"""Speed and memory beside what users would otherwise run, into results/speed.json.

    python benchmarks/speed.py [--rounds 3] [--threads 2] [--parts distinct end_to_end cold_start growth]

Every shipped model stands against transformers' `text-classification` pipeline with all scores on a sequence classifier of the same
shape (random weights: speed does not depend on them), the same tokenizer, texts and threads, at the batch size that suits it best; the
embedded model, a cascade of two, against the pipelines of both one after the other, and against that of the larger alone. SetFit
stands for a frozen all-MiniLM-L6-v2 by sentence-transformers with a linear head; TF-IDF for word and bigram features with one.
Distinct passages: the authored test split. End to end: `cabletag batch` from JSON lines to Parquet, start of the process
included, against the pipeline on the passages of every fifteenth document, already cut, its start not included; documents of 1 to 60
numbered paragraphs of our own writing that no model was trained on, a fifth of them repeated boilerplate, a tenth with labels. Growth: the batch scorer with an encoder that costs
nothing, to see what the scorer itself needs. Every measurement is a process of its own, systems alternate, and medians count.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import reports

BATCH_SIZES = (1, 8, 32)
SMALL, LARGE = "cabletag-minilm", "cabletag-mpnet"
PIPELINES = {model: f"pipeline {model}" for model in (SMALL, LARGE)}
RATIOS = {  # a system's pace to that of pipelines, one after the other
    "cabletag": ("cabletag", (PIPELINES[SMALL], PIPELINES[LARGE])),
    "cabletag to the larger alone": ("cabletag", (PIPELINES[LARGE],)),
    "cabletag f32": ("cabletag f32", (PIPELINES[SMALL], PIPELINES[LARGE])),
    SMALL: (SMALL, (PIPELINES[SMALL],)),
    LARGE: (LARGE, (PIPELINES[LARGE],)),
}
BATCHED = {"cabletag": (), SMALL: ("--model", SMALL)}  # measured end to end, and the options that ask for them
STARTED = {"cabletag": "both pipelines", SMALL: PIPELINES[SMALL]}
FIRST_PASSAGE = "Posts should report by Friday."  # labelled, so both models of the cascade read it
TRIED = 256  # passages that the pipeline's batch size is tried on
PARAGRAPHS, BOILERPLATE, LABELLED = 10_000, 0.2, 0.1
PIPELINE_READS = 15  # one document in so many: its pace does not depend on how many it reads
GROWTH = (10_000, 100_000, 1_000_000)
LABELS, WINDOW = 21, 192


def texts(split: str = "test") -> list[str]:
    return [row.text for row in coded(split)]


def coded(split: str) -> list[Any]:
    from cabletag import Codebook
    from cabletag.assets import codebook_file
    from cabletag.corpus import read_corpus

    return read_corpus(codebook_file().parent / "corpus" / f"{split}.jsonl", Codebook.load())


def realistic(seed: int = 0) -> list[str]:
    """Documents with PARAGRAPHS paragraphs in all; those that are not boilerplate are numbered, so that no two are the same."""
    chance = random.Random(seed)
    rows = coded("dev") + coded("test")
    stock = {kind: [row.text for row in rows if bool(row.labels) == kind] for kind in (True, False)}
    repeated = chance.sample(stock[False], 20)
    paragraphs = [
        chance.choice(repeated)
        if chance.random() < BOILERPLATE
        else f"{number}. {chance.choice(stock[chance.random() < LABELLED / (1 - BOILERPLATE)])}"
        for number in range(1, PARAGRAPHS + 1)
    ]
    documents = []
    while paragraphs:
        length = min(int(chance.paretovariate(0.8)), 60)
        documents.append("\n\n".join(paragraphs[:length]))
        del paragraphs[:length]
    return documents


def cut(documents: list[str]) -> list[str]:
    from cabletag import split

    return [passage.text for document in documents for passage in split(document).passages]


# ---- systems


def cabletag(
    threads: int, _batch: int, model: str | None = None, precision: str = "auto"
) -> Callable[[list[str]], Any]:
    from cabletag import Tagger

    return Tagger.from_pretrained(model, threads=threads, precision=precision).tag


def pipeline(threads: int, batch: int, shape: str) -> Callable[[list[str]], Any]:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
    from transformers import pipeline as make

    from cabletag.assets import model_folder

    torch.set_num_threads(threads)
    config = AutoConfig.from_pretrained(model_folder(shape), num_labels=LABELS)
    model = AutoModelForSequenceClassification.from_config(config).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder(shape))
    classify = make(
        "text-classification", model=model, tokenizer=tokenizer, top_k=None, function_to_apply="sigmoid", device="cpu"
    )
    return lambda rows: classify(rows, batch_size=batch, truncation=True, max_length=WINDOW)


def both_pipelines(threads: int, batch: int) -> Callable[[list[str]], Any]:
    classify = [pipeline(threads, batch, model) for model in PIPELINES]
    return lambda rows: [each(rows) for each in classify]


def setfit(threads: int, _batch: int) -> Callable[[list[str]], Any]:
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer

    from cabletag.training.recipe import MINILM, base_folder

    torch.set_num_threads(threads)
    encoder = SentenceTransformer(base_folder(MINILM), device="cpu")
    encoder.max_seq_length = WINDOW
    head = np.random.default_rng(0).normal(size=(384, LABELS))
    return lambda rows: 1 / (1 + np.exp(-(encoder.encode(rows, show_progress_bar=False) @ head)))


def tfidf(_threads: int, _batch: int) -> Callable[[list[str]], Any]:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit(texts("train"))
    head = np.random.default_rng(0).normal(size=(len(vectors.vocabulary_), LABELS))
    return lambda rows: 1 / (1 + np.exp(-(vectors.transform(rows) @ head)))


LOADERS: dict[str, Callable[..., Callable[[list[str]], Any]]] = {
    "cabletag": cabletag,
    "cabletag f32": partial(cabletag, precision="f32"),
    **{model: partial(cabletag, model=model) for model in PIPELINES},
    **{name: partial(pipeline, shape=model) for model, name in PIPELINES.items()},
    "setfit": setfit,
    "tfidf": tfidf,
}


# ---- one process each


def pace(rows: list[str], system: str, threads: int, batch: int) -> dict[str, float]:
    score = LOADERS[system](threads, batch)
    score(rows[:16])
    return {"passages_per_second": len(rows) / timed(lambda: score(rows))}


def tried_worker(system: str, threads: int, batch: int) -> dict[str, float]:
    return pace(texts()[:TRIED], system, threads, batch)


def distinct_worker(system: str, threads: int, batch: int) -> dict[str, float]:
    return pace(texts(), system, threads, batch)


def cut_worker(system: str, threads: int, batch: int) -> dict[str, float]:
    return pace(cut(realistic()[::PIPELINE_READS]), system, threads, batch)


def cold_worker(system: str, threads: int, batch: int) -> dict[str, float]:
    (LOADERS | {"both pipelines": both_pipelines})[system](threads, batch)([FIRST_PASSAGE])
    return {}


def precision_worker(_system: str, _threads: int, _batch: int) -> dict[str, str]:
    from cabletag import Tagger

    return {"precision": Tagger.from_pretrained().precision}


def growth_worker(passages: int) -> dict[str, float]:
    """A table of so many distinct passages through score_corpus, with an encoder that gives the length of a text as its logits.

    A small table goes first, for what is loaded but once to be left out of the time.
    """
    import numpy as np

    from cabletag import BatchOptions, Tagger, score_corpus
    from cabletag.assets import model_folder
    from cabletag.manifest import Manifest

    class Free:
        precision = "f32"

        def encode(self, rows: list[str]) -> tuple[Any, Any]:
            return np.array([[len(row) % 7 - 6.0] * LABELS for row in rows], dtype=np.float32), np.ones(
                len(rows), dtype=int
            )

        def explain(self, rows: list[str]) -> list[Any]:
            raise NotImplementedError

    tagger, rows = Tagger(Free(), Manifest.load(model_folder())), texts("train")
    random.Random(0).shuffle(rows)  # the corpus goes from brief to brief, and so from length to length

    def seconds(size: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "in.jsonl")
            with source.open("w", encoding="utf-8") as file:
                file.writelines(
                    json.dumps({"text": f"{number} {rows[number % len(rows)]}"}) + "\n" for number in range(size)
                )
            options = BatchOptions(passages=True)
            return timed(lambda: score_corpus([source], Path(folder, "out.parquet"), options, tagger=tagger))

    seconds(100)
    return {"microseconds_per_passage": 1e6 * seconds(passages) / passages}


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# ---- the measurements


def measure(worker: str, system: str = "", threads: int = 2, batch: int = 1) -> dict[str, Any]:
    """What a worker found in a process of its own. The peak of memory is the parent's where that is higher, so no model is loaded here."""
    command = [
        sys.executable,
        __file__,
        "--worker",
        worker,
        "--system",
        system,
        "--threads",
        str(threads),
        "--batch",
        str(batch),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {**json.loads(done.stdout.splitlines()[-1]), "process_seconds": time.perf_counter() - started}


def batch_seconds(documents: list[str], threads: int, *options: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.jsonl")
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
        return start_seconds(
            "-m",
            "cabletag.cli",
            "batch",
            str(source),
            "-o",
            str(Path(folder, "out.parquet")),
            "--threads",
            str(threads),
            *options,
        )


def start_seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    return time.perf_counter() - started


def median(values: list[float], digits: int = 3) -> float:
    return round(statistics.median(values), digits)


def median_ratios(rounds: list[dict[str, float]]) -> dict[str, float]:
    """By the rounds' passages per second, for the systems that were measured."""
    return {
        name: median([each[system] * sum(1 / each[other] for other in others) for each in rounds], 2)
        for name, (system, others) in RATIOS.items()
        if system in rounds[0]
    }


def distinct_part(rounds: int, threads: int) -> dict[str, Any]:
    best = {}
    for system in PIPELINES.values():
        tried = {batch: measure("tried", system, threads, batch)["passages_per_second"] for batch in BATCH_SIZES}
        best[system] = max(tried, key=tried.__getitem__)
        say(f"{system} by batch size", tried)
    found = []
    for _ in range(rounds):
        found.append({system: measure("distinct", system, threads, best.get(system, 1)) for system in LOADERS})
        say("distinct", {system: found[-1][system]["passages_per_second"] for system in LOADERS})
    speeds = [{system: each[system]["passages_per_second"] for system in LOADERS} for each in found]
    return {
        "passages": len(texts()),
        "pipeline_batch_sizes": best,
        "precision": measure("precision")["precision"],
        "systems": {
            system: {
                key: median([each[system][key] for each in found], 1) for key in ("passages_per_second", "peak_mb")
            }
            for system in LOADERS
        },
        "rounds": [{system: round(speed, 1) for system, speed in each.items()} for each in speeds],
        "median_ratio": median_ratios(speeds),
    }


def end_to_end_part(rounds: int, threads: int) -> dict[str, Any]:
    documents, found, batch = realistic(), [], earlier()["distinct"]["pipeline_batch_sizes"]
    passages = len(cut(documents))
    for _ in range(rounds):
        speeds = {}
        for other in PIPELINES.values():
            speeds[other] = measure("cut", other, threads, batch[other])["passages_per_second"]
        for system, options in BATCHED.items():
            speeds[system] = passages / batch_seconds(documents, threads, *options)
        found.append(speeds)
        say("end to end", speeds)
    return {
        "documents": len(documents),
        "passages": passages,
        "passages_per_second": {system: median([each[system] for each in found], 1) for system in found[0]},
        "rounds": [{system: round(speed, 1) for system, speed in each.items()} for each in found],
        "median_ratio": median_ratios(found),
    }


def cold_start_part(rounds: int, threads: int) -> dict[str, Any]:
    found = []
    for _ in range(rounds):
        seconds = {}
        for system, other in STARTED.items():
            seconds[system] = start_seconds("-m", "cabletag.cli", "tag", "--text", FIRST_PASSAGE, *BATCHED[system])
            seconds[other] = measure("cold", other, threads, 1)["process_seconds"]
        found.append(seconds)
    return {
        "seconds": {system: median([each[system] for each in found]) for system in found[0]},
        "median_ratio": {
            system: median([each[other] / each[system] for each in found], 2) for system, other in STARTED.items()
        },
        "import cabletag": median([start_seconds("-c", "import cabletag") for _ in range(5)]),
        "cabletag --help": median([start_seconds("-m", "cabletag.cli", "--help") for _ in range(5)]),
    }


def growth_part(rounds: int, _threads: int) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {str(size): [] for size in GROWTH}
    for _ in range(rounds):
        for size, each in found.items():
            each.append(measure("growth", size))
    return {
        size: {key: median([one[key] for one in each], 1) for key in ("peak_mb", "microseconds_per_passage")}
        for size, each in found.items()
    }


PARTS = {
    "distinct": distinct_part,
    "end_to_end": end_to_end_part,
    "cold_start": cold_start_part,
    "growth": growth_part,
}


def earlier() -> dict[str, Any]:
    return reports.read("speed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--parts", nargs="+", default=list(PARTS), choices=PARTS, help="the others stay as they were measured"
    )
    for hidden in ("--worker", "--system"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        workers = {
            "tried": tried_worker,
            "distinct": distinct_worker,
            "cut": cut_worker,
            "cold": cold_worker,
            "precision": precision_worker,
        }
        if arguments.worker == "growth":
            found = growth_worker(int(arguments.system))
        else:
            found = workers[arguments.worker](arguments.system, arguments.threads, arguments.batch)
        print(json.dumps({**found, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    for name in arguments.parts:
        settings = {
            "date": reports.today(),
            "machine": reports.machine(),
            "threads": arguments.threads,
        }
        measured = PARTS[name](arguments.rounds, arguments.threads)
        report = {**earlier(), name: {**settings, **measured}}
        reports.write("speed", report)
        print(json.dumps(report[name], indent=1), flush=True)


def say(what: str, found: dict[Any, float]) -> None:
    print(f"{what}:", {key: round(value, 1) for key, value in found.items()}, flush=True)


if __name__ == "__main__":
    main()

"""Speed and memory of Tagger.tag beside the plain transformers pipeline, into results/speed.json.

    python benchmarks/speed.py [--rounds 5] [--threads 2]

The pipeline runs `text-classification` with all scores on a BertForSequenceClassification of the same shape (random weights: speed
does not depend on them), the same tokenizer, texts and threads, at the batch size that suits it best. Every measurement is a process of its own, the two
alternate, and what counts is the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "speed.json"
BATCH_SIZES = (1, 8, 32)


def texts() -> list[str]:
    from cabletag import Codebook
    from cabletag.assets import codebook_file
    from cabletag.corpus import read_corpus

    corpus = codebook_file().parent / "corpus"
    return [row.text for row in read_corpus(corpus / "test.jsonl", Codebook.load())]


def run_cabletag(threads: int, _batch: int):
    from cabletag import Tagger

    tagger = Tagger.from_pretrained(threads=threads)
    return tagger.tag


def run_pipeline(threads: int, batch: int):
    import torch
    from transformers import AutoConfig, AutoTokenizer, BertForSequenceClassification, pipeline

    from cabletag.assets import model_folder

    torch.set_num_threads(threads)
    config = AutoConfig.from_pretrained(model_folder(), num_labels=21)
    model = BertForSequenceClassification(config).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    classify = pipeline(
        "text-classification", model=model, tokenizer=tokenizer, top_k=None, function_to_apply="sigmoid", device="cpu"
    )
    return lambda rows: classify(rows, batch_size=batch, truncation=True, max_length=192)


def worker(system: str, threads: int, batch: int) -> None:
    rows = texts()
    score = {"cabletag": run_cabletag, "pipeline": run_pipeline}[system](threads, batch)
    score(rows[:16])
    started = time.perf_counter()
    score(rows)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"passages_per_second": len(rows) / seconds, "peak_mb": peak}))


def measure(system: str, threads: int, batch: int = 1) -> dict[str, float]:
    command = [sys.executable, __file__, "--worker", system, "--threads", str(threads), "--batch", str(batch)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def start_seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.threads, arguments.batch)
        return
    tried = {batch: measure("pipeline", arguments.threads, batch)["passages_per_second"] for batch in BATCH_SIZES}
    best = max(tried, key=tried.__getitem__)
    print("pipeline by batch size:", {batch: round(speed, 1) for batch, speed in tried.items()}, flush=True)
    rounds = []
    for _ in range(arguments.rounds):
        rounds.append(
            {
                "cabletag": measure("cabletag", arguments.threads),
                "pipeline": measure("pipeline", arguments.threads, best),
            }
        )
        print({name: round(found["passages_per_second"], 1) for name, found in rounds[-1].items()}, flush=True)

    def median(system: str, key: str) -> float:
        return round(statistics.median(found[system][key] for found in rounds), 1)

    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "passages": len(texts()),
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "pipeline_batch_size": best,
        "systems": {
            name: {key: median(name, key) for key in ("passages_per_second", "peak_mb")}
            for name in ("cabletag", "pipeline")
        },
        "median_ratio": round(
            statistics.median(
                f["cabletag"]["passages_per_second"] / f["pipeline"]["passages_per_second"] for f in rounds
            ),
            2,
        ),
        "start_seconds": {
            "import cabletag": round(statistics.median(start_seconds("-c", "import cabletag") for _ in range(5)), 3),
            "cabletag --help": round(
                statistics.median(start_seconds("-m", "cabletag.cli", "--help") for _ in range(5)), 3
            ),
            "cabletag tag --text": round(
                statistics.median(
                    start_seconds("-m", "cabletag.cli", "tag", "--text", "One passage.") for _ in range(3)
                ),
                3,
            ),
        },
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

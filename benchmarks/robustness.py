"""Kills at random moments and fuzzed rows of `cabletag batch`, into results/robustness.json.

    python benchmarks/robustness.py [--kills 200] [--rows 20000] [--seed 1]

Kills: a run in a process of its own gets SIGKILL at a moment drawn evenly from its working time, is called again (and killed again,
three times in ten), and its outputs have to be those of an undisturbed run, byte for byte. One kill in ten hits the command with
the embedded model; the others a tiny encoder (a checksum of the text), which makes the model quick and leaves all else as it is.
Fuzz: rows of JSON lines, CSV and Parquet, of which a fifth is spoilt in a known way, and files cut short, through the command
with the embedded model: every good row has to come out, every bad one has to be told with its line, and nothing else.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import reports

SUFFIXES = (".parquet", ".jsonl", ".csv")
PART_ROWS = 64
CLAIMS = (
    "Posts should report by Friday",
    "The border is ours to close",
    "Nothing of note",
    "The weather held",
    "He said so",
)


# ---- kills


class ChecksumEncoder:
    """A logit per label from a checksum of the text: as quick as can be, and any mix-up of rows shows."""

    precision = "f32"

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs

    def encode(self, texts):
        import numpy as np

        sums = np.array([[zlib.crc32(f"{label} {text}".encode()) for label in range(self.outputs)] for text in texts])
        return (sums / 2**32 * 12 - 8).astype(np.float32), np.ones(len(texts), dtype=int)


def tiny(source: str, output: str) -> None:
    """What a killed process runs: `cabletag.score_corpus` with the tiny encoder."""
    from cabletag import BatchOptions, Tagger, score_corpus
    from cabletag.assets import model_folder
    from cabletag.manifest import Manifest

    manifest = Manifest.load(model_folder())
    tagger = Tagger(ChecksumEncoder(len(manifest.labels)), manifest)
    score_corpus([source], output, BatchOptions(id_column="id", part_rows=PART_ROWS), tagger=tagger)


def corpus(path: Path, rows: int, draw: random.Random) -> None:
    """Documents of one to four passages, a fifth of them boilerplate, one row in fifty bad."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            passages = [
                "This message was sent in clear." if draw.random() < 0.2 else f"{draw.choice(CLAIMS)}, {number}.{part}."
                for part in range(draw.randint(1, 4))
            ]
            row = json.dumps({"id": f"d{number}", "text": "\n\n".join(passages)})
            file.write(f"{row[:20] if draw.random() < 0.02 else row}\n")


def start(system: str, source: Path, output: Path) -> subprocess.Popen[bytes]:
    if system == "tiny":
        command = [__file__, "--tiny", str(source), str(output)]
    else:
        options = ["--id-column", "id", "--part-rows", str(PART_ROWS)]
        command = ["-m", "cabletag.cli", "batch", str(source), "--output", str(output), *options]
    return subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate()
    if process.returncode not in (0, 3) or b"Traceback" in errors:
        raise SystemExit(f"a run did not finish: {errors.decode()}")


def killed(process: subprocess.Popen[bytes], folder: Path, moment: float) -> bool:
    """SIGKILL so many seconds after the run folder is there; True if the process was still at work."""
    while process.poll() is None and not folder.exists():
        time.sleep(0.001)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    if b"Traceback" in errors:
        raise SystemExit(f"a run broke: {errors.decode()}")
    return process.returncode == -signal.SIGKILL


def outputs(folder: Path, name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob(f"{name}*")) if path.is_file()}


def kill_runs(system: str, wanted: int, folder: Path, draw: random.Random) -> dict[str, int | float]:
    """So many kills in runs of one system, and how many of the runs ended with the very bytes of an undisturbed one."""
    folder = folder / system
    folder.mkdir()
    source = folder / "corpus.jsonl"
    corpus(source, 250 if system == "tiny" else 100, draw)
    undisturbed, working = {}, {}
    for suffix in SUFFIXES:
        name = f"out{suffix}"
        process = start(system, source, folder / name)
        while not (folder / f"{name}.run").exists() and process.poll() is None:
            time.sleep(0.001)
        began = time.perf_counter()
        finish(process)
        working[suffix] = time.perf_counter() - began
        undisturbed[suffix] = outputs(folder, name)
    found: Counter[str] = Counter()
    while found["kills"] < wanted:
        suffix = SUFFIXES[found["runs"] % len(SUFFIXES)]
        name = f"out{suffix}"
        for path in folder.glob(f"{name}*"):
            path.unlink()
        hits = 0
        while hits == 0 or draw.random() < 0.3:
            moment = draw.uniform(0, working[suffix])
            if not killed(start(system, source, folder / name), folder / f"{name}.run", moment):
                break
            hits += 1
            found["with_finished_parts"] += any((folder / f"{name}.run").glob("part-*[0-9]"))
        if hits:
            finish(start(system, source, folder / name))
        found.update(kills=hits, runs=1, identical=outputs(folder, name) == undisturbed[suffix])
        print(f"{system}: {found['kills']} kills, {found['identical']} of {found['runs']} identical", flush=True)
    return {**found, "working_seconds": round(sum(working.values()) / len(working), 2)}


# ---- fuzz

SPOIL: dict[str, dict[str, Callable[[dict[str, str], random.Random], bytes]]] = {
    "jsonl": {
        "malformed": lambda row, draw: _json(row)[: draw.randint(1, 12)],
        "not an object": lambda row, _: _json([row["text"]]),
        "no column": lambda row, _: _json({"id": row["id"]}),
        "null": lambda row, _: _json({**row, "text": None}),
        "number": lambda row, _: _json({**row, "text": 7}),
        "list": lambda row, _: _json({**row, "text": [row["text"]]}),
        "empty": lambda row, _: _json({**row, "text": " "}),
        "NaN": lambda row, _: _json(row)[:-1] + b', "x": NaN}',
        "escaped NUL": lambda row, _: _json({**row, "text": row["text"] + "\0"}),
        "raw NUL": lambda row, _: _json(row).replace(b" ", b"\0"),
        "broken UTF-8": lambda row, draw: (
            _json(row).replace(b"t", bytes([draw.randint(0x80, 0xFF)]) + b"(", 99)
            if draw.random() < 0.5
            else _json(row).replace(b", ", b"\xff, ")
        ),
        "half a surrogate pair": lambda row, _: _json({**row, "text": "\ud800"}),
        "brackets without end": lambda *_: b"[" * 100_000,
        "random bytes": lambda _, draw: b"\xff" + draw.randbytes(40).replace(b"\n", b""),
    },
    "csv": {
        "quote never closed": lambda row, _: f'{row["id"]},"{row["text"].replace(",", " ")}'.encode(),
        "quote in the middle": lambda row, _: f'{row["id"]},"so" {row["text"].replace(",", " ")}'.encode(),
        "a field too few": lambda row, _: row["id"].encode(),
        "a field too many": lambda row, _: f"{row['id']},a,b".encode(),
        "empty": lambda row, _: f"{row['id']},".encode(),
        "NUL": lambda row, _: f"{row['id']},a\0b".encode(),
        "broken UTF-8": lambda row, draw: f"{row['id']},caf".encode() + bytes([draw.randint(0x80, 0xBF)]),
    },
    "parquet": {"null": lambda *_: b"", "empty": lambda *_: b"", "NUL": lambda *_: b"", "broken UTF-8": lambda *_: b""},
}
PARQUET = {"null": None, "empty": b"", "NUL": b"a\0b", "broken UTF-8": b"caf\xe9"}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def fuzzed(kind: str, rows: int, draw: random.Random) -> Iterator[tuple[dict[str, str], str | None]]:
    """Rows with the way in which each is to be spoilt, or None."""
    ways = list(SPOIL[kind])
    for number in range(rows):
        text = f"{draw.choice(CLAIMS)}, row {number} of {kind}."
        yield {"id": f"{kind}-{number}", "text": text}, draw.choice(ways) if draw.random() < 0.2 else None


def write_fuzzed(kind: str, path: Path, rows: int, draw: random.Random) -> tuple[set[str], dict[int, str]]:
    """Writes a file; the ids of its good rows, and the ways of its bad ones by line."""
    good, bad = set(), {}
    lines, values = [b"id,text\n"] if kind == "csv" else [], []
    line = len(lines)
    for row, way in fuzzed(kind, rows, draw):
        line += 1
        if way is None:
            good.add(row["id"])
        else:
            bad[line] = way
        if kind == "parquet":
            values.append((row["id"], row["text"].encode() if way is None else PARQUET[way]))
        elif way is not None:
            lines.append(SPOIL[kind][way](row, draw) + b"\n")
        elif kind == "jsonl":
            lines.append(_json(row) + b"\n")
        else:
            buffer = io.StringIO()
            text = row["text"] + (" The end,\nas it was." if draw.random() < 0.1 else "")
            csv.writer(buffer, lineterminator="\n").writerow([row["id"], text])
            lines.append(buffer.getvalue().encode())
            line += text.count("\n")
    if kind == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        ids, texts = zip(*values, strict=True)
        parquet.write_table(pa.table({"id": ids, "text": pa.array(texts, pa.binary()).view(pa.string())}), path)
    else:
        path.write_bytes(b"".join(lines))
    return good, bad


def fuzz(rows: int, folder: Path, draw: random.Random) -> dict[str, object]:
    """One run over all kinds, a text of 50 MB and three files cut short."""
    good: set[str] = set()
    bad: dict[tuple[str, int], str] = {}
    shares = {"jsonl": rows * 7 // 10, "csv": rows // 5, "parquet": rows - rows * 7 // 10 - rows // 5}
    for kind, share in shares.items():
        path = folder / f"fuzz.{kind}"
        ids, spoilt = write_fuzzed(kind, path, share, draw)
        good |= ids
        bad |= {(str(path), line): f"{kind}: {way}" for line, way in spoilt.items()}
    huge = folder / "huge.jsonl"
    huge.write_bytes(
        _json({"id": "huge", "text": "word " * 10_000_000}) + b"\n" + _json({"id": "last", "text": "Last."})
    )
    good.add("last")
    bad[(str(huge), 1)] = "a text of 50 MB"
    whole = b"".join(_json({"id": f"cut-{n}", "text": f"Row {n} of {draw.random()}."}) + b"\n" for n in range(200))
    cut = folder / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(whole)[:-1500])
    readable = zlib.decompressobj(31).decompress(cut.read_bytes()).count(b"\n")
    good |= {f"cut-{n}" for n in range(readable)}
    bad[(str(cut), readable + 1)] = "truncated gzip"
    broken = folder / "cut.parquet"
    broken.write_bytes((folder / "fuzz.parquet").read_bytes()[:-100])
    bad[(str(broken), 0)] = "truncated Parquet"
    output = folder / "fuzzed.jsonl"
    command = ["batch", *map(str, (*(folder / f"fuzz.{kind}" for kind in shares), huge, cut, broken))]
    options = ["--output", str(output), "--id-column", "id"]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "cabletag.cli", *command, *options], capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode != 3:
        raise SystemExit(f"expected exit code 3, found {done.returncode}: {done.stderr[-2000:]}")
    written = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    rejects = [json.loads(line) for line in Path(f"{output}.rejects.jsonl").read_text(encoding="utf-8").splitlines()]
    came = Counter(row["document"] for row in written if row["status"] == "ok" and row["passage"] == 1)
    told = Counter((reject["file"], reject["line"]) for reject in rejects)
    lost, phantom = sorted(good - set(came)), sorted(set(came) - good)
    silent, wrong = sorted(set(bad) - set(told)), sorted(set(told) - set(bad))
    for name, found in {"lost": lost, "phantom": phantom, "not told": silent, "told though good": wrong}.items():
        print(f"{name}: {len(found)}", *found[:5], *(bad.get(place, "") for place in found[:5]), flush=True)
    return {
        "rows": len(good) + len(bad),
        "bad": dict(sorted(Counter(bad.values()).items())),
        "good_rows_lost": len(lost),
        "rows_made_up": len(phantom) + sum(count > 1 for count in came.values()),
        "bad_rows_not_told": len(silent),
        "good_rows_told_as_bad": len(wrong) + sum(count > 1 for count in told.values()),
        "tracebacks": done.stderr.count("Traceback"),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tiny", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tiny:
        tiny(*arguments.tiny)
        return
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fuzzing = fuzz(arguments.rows, folder, draw)
        print(json.dumps(fuzzing, indent=1), flush=True)
        embedded = max(1, arguments.kills // 10)
        kills = {
            "tiny encoder": kill_runs("tiny", arguments.kills - embedded, folder, draw),
            "embedded model": kill_runs("embedded", embedded, folder, draw),
        }
    report = {
        "date": reports.today(),
        "machine": reports.machine(),
        "seed": arguments.seed,
        "part_rows": PART_ROWS,
        "kills": kills,
        "fuzz": fuzzing,
    }
    reports.write("robustness", report)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

"""`cabletag batch`: a corpus of any size into one file of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cabletag.cli.options import FormatOption, ModelOption, PrecisionOption, ThreadsOption, listed
from cabletag.errors import OptionError

if TYPE_CHECKING:
    from cabletag.batch import Engine


def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, globs or - : .jsonl, .csv, .tsv, .parquet, .txt or .md, each also .gz or .zst.",
            metavar="INPUT...",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="What to write, .parquet, .jsonl or .csv by its name.")
    ],
    text_column: Annotated[str, typer.Option(help="The column that holds the text.", metavar="COL")] = "text",
    id_column: Annotated[
        str | None, typer.Option(help="The column that names a document; by default its file and line.", metavar="COL")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Columns to carry through.", metavar="COL,COL")] = None,
    no_text: Annotated[bool, typer.Option("--no-text", help="Leave the passages' text out of the output.")] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Write the words that carry each label, as spans of the source.")
    ] = False,
    passages: Annotated[
        bool, typer.Option("--passages", help="Each text is one passage already; do not cut it.")
    ] = False,
    format: FormatOption = "auto",
    input_format: Annotated[
        str | None,
        typer.Option(
            help="jsonl, csv, tsv, parquet, text or markdown, for names that do not tell; jsonl for -.", metavar="KIND"
        ),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of the inputs.")] = "utf-8",
    model: ModelOption = None,
    threshold: Annotated[float | None, typer.Option(help="As in `cabletag tag`.")] = None,
    labels: Annotated[str | None, typer.Option(help="As in `cabletag tag`.", metavar="ID,ID")] = None,
    threads: ThreadsOption = None,
    precision: PrecisionOption = "auto",
    max_rejects: Annotated[
        int | None, typer.Option(min=0, help="Stop when more rows than this cannot be read.", metavar="N")
    ] = None,
    part_rows: Annotated[
        int,
        typer.Option("--part-rows", min=1, help="Rows written together: the most that a kill can cost.", metavar="N"),
    ] = 4096,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, whatever an earlier run on this output left.")
    ] = False,
    engine: Annotated[str, typer.Option(help="local, or ray for Parquet and JSON lines on a cluster.")] = "local",
    workers: Annotated[int, typer.Option(min=1, help="With --engine ray: how many, of --threads (1) cores each.")] = 2,
    address: Annotated[
        str | None, typer.Option(help="With --engine ray: the cluster; by default one on this machine.")
    ] = None,
) -> None:
    """Tag a corpus of any size into one file, a row a passage, in input order.

    A run that was stopped goes on when the same command is given again. A row that cannot be read has status "error" in its
    place, and its reason in <output>.rejects.jsonl; the exit code is then 3. It is 0 if all rows were read,
    0 also if an earlier run had finished, 1 or 2 if the run stopped.
    In CSV, text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    from cabletag.batch import BatchOptions, progress, score_corpus

    options = BatchOptions(
        text_column,
        id_column,
        listed(keep) or (),
        not no_text,
        passages,
        format,
        encoding,
        input_format,
        threshold,
        listed(labels),
        part_rows,
        evidence,
    )
    with progress.shown() as show:
        summary = score_corpus(
            inputs,
            output,
            options,
            model=model,
            threads=threads,
            precision=precision,
            max_rejects=max_rejects,
            restart=restart,
            progress=show,
            engine=_engine(engine, threads, workers, address),
        )
    progress.tell(summary, output)
    if summary.rejected and not summary.already_finished:
        raise typer.Exit(3)


def _engine(name: str, threads: int | None, workers: int, address: str | None) -> Engine:
    if name == "local":
        from cabletag.batch import Local

        return Local()
    if name != "ray":
        raise OptionError(f"expected an engine of local, ray, found '{name}'")
    from cabletag.batch.distributed import OnRay
    from cabletag.extras import need

    need("ray", "ray")
    return OnRay(workers=workers, threads=threads or 1, address=address)

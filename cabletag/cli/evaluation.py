"""`cabletag evaluate` and `cabletag prevalence`: how good the labels are, and shares corrected for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cabletag.cli.options import CodebookOption, ModelOption, PrecisionOption, ThreadsOption


def evaluate(
    coded: Annotated[Path, typer.Argument(help="Coded passages: .jsonl, .csv or .tsv.", metavar="GOLD")],
    model: ModelOption = None,
    codebook: CodebookOption = None,
    text_column: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    labels_column: Annotated[
        str, typer.Option(help="Column of the labels: a list in JSON, ids parted by ; or , in a table.")
    ] = "labels",
    document_column: Annotated[
        str | None, typer.Option(help="Column that names the document; intervals then count documents.")
    ] = None,
    whole_documents: Annotated[
        bool,
        typer.Option("--whole-documents", help="Every passage of each document is coded; gives errors per document."),
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="Repeat the headline per value of this column.", metavar="COLUMN")
    ] = None,
    errors: Annotated[
        Path | None, typer.Option(help="Write the errors, worst first, to this .jsonl or .csv.", metavar="FILE")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="Write an HTML page of the result. Needs the extra `report`.", metavar="FILE"),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="As for `cabletag tag`.")] = None,
    samples: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 1000,
    as_json: Annotated[
        bool, typer.Option("--json", help="The whole result as JSON, for `cabletag prevalence` too.")
    ] = False,
    encoding: Annotated[str, typer.Option(help="Encoding of the file.")] = "utf-8",
    threads: ThreadsOption = None,
    precision: PrecisionOption = "auto",
) -> None:
    """Measure the model on passages that you coded. Needs the extra `evaluate`.

    Every figure stands beside its base, with a bootstrap interval. Columns of your own may be named in --by.
    """
    import json

    from cabletag.extras import need

    need("evaluate", "scipy")
    if page is not None:
        need("report", "altair", "vl_convert", "jinja2")
    from cabletag.evaluation import evaluate as measured
    from cabletag.evaluation import mistakes, read_gold, tables
    from cabletag.tagger import Tagger
    from cabletag.writing import check_output

    tagger = Tagger.from_pretrained(model, threads=threads, precision=precision)
    book = tagger.codebook(codebook)
    passages = read_gold(coded, book, text_column, labels_column, encoding)
    if errors is not None:
        check_output(errors, [coded], mistakes.SUFFIXES)
    if page is not None:
        check_output(page, [coded, *([errors] if errors else [])])
    result, found = measured(
        tagger,
        book,
        passages,
        document_column=document_column,
        whole_documents=whole_documents,
        by=by,
        threshold=threshold,
        samples=samples,
        show_progress=sys.stderr.isatty(),
    )
    worst = mistakes.worst_errors(found, passages, result["thresholds"]) if errors or page else []
    if errors is not None:
        mistakes.write_mistakes(errors, worst)
    if page is not None:
        from cabletag.report import write_evaluation

        write_evaluation(result, worst, book, page, coded)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        tables.evaluation_tables(result)


def prevalence(
    output: Annotated[
        Path, typer.Argument(help="An output of `cabletag batch`: .parquet, .jsonl or .csv.", metavar="OUT")
    ],
    evaluation: Annotated[
        Path | None, typer.Option(help="Correct by the JSON of `cabletag evaluate --json`.", metavar="FILE")
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(help="Correct by a coded random sample of OUT: document, passage and labels.", metavar="FILE"),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Shares per value of a kept column.", metavar="COLUMN")] = None,
    codebook: CodebookOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole result as JSON.")] = False,
) -> None:
    """Shares of passages and documents per label, corrected for the model's errors. Needs the extra `evaluate`.

    Without --evaluation or --sample the shares are what the model tagged, its errors included.
    """
    import json

    from cabletag.extras import need

    need("evaluate", "scipy")
    from cabletag.evaluation import shares, tables

    result = shares.prevalence(output, evaluation, by, sample, codebook)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        tables.prevalence_tables(result)

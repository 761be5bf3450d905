"""`cabletag report`: a page of a batch output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cabletag.cli.options import CodebookOption


def report(
    output: Annotated[Path, typer.Argument(help="An output of `cabletag batch`.", metavar="OUT")],
    page: Annotated[Path, typer.Option("-o", "--output", help="The HTML page to write.", metavar="FILE")] = Path(
        "report.html"
    ),
    by: Annotated[str | None, typer.Option(help="Compare the values of this kept column.", metavar="COLUMN")] = None,
    time: Annotated[
        str | None, typer.Option(help="Show change over the dates of this kept column.", metavar="COLUMN")
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(
            help="The JSON of `cabletag evaluate --json`; adds its figures and shares corrected by them.",
            metavar="FILE",
        ),
    ] = None,
    strongest: Annotated[int, typer.Option(help="Passages to show per label, 0 to 100.")] = 5,
    title: Annotated[str | None, typer.Option(help="The title of the page.")] = None,
    codebook: CodebookOption = None,
) -> None:
    """Write one HTML page of a batch output: shares, charts, passages, what was run, limits. Needs the extra `report`."""
    from cabletag.extras import need

    need("report", "altair", "vl_convert", "jinja2")
    if evaluation is not None:
        need("evaluate", "scipy")
    from cabletag.report import write_report
    from cabletag.results import Results

    results = Results.open(output, codebook)
    found = write_report(results, page, by=by, time=time, evaluation=evaluation, strongest=strongest, title=title)
    counts = f"passages: {found.scored:,}, documents: {found.documents:,}, rejected rows left out: {found.rejected:,}"
    typer.echo(f"{page}: {counts}", err=True)

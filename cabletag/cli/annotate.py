"""`cabletag annotate`: a sample to coders and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cabletag.cli.options import CodebookOption

annotate = typer.Typer(
    help="Have people code a sample in Label Studio or doccano, and compare their labels with the model's.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@annotate.command("export")
def annotate_export(
    output: Annotated[Path, typer.Argument(help="An output of `cabletag batch`.", metavar="OUT")],
    to: Annotated[str, typer.Option("--to", help="label-studio or doccano.", metavar="TOOL")],
    file: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write, for import into the tool.", metavar="FILE")
    ],
    sample: Annotated[str, typer.Option(help="random, or threshold: where the model was least decided.")] = "random",
    size: Annotated[int, typer.Option(help="Passages to take.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the random sample.")] = 0,
    blind: Annotated[
        bool, typer.Option("--blind", help="Without the model's labels on the screen, which sway coders.")
    ] = False,
    codebook: CodebookOption = None,
) -> None:
    """Draw a sample of an output and write it for a coding tool, with the model's labels filled in and the set-up of the labels."""
    from cabletag.annotation import draw, export
    from cabletag.results import Results

    results = Results.open(output, codebook)
    drawn = draw(results, sample, size, seed)
    setup = export(drawn, results.codebook, to, file, output, blind)
    typer.echo(
        f"{file}: {len(drawn.rows):,} of {drawn.design['of']:,} passages ({sample}); labels to set up: {setup}",
        err=True,
    )


@annotate.command("import")
def annotate_import(
    files: Annotated[
        list[Path], typer.Argument(help="What the tool exported: JSON, JSON lines, zip.", metavar="FILE...")
    ],
    corpus: Annotated[Path, typer.Option("-o", "--output", help="The coded corpus to write.", metavar="FILE")],
    format: Annotated[str | None, typer.Option(help="label-studio or doccano; by the content if not given.")] = None,
    json_out: Annotated[bool, typer.Option("--json", help="The agreement as JSON; the default when piped.")] = False,
    codebook: CodebookOption = None,
) -> None:
    """Read coded passages back into a corpus, and compare coders with each other and with the model. Needs the extra `annotate`.

    In doccano, tick "Export only approved documents": it cannot tell what nobody has looked at. Items that cannot be used are named
    on standard error and left out, and the exit code is 1.
    """
    from dataclasses import asdict

    from cabletag import piped
    from cabletag.annotation import agreement, corpus_row, read_back, tables
    from cabletag.codebook import Codebook
    from cabletag.extras import need
    from cabletag.writing import json_line, write_text

    need("annotate", "krippendorff")
    book = Codebook.load(codebook)
    returned = read_back(files, book, format)
    for problem in returned.problems:
        typer.echo(f"error: {problem}", err=True)
    write_text(corpus, "".join(json_line(corpus_row(item, book)) for item in returned.items), files)
    found = agreement(returned.items, book)
    if json_out or not sys.stdout.isatty():
        piped.write_json(asdict(entry) for entry in found)
    else:
        tables.agreement_table(found)
    typer.echo(
        f"{corpus}: {len(returned.items):,} coded passages; {returned.uncoded:,} not coded, {len(returned.problems):,} left out",
        err=True,
    )
    if returned.problems:
        raise typer.Exit(1)

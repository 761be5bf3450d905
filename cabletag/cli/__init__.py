"""The command line. Commands never try; main() is the one place where errors are caught."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cabletag.cli import annotate, batch, evaluation, report, tagging, train
from cabletag.errors import CabletagError

app = typer.Typer(
    help="Tag passages of text with the talking points of a diplomatic cable.\n\n"
    "A label says that a passage carries an argument, an instruction or an answer; never that it is true, false, good or bad.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
for command in (
    tagging.tag,
    batch.batch,
    train.train,
    train.cascade,
    train.export,
    evaluation.evaluate,
    evaluation.prevalence,
    report.report,
):
    app.command()(command)
for name, group in (("labels", tagging.labels), ("models", tagging.models), ("annotate", annotate.annotate)):
    app.add_typer(group, name=name)


def _version(wanted: bool) -> None:
    if wanted:
        from cabletag import __version__

        typer.echo(f"cabletag {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: one line on standard error and an exit code for every expected error; quiet where a pipe is closed."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except CabletagError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except (SystemExit, BrokenPipeError) as end:
        if isinstance(end, BrokenPipeError) or isinstance(end.__context__, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to be written goes nowhere
            raise SystemExit(0) from None
        raise

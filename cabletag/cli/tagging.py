"""`cabletag tag`, `cabletag labels` and `cabletag models`: texts to tags, and what the tags and the models are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cabletag.cli.options import CodebookOption, FormatOption, ModelOption, PrecisionOption, ThreadsOption, listed
from cabletag.errors import OptionError

labels = typer.Typer(
    help="List the labels of a codebook, explain one, or check a codebook file.", rich_markup_mode=None
)
models = typer.Typer(help="List, show and verify model folders.", rich_markup_mode=None)


def tag(
    files: Annotated[
        list[str] | None, typer.Argument(help="Text or Markdown files; - for standard input.", metavar="FILE...")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Tag this text instead of files.")] = None,
    model: ModelOption = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="One threshold, 0 to 1, in place of the model's own per label; the voice keeps its own."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Give only these labels, separated by commas.", metavar="ID,ID")
    ] = None,
    all_scores: Annotated[bool, typer.Option("--all-scores", help="Show every label's probability.")] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Show the words that carry each label: underlined, or as spans in JSON.")
    ] = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="JSON lines, one a passage; the default when piped.")
    ] = False,
    show_empty: Annotated[
        bool, typer.Option("--show-empty", help="In the table, show passages without labels too.")
    ] = False,
    format: FormatOption = "auto",
    encoding: Annotated[str, typer.Option(help="Encoding of the files.")] = "utf-8",
    threads: ThreadsOption = None,
    precision: PrecisionOption = "auto",
) -> None:
    """Tag the passages of files, of standard input (-) or of --text.

    A table on a terminal, JSON lines in a pipe. A file that cannot be read is named on standard error, the others are tagged, and the exit code is 1.
    """
    from cabletag import assets, piped, records
    from cabletag.tagger import Tagger

    if (text is None) == (not files):
        raise OptionError(
            "expected files, - or --text, found "
            + ("both" if files else 'none; try `cabletag tag --text "..."`, or - for standard input')
        )
    tagger = Tagger.from_pretrained(model, threads=threads, precision=precision)
    options = {
        "threshold": threshold,
        "labels": listed(labels),
        "evidence": evidence,
    }
    tagger.tag([], **options)  # type: ignore[arg-type]  # wrong options are told before any file is read
    sources = records.read_text(text) if text is not None else records.read_sources(files or [], encoding)
    book = None
    if sys.stdout.isatty() and not json_lines:  # a table takes its colours from the codebook
        from cabletag import console
        from cabletag.codebook import Codebook

        file = assets.codebook_file(tagger.manifest.codebook["id"])
        book = Codebook.load(file if file.is_file() else None)
    failed = False
    for source in sources:
        if source.error:
            failed = True
            typer.echo(f"error: {source.error}", err=True)
            continue
        tagged = tagger.tag_document(source.text, format=source.format if format == "auto" else format, **options)  # type: ignore[arg-type]
        if book is None:
            piped.write_json(piped.rows(source.name, tagged, all_scores, tagger.manifest.voice, evidence))
        else:
            console.tag_table(source.name, tagged, book, all_scores, show_empty or text is not None)
    if failed:
        raise typer.Exit(1)


@labels.callback(invoke_without_command=True)
def _labels(context: typer.Context, codebook: CodebookOption = None) -> None:
    context.obj = codebook
    if context.invoked_subcommand is None:
        from cabletag import console
        from cabletag.codebook import Codebook

        console.label_table(Codebook.load(codebook))


@labels.command("show")
def labels_show(
    context: typer.Context,
    label: Annotated[str, typer.Argument(help="A label id.")],
    codebook: CodebookOption = None,
) -> None:
    """Explain one label: what counts, what does not, examples, a near miss, and the facts it is drawn from."""
    from cabletag import console
    from cabletag.codebook import Codebook

    book = Codebook.load(codebook or context.obj)  # it may stand before "show" or after it
    console.label_page(book.label(label), book)


@labels.command("check")
def labels_check(file: Annotated[Path, typer.Argument(help="A codebook file.")]) -> None:
    """Validate a codebook file; an error names the line."""
    from cabletag.codebook import Codebook

    book = Codebook.load(file)
    typer.echo(f"{file}: {book.id} {book.version}, {len(book.labels)} labels, {len(book.facts)} facts: in order")


@models.callback(invoke_without_command=True)
def _models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        from cabletag import assets, console
        from cabletag.manifest import load_all

        console.model_table(*load_all(assets.MODELS), assets.DEFAULT_MODEL)


@models.command("show")
def models_show(model: Annotated[str | None, typer.Argument(help="A name or a folder.")] = None) -> None:
    """Show what a model was trained on and its thresholds."""
    from cabletag import assets, console
    from cabletag.manifest import Manifest

    console.model_page(Manifest.load(assets.model_folder(model)))


@models.command("verify")
def models_verify(model: Annotated[str | None, typer.Argument(help="A name or a folder.")] = None) -> None:
    """Check every file of a model against its manifest, and its scores against its golden examples."""
    from cabletag import assets
    from cabletag.golden import check_golden
    from cabletag.tagger import Tagger

    folder = assets.model_folder(model)
    for precision in ("f32", "auto"):
        tagger = Tagger.from_pretrained(model, precision=precision)
        files = len(tagger.manifest.files) + sum(len(member.files) for _, member in tagger.manifest.members(folder))
        count, worst = check_golden(tagger, folder)
        typer.echo(
            f"{tagger.manifest.name}: {files} files match, "
            f"{count} golden examples within {worst:.1e} in {tagger.precision}"
        )

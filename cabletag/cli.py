"""The command line. Commands never try; main() is the one place where errors are caught."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cabletag.errors import CabletagError, OptionError

if TYPE_CHECKING:
    from cabletag.batch import Engine

app = typer.Typer(
    help="Tag passages of text with the talking points of a diplomatic cable.\n\n"
    "A label says that a passage carries an argument, an instruction or an answer; never that it is true, false, good or bad.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
labels_app = typer.Typer(
    help="List the labels of a codebook, explain one, or check a codebook file.", rich_markup_mode=None
)
models_app = typer.Typer(help="List, show and verify model folders.", rich_markup_mode=None)
app.add_typer(labels_app, name="labels")
app.add_typer(models_app, name="models")

ModelOption = Annotated[
    str | None, typer.Option("--model", help="A shipped model's name or a model folder.", metavar="NAME|DIR")
]
CodebookOption = Annotated[
    Path | None, typer.Option("--codebook", help="A codebook file instead of the shipped one.", metavar="FILE")
]


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


@app.command()
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
    json_lines: Annotated[
        bool, typer.Option("--json", help="JSON lines, one a passage; the default when piped.")
    ] = False,
    show_empty: Annotated[
        bool, typer.Option("--show-empty", help="In the table, show passages without labels too.")
    ] = False,
    format: Annotated[str, typer.Option(help="auto, prose, markdown or cable.")] = "auto",
    encoding: Annotated[str, typer.Option(help="Encoding of the files.")] = "utf-8",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to use; all cores by default.")] = None,
) -> None:
    """Tag the passages of files, of standard input (-) or of --text.

    A table on a terminal, JSON lines in a pipe. A file that cannot be read is named on standard error, the others are tagged, and the exit code is 1.
    """
    from cabletag import console, records
    from cabletag.codebook import Codebook
    from cabletag.tagger import Tagger

    if (text is None) == (not files):
        raise OptionError(
            "expected files, - or --text, found "
            + ("both" if files else 'none; try `cabletag tag --text "..."`, or - for standard input')
        )
    tagger = Tagger.from_pretrained(model, threads=threads)
    options = {
        "threshold": threshold,
        "labels": None if labels is None else [label.strip() for label in labels.split(",")],
    }
    tagger.tag([], **options)  # type: ignore[arg-type]  # wrong options are told before any file is read
    sources = records.read_text(text) if text is not None else records.read_sources(files or [], encoding)
    failed = False
    for source in sources:
        if source.error:
            failed = True
            typer.echo(f"error: {source.error}", err=True)
            continue
        tagged = tagger.tag_document(source.text, format=source.format if format == "auto" else format, **options)  # type: ignore[arg-type]
        if json_lines or not sys.stdout.isatty():
            console.write_json(console.rows(source.name, tagged, all_scores, tagger.manifest.voice))
        else:
            console.tag_table(source.name, tagged, Codebook.load(), all_scores, show_empty or text is not None)
    if failed:
        raise typer.Exit(1)


@app.command()
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
    passages: Annotated[
        bool, typer.Option("--passages", help="Each text is one passage already; do not cut it.")
    ] = False,
    format: Annotated[str, typer.Option(help="auto, prose, markdown or cable.")] = "auto",
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
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to use; all cores by default.")] = None,
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
    place, and its reason in <output>.rejects.jsonl; the exit code is then 3. It is 0 if all rows were read, 1 or 2 if the run stopped.
    In CSV, text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    from cabletag import batch, progress
    from cabletag.parts import BatchOptions

    options = BatchOptions(
        text_column,
        id_column,
        _listed(keep) or (),
        not no_text,
        passages,
        format,
        encoding,
        input_format,
        threshold,
        _listed(labels),
        part_rows,
    )
    with progress.shown() as show:
        summary = batch.score_corpus(
            inputs,
            output,
            options,
            model=model,
            threads=threads,
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
    from cabletag.distributed import OnRay
    from cabletag.extras import need

    need("ray", "ray")
    return OnRay(workers=workers, threads=threads or 1, address=address)


def _listed(names: str | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(name.strip() for name in names.split(","))


@labels_app.callback(invoke_without_command=True)
def _labels(context: typer.Context, codebook: CodebookOption = None) -> None:
    if context.invoked_subcommand is None:
        from cabletag import console
        from cabletag.codebook import Codebook

        console.label_table(Codebook.load(codebook))


@labels_app.command("show")
def labels_show(label: Annotated[str, typer.Argument(help="A label id.")], codebook: CodebookOption = None) -> None:
    """Explain one label: what counts, what does not, examples, a near miss, and the facts it is drawn from."""
    from cabletag import console
    from cabletag.codebook import Codebook

    book = Codebook.load(codebook)
    console.label_page(book.label(label), book)


@labels_app.command("check")
def labels_check(file: Annotated[Path, typer.Argument(help="A codebook file.")]) -> None:
    """Validate a codebook file; an error names the line."""
    from cabletag.codebook import Codebook

    book = Codebook.load(file)
    typer.echo(f"{file}: {book.id} {book.version}, {len(book.labels)} labels, {len(book.facts)} facts: in order")


@models_app.callback(invoke_without_command=True)
def _models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        from cabletag import assets, console
        from cabletag.manifest import Manifest

        manifests, problems = [], {}
        for folder in sorted(path for path in assets.MODELS.iterdir() if path.is_dir()):
            try:
                manifests.append(Manifest.load(folder))
            except CabletagError as error:
                problems[folder.name] = str(error)
        console.model_table(manifests, problems)


@models_app.command("show")
def models_show(model: Annotated[str | None, typer.Argument(help="A name or a folder.")] = None) -> None:
    """Show what a model was trained on and its thresholds."""
    from cabletag import assets, console
    from cabletag.manifest import Manifest

    console.model_page(Manifest.load(assets.model_folder(model)))


@models_app.command("verify")
def models_verify(model: Annotated[str | None, typer.Argument(help="A name or a folder.")] = None) -> None:
    """Check every file of a model against its manifest, and its scores against its golden examples."""
    from cabletag import assets
    from cabletag.golden import check_golden
    from cabletag.tagger import Tagger

    tagger = Tagger.from_pretrained(model)
    count, worst = check_golden(tagger, assets.model_folder(model))
    typer.echo(
        f"{tagger.manifest.name}: {len(tagger.manifest.files)} files match, {count} golden examples within {worst:.1e}"
    )


@app.command()
def train(
    output: Annotated[Path, typer.Argument(help="The model folder to write, e.g. models/my-model.")],
    codebook: CodebookOption = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Folder with train.jsonl and dev.jsonl; beside the codebook by default.")
    ] = None,
    real_text: Annotated[
        Path | None,
        typer.Option("--real-text", help="JSON lines {id, text} for the passages of real.jsonl.", metavar="FILE"),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Any Hugging Face encoder, by id or folder.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    work: Annotated[Path, typer.Option(help="Where checkpoints are kept; a broken run goes on from there.")] = Path(
        "runs"
    ),
) -> None:
    """Fine-tune a model on a coded corpus, calibrate it, and write a model folder. Needs the extra `train`."""
    from cabletag import assets
    from cabletag.extras import need

    need("train", "torch", "transformers", "datasets", "sklearn", "onnx")
    from cabletag.train import Recipe, train

    book = codebook or assets.codebook_file()
    given = {"base": base, "epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    recipe = Recipe(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
    train(
        output,
        book,
        corpus or book.parent / "corpus",
        recipe,
        real_text,
        work,
        say=lambda line: typer.echo(line, err=True),
    )


def main() -> None:
    """Entry point: one line on standard error and an exit code for every expected error."""
    try:
        app()
    except CabletagError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()

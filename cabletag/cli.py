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
annotate_app = typer.Typer(
    help="Have people code a sample in Label Studio or doccano, and compare their labels with the model's.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(annotate_app, name="annotate")

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
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Show the words that carry each label: underlined, or as spans in JSON.")
    ] = False,
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
        "evidence": evidence,
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
            console.write_json(console.rows(source.name, tagged, all_scores, tagger.manifest.voice, evidence))
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

    for precision in ("f32", "auto"):
        tagger = Tagger.from_pretrained(model, precision=precision)
        count, worst = check_golden(tagger, assets.model_folder(model))
        typer.echo(
            f"{tagger.manifest.name}: {len(tagger.manifest.files)} files match, "
            f"{count} golden examples within {worst:.1e} in {tagger.precision}"
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


@app.command()
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
    threshold: Annotated[float | None, typer.Option(help="As for `cabletag tag`.")] = None,
    samples: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 1000,
    as_json: Annotated[
        bool, typer.Option("--json", help="The whole result as JSON, for `cabletag prevalence` too.")
    ] = False,
    encoding: Annotated[str, typer.Option(help="Encoding of the file.")] = "utf-8",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to use; all cores by default.")] = None,
) -> None:
    """Measure the model on passages that you coded. Needs the extra `evaluate`.

    Every figure stands beside its base, with a bootstrap interval. Columns of your own may be named in --by.
    """
    import json

    from cabletag.extras import need

    need("evaluate", "sklearn", "scipy")
    from cabletag import evaluation, result_tables
    from cabletag.gold import read_gold
    from cabletag.tagger import Tagger

    tagger = Tagger.from_pretrained(model, threads=threads)
    book = tagger.codebook(codebook)
    passages = read_gold(coded, book, text_column, labels_column, encoding)
    if errors is not None:
        evaluation.check_writable(errors, coded)
    result, found = evaluation.evaluate(
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
    if errors is not None:
        evaluation.write_rows(errors, evaluation.worst_errors(found, passages, result["thresholds"]))
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        result_tables.evaluation_tables(result)


@app.command()
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

    need("evaluate", "sklearn", "scipy", "pyarrow")
    from cabletag import result_tables, shares

    result = shares.prevalence(output, evaluation, by, sample, codebook)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        result_tables.prevalence_tables(result)


@app.command()
def report(
    output: Annotated[Path, typer.Argument(help="An output of `cabletag batch`.", metavar="OUT")],
    page: Annotated[Path, typer.Option("-o", "--output", help="The HTML page to write.", metavar="FILE")] = Path(
        "report.html"
    ),
    by: Annotated[str | None, typer.Option(help="Compare the values of this kept column.", metavar="COLUMN")] = None,
    time: Annotated[
        str | None, typer.Option(help="Show change over the dates of this kept column.", metavar="COLUMN")
    ] = None,
    evaluation: Annotated[Path | None, typer.Option(help="The JSON of `cabletag evaluate`.", metavar="FILE")] = None,
    strongest: Annotated[int, typer.Option(help="Passages to show per label, 0 to 100.")] = 5,
    title: Annotated[str | None, typer.Option(help="The title of the page.")] = None,
    codebook: CodebookOption = None,
) -> None:
    """Write one HTML page of a batch output: shares, charts, passages, what was run, limits. Needs the extra `report`."""
    from cabletag.codebook import Codebook
    from cabletag.extras import need

    need("report", "altair", "vl_convert", "jinja2")
    from cabletag.report import write_report
    from cabletag.results import Results

    results = Results.open(output, Codebook.load(codebook) if codebook else None)
    found = write_report(results, page, by=by, time=time, evaluation=evaluation, strongest=strongest, title=title)
    counts = f"passages: {found.scored:,}, documents: {found.documents:,}, rejected rows left out: {found.rejected:,}"
    typer.echo(f"{page}: {counts}", err=True)


@annotate_app.command("export")
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
    from cabletag.annotate import export
    from cabletag.codebook import Codebook
    from cabletag.results import Results
    from cabletag.sampling import draw

    results = Results.open(output, Codebook.load(codebook) if codebook else None)
    drawn = draw(results, sample, size, seed)
    setup = export(drawn, results.codebook, to, file, output, blind)
    typer.echo(
        f"{file}: {len(drawn.rows):,} of {drawn.design['of']:,} passages ({sample}); labels to set up: {setup}",
        err=True,
    )


@annotate_app.command("import")
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

    from cabletag import agreement, annotate, console
    from cabletag.codebook import Codebook
    from cabletag.extras import need
    from cabletag.writing import json_line, write_text

    need("annotate", "krippendorff")
    book = Codebook.load(codebook)
    returned = annotate.read_back(files, book, format)
    for problem in returned.problems:
        typer.echo(f"error: {problem}", err=True)
    write_text(corpus, "".join(json_line(agreement.corpus_row(item, book)) for item in returned.items), files)
    found = agreement.agreement(returned.items, book)
    if json_out or not sys.stdout.isatty():
        console.write_json(asdict(entry) for entry in found)
    else:
        console.agreement_table(found)
    typer.echo(
        f"{corpus}: {len(returned.items):,} coded passages; {returned.uncoded:,} not coded, {len(returned.problems):,} left out",
        err=True,
    )
    if returned.problems:
        raise typer.Exit(1)


def main() -> None:
    """Entry point: one line on standard error and an exit code for every expected error."""
    try:
        app()
    except CabletagError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()

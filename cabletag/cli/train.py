"""`cabletag train`, `cascade` and `export`: a coded corpus into a model folder, two of them into one, and a graph made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cabletag.cli.options import CodebookOption

CorpusOption = Annotated[
    Path | None, typer.Option(help="Folder with train.jsonl and dev.jsonl; beside the codebook by default.")
]
RealTextOption = Annotated[
    Path | None,
    typer.Option("--real-text", help="JSON lines {id, text} for the passages of real.jsonl.", metavar="FILE"),
]


def train(
    output: Annotated[Path, typer.Argument(help="The model folder to write, e.g. models/my-model.")],
    codebook: CodebookOption = None,
    corpus: CorpusOption = None,
    real_text: RealTextOption = None,
    base: Annotated[str | None, typer.Option(help="Any Hugging Face encoder, by id or folder.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often the passages are read.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Of the encoder, at its highest.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of order, joined passages and masked words.")] = None,
    average_with: Annotated[
        list[Path] | None,
        typer.Option(help="A model tuned from the same base, to average the weights with; may be given again."),
    ] = None,
    continue_from: Annotated[
        Path | None,
        typer.Option(help="A model tuned from the same base, to train further in place of the base.", metavar="MODEL"),
    ] = None,
    work: Annotated[Path, typer.Option(help="Where checkpoints are kept; a broken run goes on from there.")] = Path(
        "runs"
    ),
) -> None:
    """Fine-tune a model on a coded corpus, calibrate it, and write a model folder. Needs the extra `train`."""
    from cabletag import assets
    from cabletag.extras import need

    need("train", "torch", "transformers", "datasets", "sklearn", "onnx")
    from cabletag.train import train
    from cabletag.training.recipe import Recipe

    book = codebook or assets.codebook_file()
    given: dict[str, Any] = {"base": base, "epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    recipe = Recipe.of(**{key: value for key, value in given.items() if value is not None})
    train(
        output,
        book,
        corpus or book.parent / "corpus",
        recipe,
        real_text,
        work,
        average_with or [],
        continue_from,
        say=lambda line: typer.echo(line, err=True),
    )


def cascade(
    output: Annotated[Path, typer.Argument(help="The model folder to write, beside those of the two models.")],
    first: Annotated[str, typer.Argument(help="The smaller model, which reads every passage: a folder beside OUTPUT.")],
    second: Annotated[str, typer.Argument(help="The larger one, which reads what the first does not clear.")],
    codebook: CodebookOption = None,
    corpus: CorpusOption = None,
    real_text: RealTextOption = None,
) -> None:
    """Make two trained models into one that is better than each and faster than the larger. Needs the extra `train`.

    The first clears passages that surely carry no label; of the others the two give their mean. All is fitted on
    the passages that both were calibrated on.
    """
    from cabletag import assets
    from cabletag.extras import need

    need("train", "torch", "transformers", "datasets", "sklearn")
    from cabletag.cascade import make_cascade

    book = codebook or assets.codebook_file()
    make_cascade(
        output,
        first,
        second,
        book,
        corpus or book.parent / "corpus",
        real_text,
        say=lambda line: typer.echo(line, err=True),
    )


def export(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    codebook: CodebookOption = None,
    coded: Annotated[
        Path | None,
        typer.Option(help="Coded passages to check on; the codebook's test split by default.", metavar="FILE"),
    ] = None,
) -> None:
    """Make the graph of a model folder anew from its checkpoint. Needs the extra `train`.

    Refused, with the folder left as it was, unless the graph agrees with the checkpoint, and this machine's own precision
    with single precision: the same labels on 99% of the passages, macro-F1 within 0.003.
    """
    from cabletag import assets
    from cabletag.codebook import Codebook
    from cabletag.corpus import read_corpus
    from cabletag.extras import need

    need("train", "torch", "transformers", "onnx")
    from cabletag.export import renew

    file = codebook or assets.codebook_file()
    book = Codebook.load(file)
    off, found = renew(model, book, read_corpus(coded or file.parent / "corpus" / "test.jsonl", book))
    typer.echo(
        f"{model}: logits within {off:.1e} of the checkpoint; in {found.precision} {found.same:.1%} of the passages keep labels and voice, "
        f"macro-F1 moves by {found.macro_change:.4f}"
    )

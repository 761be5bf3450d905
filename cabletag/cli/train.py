"""`cabletag train`: a coded corpus into a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cabletag.cli.options import CodebookOption


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

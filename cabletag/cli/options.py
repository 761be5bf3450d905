"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A shipped model's name, as `cabletag models` lists them, or a model folder.",
        metavar="NAME|DIR",
    ),
]
CodebookOption = Annotated[
    Path | None, typer.Option("--codebook", help="A codebook file instead of the shipped one.", metavar="FILE")
]
FormatOption = Annotated[str, typer.Option("--format", help="auto, prose, markdown or cable.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="Threads to use; all cores by default.")]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help="auto (bfloat16 where the processor has it), f32 (slower there, the same scores on every machine) or bf16.",
    ),
]


def listed(names: str | None) -> tuple[str, ...] | None:
    """The names of an option that takes several, separated by commas."""
    return None if names is None else tuple(name.strip() for name in names.split(","))

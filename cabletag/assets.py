"""Where the shipped labels/ and models/ folders are, in a checkout or inside the wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_ROOT = _PACKAGE / "_shipped" if (_PACKAGE / "_shipped").is_dir() else _PACKAGE.parent

MODELS = _ROOT / "models"
LABELS = _ROOT / "labels"
DEFAULT_MODEL = "cabletag"
DEFAULT_CODEBOOK = "cable-2025-11-21"


def model_folder(name_or_path: str | Path | None = None) -> Path:
    """The folder of a shipped model by name, or the path as given; the embedded model for None."""
    if name_or_path is None:
        return MODELS / DEFAULT_MODEL
    return MODELS / name_or_path if is_shipped(name_or_path) else Path(name_or_path)


def is_shipped(model: str | Path) -> bool:
    """Whether this is the name of a shipped model."""
    return (MODELS / model) in MODELS.iterdir()


def codebook_file(name: str = DEFAULT_CODEBOOK) -> Path:
    """The codebook file of a shipped codebook."""
    return LABELS / name / "codebook.yaml"

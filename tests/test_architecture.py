"""Imports point one way, and heavy libraries stay out of the light paths."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cabletag

PACKAGE = Path(cabletag.__file__).parent
LAYERS = [
    {"errors"},
    {"assets", "extras", "reading", "writing"},
    {"codebook", "formats"},
    {"text", "manifest", "prediction", "corpus", "records", "ngrams", "results", "metrics"},
    {"encoders", "policy"},
    {"explain"},
    {"tagger"},
    {"annotation", "batch", "console", "evaluation", "golden", "piped"},
    {"export", "training"},
    {"modelfolder"},
    {"report", "train", "cascade"},
    {"cli"},
]
INSIDE = {
    "annotation": [{"agreement", "sampling"}, {"tables", "tasks"}, {"codings"}],
    "batch": [
        {"ahead", "inputs", "outputs", "runfolder"},
        {"opened"},
        {"lines"},
        {"readers"},
        {"rows"},
        {"parts"},
        {"engines"},
        {"scorer"},
        {"progress", "distributed"},
    ],
    "cli": [{"options"}, {"annotate", "batch", "evaluation", "report", "tagging", "train"}],
    "encoders": [{"cascade", "cpu", "torch"}],
    "evaluation": [
        {"estimators", "events", "gold"},
        {"measures", "tally"},
        {"comparison", "mistakes", "sources", "tables"},
        {"shares"},
    ],
    "training": [{"recipe"}, {"data", "linear"}, {"tuning"}],
    "report": [{"shown"}, {"overview"}, {"charts", "rendering"}, {"page", "evaluated"}],
}
BASES = {"encoders"}  # packages whose modules build on their __init__
HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "sklearn",
    "onnx",
    "openvino",
    "sentence_transformers",
    "tokenizers",
    "numpy",
    "pyarrow",
    "altair",
    "jinja2",
    "ray",
}


def layer(layers, module):
    return next(number for number, names in enumerate(layers) if module in names)


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield pytest.param(path, parts, id=".".join(parts))


def imported(node):
    """The modules of cabletag that an import statement names, each as its parts below the package."""
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cabletag":
        below = tuple(node.module.split(".")[1:])
        for name in node.names:
            path = PACKAGE.joinpath(*below, name.name)
            if path.is_dir() or path.with_suffix(".py").is_file():
                yield (*below, name.name)
            elif below:
                yield below


@pytest.mark.parametrize(("path", "parts"), modules())
def test_imports_point_down(path, parts):
    for node in ast.walk(ast.parse(path.read_text())):
        for other in imported(node):
            where = f"{path}:{node.lineno} imports {'.'.join(other)}"
            if other[0] != parts[0]:
                assert layer(LAYERS, other[0]) < layer(LAYERS, parts[0]), where
            elif len(other) == 1:
                assert parts[0] in BASES or parts[-1] == "__main__", where
            elif parts[1] != "__init__":
                assert layer(INSIDE[parts[0]], other[1]) < layer(INSIDE[parts[0]], parts[1]), where


@pytest.mark.parametrize(
    "code", ["import cabletag", "import sys; sys.argv = ['cabletag', '--help']; from cabletag.cli import main; main()"]
)
def test_light_paths_load_nothing_heavy(code):
    script = f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit:\n    pass\nprint('\\n'.join(m for m in sys.modules if '.' not in m), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stderr.split())


def test_exported_names_exist_and_are_documented():
    for name in cabletag.__all__:
        assert getattr(cabletag, name).__doc__

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
    {"assets", "extras", "writing"},
    {"codebook"},
    {
        "text",
        "manifest",
        "prediction",
        "corpus",
        "records",
        "ngrams",
        "results",
        "ahead",
        "inputs",
        "outputs",
        "runfolder",
    },
    {"readers"},
    {"rows"},
    {"encoders", "policy", "metrics", "overview", "sampling", "agreement"},
    {"explain"},
    {"tagger", "export", "charts", "annotate"},
    {"golden", "console", "train", "report", "parts"},
    {"prevalence", "gold", "measures", "batch"},
    {"tally", "evaluation", "result_tables", "progress", "distributed"},
    {"shares"},
    {"cli"},
]
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


def layer(module):
    return next(number for number, names in enumerate(LAYERS) if module in names)


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name != "__init__":
            yield pytest.param(path, name, id=str(path.relative_to(PACKAGE)))


@pytest.mark.parametrize(("path", "name"), modules())
def test_imports_point_down(path, name):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cabletag":
            parts = node.module.split(".")
            used = [parts[1]] if len(parts) > 1 else [a.name for a in node.names if a.name != "__version__"]
            for other in used:
                assert other == name or layer(other) < layer(name), f"{path}:{node.lineno} imports {other}"


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

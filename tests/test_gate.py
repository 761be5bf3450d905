import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("gate", Path(__file__).parents[1] / "benchmarks" / "gate.py")
gate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gate)


def entry(value, digest="d"):
    return {"test": {"sha256": digest, "floors": {"macro_f1": value}}}


def test_result_at_its_floor_passes():
    assert gate.problems(entry(0.5), entry(0.5)) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [(entry(0.4), "at least 0.5, found 0.4"), (entry(0.9, "other"), "another one"), ({}, "found none")],
)
def test_what_does_not_hold_is_named(found, said):
    assert said in gate.problems(entry(0.5), found)[0]


def test_raising_never_lowers():
    assert gate.raised(entry(0.5), entry(0.4)) == entry(0.5)
    assert gate.raised(entry(0.5), entry(0.6)) == entry(0.6)


def test_floor_of_another_set_is_not_kept():
    assert gate.raised(entry(0.5), entry(0.4, "new")) == entry(0.4, "new")

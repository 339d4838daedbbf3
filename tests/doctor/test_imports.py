"""The packages that a script needs."""

from __future__ import annotations

from pathlib import Path

from autofinetune.doctor.imports import Needed, needed_packages
from autofinetune.run.script_source import modules_of

TRAIN = """
import os, torch.nn, nni
from numpy import array
from . import sibling
try:
    import apex
except ImportError:
    apex = None
if array:
    import pandas
def f():
    import scipy, torch
class A:
    import keras
"""


def test_when_packages_are_needed(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    assert needed_packages(modules_of(["python3", "train.py"], str(tmp_path), {})) == {
        "torch": Needed.ALWAYS, "numpy": Needed.ALWAYS, "keras": Needed.ALWAYS,
        "apex": Needed.MAYBE, "pandas": Needed.LATER, "scipy": Needed.LATER,
    }  # fmt: skip

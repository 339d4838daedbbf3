"""A directory with a script and its hyperparameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from .helpers import HPARAM


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("")
    (tmp_path / "hparam.yaml").write_text(HPARAM)
    return tmp_path

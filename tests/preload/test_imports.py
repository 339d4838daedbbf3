"""Imports before the script; whole servers are in tests/executors/local/test_forks.py."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest

from autofinetune.adapters import layer
from autofinetune.preload import imports


@pytest.fixture(autouse=True)
def no_customization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "chain", lambda own: None)
    monkeypatch.setitem(sys.modules, "sitecustomize", sys)


def test_what_goes_wrong_is_told_with_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves_us.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    assert imports.import_all(["json", "json:dumps", "not_there?", "json:not_there?"]) == ""
    why = "not_there cannot be imported (ModuleNotFoundError: No module named 'not_there')"
    assert imports.import_all(["json", "not_there"]) == why
    assert "json:neither cannot be imported (" in imports.import_all(["json:neither"])
    why = "leaves_us cannot be imported (SystemExit: 3)"
    assert imports.import_all(["leaves_us"]) == why


def test_filters_of_the_script_hold_for_the_steps_behind_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "warns.py").write_text("import warnings\nwarnings.warn('noise', UserWarning)")
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        steps = ["warns", "!warnings.simplefilter('error', category=UserWarning)"]
        why = "warns cannot be imported (UserWarning: noise)"
        assert imports.import_all(steps[::-1]) == why
        steps.append("!warnings.filterwarnings('ignore', 'noise')")
        assert imports.import_all([steps[-1], "warns"]) == ""


def test_variables_hold_for_the_steps_behind_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reads_them.py").write_text(
        "import os\nseen = [os.environ[name] for name in ('ONE', 'TWO', 'THREE')]"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ONE", "1")
    monkeypatch.setenv("TWO", "2")
    monkeypatch.delenv("THREE", raising=False)
    before = dict(os.environ)
    steps = ["ONE=a", "ONE=b", "TWO?=c", "THREE?=d", "THREE?=e", "reads_them"]
    assert imports.import_all(steps) == ""
    assert sys.modules.pop("reads_them").seen == ["b", "2", "d"]
    assert dict(os.environ) == before

"""Arrays in files that trials share."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy
import pytest

import autofinetune as aft
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.arrays import Arrays, link


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_an_array_is_known_as_long_as_it_is_there(temporary: Path) -> None:
    array = aft.put(numpy.arange(12.0).reshape(3, 4))
    assert array[2, 3] == 11 and not array.flags.writeable
    (file,) = temporary.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    found = Arrays()
    assert found.reduced(array) is not None
    assert found.sizes == {file.name: file.stat().st_size}
    assert found.reduced(array[:2]) is None  # a part of it is sent by itself
    assert found.reduced(numpy.zeros(3)) is None
    link(file, temporary / "kept.npy")
    link(file, temporary / "kept.npy")
    del array, found
    gc.collect()
    assert [path.name for path in temporary.iterdir()] == ["kept.npy"]
    assert numpy.load(temporary / "kept.npy")[2, 3] == 11


def test_what_cannot_be_shared(temporary: Path) -> None:
    with pytest.raises(UsageError, match="takes a numpy array, not list"):
        aft.put([1, 2])
    with pytest.raises(UsageError, match=r"not of Python objects \(dtype object\)"):
        aft.put(numpy.array([1, None]))
    empty = numpy.zeros((0, 3))
    assert aft.put(empty) is empty
    temporary.rmdir()
    with pytest.raises(EnvironmentProblem, match="cannot be written to"):
        aft.put(numpy.ones(3))

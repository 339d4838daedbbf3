"""Runs from a store that anybody may have written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.pull import TRIES, pull
from autofinetune.store.contents import PART, PARTS, Contents, Stored, encode, manifest_name
from autofinetune.store.credentials import Secrets
from autofinetune.store.remote import Remote, StoreFailed


class Shelf(Remote):
    """A directory that can fail, a number of times or for good."""

    def __init__(self, root: Path) -> None:
        super().__init__(f"file://{root}", Secrets())
        self.failures = 0
        self.at_get: Callable[[str], None] = lambda name: None

    def get(self, name: str, most: int) -> bytes:
        if self.failures and name.startswith(PARTS):
            self.failures -= 1
            raise StoreFailed("reset by peer")
        self.at_get(name)
        return super().get(name, most)

    def fill(self, number: int = 1, **files: bytes) -> Contents:
        """Store files under their names with `/` as `__` and `.` as `_dot_`."""
        stored = {}
        for name, data in files.items():
            parts = [data[at : at + PART] for at in range(0, len(data), PART)]
            digests = tuple(hashlib.sha256(part).hexdigest() for part in parts)
            for digest, part in zip(digests, parts, strict=True):
                self.put(f"{PARTS}/{digest}", part)
            real = name.replace("__", "/").replace("_dot_", ".")
            stored[real] = Stored(len(data), digests)
        contents = Contents("run", 1.0, stored)
        self.put(manifest_name(number), encode(contents))
        return contents


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def bring(shelf: Shelf, directory: Path) -> int:
    return pull("store", lambda: shelf, directory, sleep=lambda seconds: None).fetched


def test_files_come_into_their_places(shelf: Shelf, tmp_path: Path) -> None:
    shelf.fill(run_dot_db=b"journal", best_model__a__w=b"same", best_model__b=b"same")
    assert bring(shelf, tmp_path / "back") == 11
    found = {str(p.relative_to(tmp_path / "back")) for p in (tmp_path / "back").rglob("*")}
    assert found == {"run.db", "best_model", "best_model/a", "best_model/a/w", "best_model/b",
                     "run.lock", "trials"}  # fmt: skip
    assert (tmp_path / "back/best_model/b").read_bytes() == b"same"
    with pytest.raises(EnvironmentProblem):  # what is there is a journal to others
        bring(shelf, tmp_path / "back")


def test_a_store_without_a_run_is_told(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="store holds no run of autofinetune"):
        bring(shelf, tmp_path / "back")
    shelf.fill(trials_dot_csv=b"no journal")
    with pytest.raises(UsageError, match="store holds no run of autofinetune"):
        bring(shelf, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_used_directory_is_left_alone(shelf: Shelf, tmp_path: Path) -> None:
    shelf.fill(run_dot_db=b"journal")
    (tmp_path / "back").mkdir(mode=0o700)
    (tmp_path / "back/trials.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"holds files of another run: trials.csv"):
        bring(shelf, tmp_path / "back")
    assert (tmp_path / "back/trials.csv").read_text() == "mine"


def test_some_failures_are_outlived_and_many_are_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.fill(run_dot_db=b"journal", trials_dot_csv=b"table")
    shelf.failures = TRIES - 1
    bring(shelf, tmp_path / "one")
    shelf.failures = TRIES
    with pytest.raises(EnvironmentProblem, match="store fails: reset by peer"):
        bring(shelf, tmp_path / "two")
    assert not (tmp_path / "two/run.db").exists()
    assert bring(shelf, tmp_path / "two") == 12


def test_it_goes_on_where_it_was_killed(shelf: Shelf, tmp_path: Path) -> None:
    model = os.urandom(PART) + b"end"
    shelf.fill(run_dot_db=b"journal", best_model__w=model)
    asked: list[str] = []

    def killed(name: str) -> None:
        asked.append(name)
        if sum(name.startswith(PARTS) for name in asked) == 2:
            raise KeyboardInterrupt

    shelf.at_get = killed
    with pytest.raises(KeyboardInterrupt):
        bring(shelf, tmp_path / "back")
    shelf.at_get = lambda name: None
    fetched = bring(shelf, tmp_path / "back")
    assert fetched in (3 + 7, len(model))  # whichever of the two came first
    assert (tmp_path / "back/best_model/w").read_bytes() == model
    assert not (tmp_path / "back/.pull").exists()


def test_a_part_that_differs_from_its_checksum_never_arrives(shelf: Shelf, tmp_path: Path) -> None:
    contents = shelf.fill(run_dot_db=b"journal")
    (digest,) = contents.files["run.db"].parts
    for data in (b"JOURNAL", b"journal and more", b""):
        (tmp_path / "shelf" / PARTS / digest).write_bytes(data)
        with pytest.raises(EnvironmentProblem, match="store fails: parts/"):
            bring(shelf, tmp_path / "back")
    assert not (tmp_path / "back/run.db").exists()


def test_a_newer_manifest_is_read_when_parts_go(shelf: Shelf, tmp_path: Path) -> None:
    old = shelf.fill(run_dot_db=b"old")

    def replaced(name: str) -> None:
        if name.startswith(PARTS) and name.endswith(old.files["run.db"].parts[0]):
            shelf.at_get = lambda name: None
            shelf.fill(2, run_dot_db=b"new")
            shelf.remove(name)

    shelf.at_get = replaced
    bring(shelf, tmp_path / "back")
    assert (tmp_path / "back/run.db").read_bytes() == b"new"


def test_parts_that_are_missing_for_good_are_told(shelf: Shelf, tmp_path: Path) -> None:
    contents = shelf.fill(run_dot_db=b"journal")
    shelf.remove(f"{PARTS}/{contents.files['run.db'].parts[0]}")
    with pytest.raises(EnvironmentProblem, match="store lacks parts of the run that it names"):
        bring(shelf, tmp_path / "back")


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "run.lock", "trials/0/spec.json"])
def test_a_name_outside_of_a_run_is_never_written(shelf: Shelf, tmp_path: Path, name: str) -> None:
    contents = shelf.fill(run_dot_db=b"journal")
    known: Any = json.loads(encode(contents))
    known["files"][name] = known["files"]["run.db"]
    shelf.put(manifest_name(1), json.dumps(known).encode())
    with pytest.raises(UsageError, match="store holds no run of autofinetune"):
        bring(shelf, tmp_path / "back")
    assert not list(tmp_path.rglob("*evil*"))


def test_a_run_that_does_not_fit_is_refused_before_it_is_fetched(
    shelf: Shelf, tmp_path: Path
) -> None:
    contents = shelf.fill(run_dot_db=b"journal")
    digests = contents.files["run.db"].parts * (1 << 18)
    huge = Contents("run", 1.0, {**contents.files, "best_model/w": Stored(PART << 18, digests)})
    shelf.put(manifest_name(2), encode(huge))
    with pytest.raises(EnvironmentProblem, match=r"the run needs 4.4 TB more, and .* are free"):
        bring(shelf, tmp_path / "back")

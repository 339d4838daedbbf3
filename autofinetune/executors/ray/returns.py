"""What comes back from a node: the model of a trial, and meanwhile what it has saved so far."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autofinetune.executors.base import Attempt
from autofinetune.executors.ray import trees
from autofinetune.executors.ray.client import Failed
from autofinetune.runner.files import EXIT, LOCK, REPORTS, SPEC, STARTED, STOP
from autofinetune.store.copying import remove_tree
from autofinetune.store.directory import Place, write_atomically
from autofinetune.store.paths import PARAMS

CHECKPOINT, _NEW = "checkpoint", "checkpoint.new"
RECORD = "ray.json"  # of the attempt, by its courier
PULL_S = 60.0  # the shortest interval at which what a running trial has saved is copied
_REST = 10.0  # and times as long as the last copy took
_NOT_RETURNED = {RECORD, SPEC, LOCK, STARTED, EXIT, REPORTS, STOP, PARAMS, "runner.log"}
Ask = Callable[..., "tuple[Any, bytes]"]


class Returns:
    """Copies files of one attempt.

    Args:
        out: the output directory, by the path that the attempt has.
        place: the directory of the attempt.
        ask: calls a method of the actor with a path in the output directory.
    """

    def __init__(self, attempt: Attempt, out: str, place: Place, ask: Ask) -> None:
        self._attempt = attempt
        self._out = out
        self._place = place
        self._ask = ask
        self._pulled: object = None
        self._pull_at = time.monotonic() + PULL_S

    def bring_back(self) -> None:
        """Copy the model, and what else is in the directory of the attempt."""
        if self._attempt.model:
            model = Path(self._attempt.model)
            place = Place(self._place.root, os.path.relpath(model.parent, self._out))
            self._receive(self._tree(model), place, model.name)
        directory = Path(self._attempt.directory)
        with self._place.opened() as here:
            for name, entry in trees.checked(self._tree(directory)).items():
                is_small = len(entry) == 3 and int(str(entry[1])) <= trees.PIECE
                if is_small and "/" not in name and name.partition(".tmp")[0] not in _NOT_RETURNED:
                    data = self._read(directory / name, 0, trees.PIECE)
                    write_atomically(here / name, data, 0o600)

    def _tree(self, path: Path) -> object:
        return self._ask("tree", os.path.relpath(path, self._out))[0]

    def _read(self, path: Path, at: int, count: int) -> bytes:
        return self._ask("read", os.path.relpath(path, self._out), at, count)[1]

    def _receive(self, tree: object, place: Place, name: str) -> None:
        model = Path(self._attempt.model)
        trees.receive(tree, place, name, lambda way, at, count: self._read(model / way, at, count))

    def pull_if_due(self) -> None:
        """Copy what the trial has saved so far, for the next attempt if this one is lost."""
        now = time.monotonic()
        if not self._attempt.model or now < self._pull_at:
            return
        model = Path(self._attempt.model)
        try:
            tree = self._tree(model)
            if tree and tree != self._pulled:
                self._receive(tree, self._place, _NEW)
                if self._tree(model) == tree:  # it was not written to meanwhile
                    with self._place.opened() as here:
                        remove_tree(here / CHECKPOINT)
                        (here / _NEW).rename(here / CHECKPOINT)
                    self._pulled = tree
        except (trees.Damaged, Failed, OSError):
            pass  # the next time, perhaps
        finally:
            ended = time.monotonic()
            self._pull_at = ended + max(PULL_S, _REST * (ended - now))

    def earlier_checkpoint(self) -> Path | None:
        """Return what the newest of the earlier attempts that were lost had saved."""
        own = Path(self._attempt.directory)
        for number in range(self._attempt.attempt - 1, 0, -1):
            found = own.with_name(f"attempt-{number}") / CHECKPOINT
            if found.is_dir() and not found.is_symlink():
                return found
        return None


def forget_checkpoint(here: Path) -> None:
    """Remove what was copied from an attempt that was not lost."""
    for name in (CHECKPOINT, _NEW, f".{_NEW}.partial"):
        remove_tree(here / name)


def as_object(text: str) -> dict[str, Any]:
    """Return an exit record as JSON, or raise Damaged."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise trees.Damaged("its exit record is none")
    return found

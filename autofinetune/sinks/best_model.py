"""Keep best_model/ equal to the model of the best trial: complete, or absent."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofinetune.core.events import Event
from autofinetune.core.state import State, Trial
from autofinetune.store.copying import copy_model, remove_tree
from autofinetune.store.directory import read_file, write_atomically
from autofinetune.store.paths import RunPaths

from .base import Sink

_CHUNK = 1 << 20
_OLD = ".best_model.old"


class BestModel(Sink):
    """Copies the model of a new best trial beside the old one and swaps the two by rename.

    best_model.json records the trial and the size and SHA-256 of every file. It is written before
    the swap, so an interrupted copy is detected and repeated. If the best trial saved no model,
    there is no best_model: it never belongs to another trial. Symbolic links to the model, or on
    the path to it, are not followed.

    A model may take gigabytes, so a thread copies it while the next trial is already training.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._wanted: Trial | None = None
        self._kept: int | None = None
        self._is_checked = False
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None  # of the thread

    @property
    def is_behind(self) -> bool:  # type: ignore[override]
        return self._thread is not None

    def handle(self, event: Event, state: State) -> None:
        pass  # only the state at the end of a batch matters

    def flush(self, state: State) -> None:
        self._wanted = state.best
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread, error, self._error = None, self._error, None
        if error is not None:
            raise error
        best = self._wanted
        if best is None or best.id == self._kept:
            return
        thread = threading.Thread(target=self._work, args=(best,), name="best_model")
        try:
            thread.start()
        except RuntimeError:  # the machine has no room for a thread
            self._bring_up_to_date(best)
        else:
            self._thread = thread

    def wait(self, seconds: float) -> bool:
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is not None

    def close(self) -> None:
        """Finish the copy, and make that of a trial that became the best meanwhile."""
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        if self._error is not None:
            raise self._error
        if self._wanted is not None and self._wanted.id != self._kept:
            self._bring_up_to_date(self._wanted)

    def _work(self, best: Trial) -> None:
        try:
            self._bring_up_to_date(best)
        except Exception as error:
            self._error = error

    def _bring_up_to_date(self, best: Trial) -> None:
        with self._paths.place.opened() as here:
            self._put(best, here)
        self._kept = best.id

    def _put(self, best: Trial, here: Path) -> None:
        if not self._is_checked:
            self._is_checked = True
            remove_tree(here / _OLD)  # left by a session that was killed during the swap
            if self._is_in_place(best, here):
                return
        if best.has_model:
            self._replace(best, here)
        else:
            self._remove(here)

    def _is_in_place(self, best: Trial, here: Path) -> bool:
        """Return whether an earlier session of the run has already copied this model."""
        kept = here / self._paths.best_model.name
        return bool(
            kept_trial(self._paths, here) == best.id
            and manifest_of(self._paths, here).get("files") == describe_files(kept)
        )

    def _replace(self, best: Trial, here: Path) -> None:
        fresh = here / ".best_model.new"
        remove_tree(fresh)
        model = self._paths.model(best.round, best.member)
        try:
            with self._paths.place_of(model).opened():  # raises if the path contains a link
                copy_model(model, fresh)
        except Exception:
            self._remove(here)  # better no model than that of another trial
            raise
        manifest = {
            "trial": best.id,
            "round": best.round,
            "member": best.member,
            "score": best.score,
            "params": dict(best.params),
            "files": describe_files(fresh),
        }
        text = json.dumps(manifest, indent=2) + "\n"
        write_atomically(here / self._paths.best_model_manifest.name, text.encode())
        self._set_aside(here)
        fresh.rename(here / self._paths.best_model.name)
        remove_tree(here / _OLD)

    def _remove(self, here: Path) -> None:
        self._set_aside(here)
        (here / self._paths.best_model_manifest.name).unlink(missing_ok=True)
        remove_tree(here / _OLD)

    def _set_aside(self, here: Path) -> None:
        remove_tree(here / _OLD)
        with contextlib.suppress(FileNotFoundError):
            (here / self._paths.best_model.name).rename(here / _OLD)


def manifest_of(paths: RunPaths, here: Path) -> Mapping[str, Any]:
    """Return the content of best_model.json in `here`, or {} if it cannot be read."""
    try:
        found = json.loads(read_file(here / paths.best_model_manifest.name))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def kept_trial(paths: RunPaths, here: Path) -> object:
    """Return the trial whose model is in best_model in `here`, or None without a model."""
    kept = here / paths.best_model.name
    is_there = kept.is_dir() and not kept.is_symlink()
    return manifest_of(paths, here).get("trial") if is_there else None


def describe_files(root: Path) -> dict[str, Any]:
    """Return size and SHA-256 of every regular file by relative path, in sorted order."""
    found: dict[str, Any] = {}
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            if path.is_file() and not path.is_symlink():
                name, digest = str(path.relative_to(root)), _digest(path)
                found[name] = {"size": path.stat().st_size, "sha256": digest}
    return dict(sorted(found.items()))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

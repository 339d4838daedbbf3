"""Keeps best_model/ equal to what the best trial saved: complete, or absent."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from autofinetune.copying import copy_model, remove_tree
from autofinetune.events import Event
from autofinetune.paths import RunPaths, write_atomically
from autofinetune.state import State, Trial

from .base import Sink

_CHUNK = 1 << 20


class BestModel(Sink):
    """Copies the model of a new best trial beside the old one and swaps the two by rename.

    best_model.json tells whose model it is, with size and SHA-256 of every file; it is written
    before the swap, so a copy that was interrupted is noticed and made again. When the best trial
    saved nothing there is no best_model: it never belongs to another trial.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._kept: int | None = None
        self._is_checked = False

    def handle(self, event: Event, state: State) -> None:
        pass  # only the state at the end of a batch matters

    def flush(self, state: State) -> None:
        best = state.best
        if best is None or best.id == self._kept:
            return
        if not self._is_checked:
            self._is_checked = True
            remove_tree(self._old)  # of a life that was killed in the middle of a swap
            if self._is_in_place(best):
                self._kept = best.id
                return
        if best.has_model:
            self._replace(best)
        else:
            self._remove()
        self._kept = best.id

    def _is_in_place(self, best: Trial) -> bool:
        """Whether an earlier life of the run has kept this model already."""
        try:
            manifest = json.loads(self._paths.best_model_manifest.read_bytes())
        except (OSError, ValueError):
            return False
        return bool(
            manifest.get("trial") == best.id
            and self._paths.best_model.is_dir()
            and manifest.get("files") == describe_files(self._paths.best_model)
        )

    def _replace(self, best: Trial) -> None:
        fresh = self._paths.root / ".best_model.new"
        remove_tree(fresh)
        try:
            copy_model(self._paths.model(best.round, best.member), fresh)
        except Exception:
            self._remove()  # rather none than that of another trial
            raise
        manifest = {
            "trial": best.id,
            "round": best.round,
            "member": best.member,
            "score": best.score,
            "params": dict(best.params),
            "files": describe_files(fresh),
        }
        write_atomically(
            self._paths.best_model_manifest, json.dumps(manifest, indent=2).encode() + b"\n"
        )
        self._set_aside()
        fresh.rename(self._paths.best_model)
        remove_tree(self._old)

    def _remove(self) -> None:
        self._set_aside()
        self._paths.best_model_manifest.unlink(missing_ok=True)
        remove_tree(self._old)

    @property
    def _old(self) -> Path:
        return self._paths.root / ".best_model.old"

    def _set_aside(self) -> None:
        remove_tree(self._old)
        if self._paths.best_model.exists():
            self._paths.best_model.rename(self._old)


def describe_files(root: Path) -> dict[str, Any]:
    """Relative path to size and SHA-256 of every regular file, in order of their paths."""
    found: dict[str, Any] = {}
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            if path.is_file() and not path.is_symlink():
                digest = _digest(path)
                found[str(path.relative_to(root))] = {
                    "size": path.stat().st_size,
                    "sha256": digest,
                }
    return dict(sorted(found.items()))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

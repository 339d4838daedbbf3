"""Runs recipes by Data-Juicer itself, in this process, on all of the data or on a share of it."""

from __future__ import annotations

import copy
import shutil
import zlib
from pathlib import Path
from typing import Any

from .objectives import Processed

_PARTS = 1_000_000


class Juicer:
    """A recipe that Data-Juicer has read.

    Args:
        recipe: the file of the recipe.
        export: where the processed data goes.
        scratch: a directory for logs and temporary files of Data-Juicer.
    """

    def __init__(self, recipe: Path, export: Path, scratch: Path) -> None:
        from data_juicer.config import init_configs

        words = ["--config", str(recipe), "--export_path", str(export)]
        words += ["--work_dir", str(scratch), "--temp_dir", str(scratch / "temporary")]
        self._config = init_configs([*words, "--use_cache", "false"])
        keys = self._config.text_keys
        self.text_key: str = keys[0] if isinstance(keys, list) else keys

    def run(self, share: float, export: Path) -> Processed:
        """Process a share of the samples, above 0 up to 1, and export the result to a file.

        The samples of a smaller share are among those of a larger one, and the same in all trials.
        """
        from data_juicer.core import DefaultExecutor

        export.parent.mkdir(parents=True, exist_ok=True)
        config = copy.deepcopy(self._config)
        config.export_path = str(export)
        executor = DefaultExecutor(config)
        # Again for each share: Data-Juicer removes the files of the data that it has processed.
        data = executor.dataset_builder.load_dataset(num_proc=config.get("np") or 1)
        if share < 1.0:
            data = data.select(chosen(len(data), share))
        before = len(data)
        found: Any = executor.run(dataset=data)

        def column(name: str) -> Any:
            return found[name]

        return Processed(export, column, before, len(found))


def chosen(count: int, share: float) -> list[int]:
    """Return the places of at least one of `count` samples, about a share of them."""
    limit = share * _PARTS
    places = [place for place in range(count) if _part(place) < limit]
    return places or [min(range(count), key=_part)] if count else []


def _part(place: int) -> int:
    """Return a number below `_PARTS` that depends on a sample's place alone."""
    return zlib.crc32(place.to_bytes(8, "little")) % _PARTS


def drop(export: Path) -> None:
    """Remove the exported data of a share, with its directory."""
    shutil.rmtree(export.parent, ignore_errors=True)

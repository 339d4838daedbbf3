"""Implementations by name, from this package and from other packages.

A package adds one through an entry point, for example in its setup.cfg:

    [options.entry_points]
    autofinetune.strategies =
        mine = my_package.search:MyStrategy
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from typing import Any


class PlugIns(Mapping[str, str]):
    """Mapping of names to places, `module:attribute`: our own, and entry points of a group.

    Other packages cannot replace our names.
    """

    def __init__(self, group: str, own: Mapping[str, str]) -> None:
        self.group = group
        self._own = own

    @functools.cached_property
    def _added(self) -> Mapping[str, str]:
        """The implementations in other packages; slow, so read only for names not in `own`."""
        from importlib.metadata import entry_points

        return {one.name: one.value for one in entry_points(group=self.group)}

    def __getitem__(self, name: str) -> str:
        return self._own[name] if name in self._own else self._added[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in self._added if name not in self._own)

    def __len__(self) -> int:
        return len({*self._own, *self._added})

    def load(self, name: str) -> Any:
        """Import the implementation called `name`, or raise KeyError."""
        module, _, attribute = self[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

"""Implementations by name: those of this package, and those that other packages add.

A package adds one by an entry point, for instance in its setup.cfg:

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
    """Name to place, `module:attribute`; an own name is never replaced.

    Args:
        group: of the entry points, such as `autofinetune.strategies`.
        own: the implementations of this package.
    """

    def __init__(self, group: str, own: Mapping[str, str]) -> None:
        self.group = group
        self._own = own

    @functools.cached_property
    def _added(self) -> Mapping[str, str]:
        """Those of other packages; looked for when a name is not ours, which takes a while."""
        from importlib.metadata import entry_points

        return {one.name: one.value for one in entry_points(group=self.group)}

    def __getitem__(self, name: str) -> str:
        return self._own[name] if name in self._own else self._added[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._own, **self._added})

    def __len__(self) -> int:
        return len({*self._own, *self._added})

    def load(self, name: str) -> Any:
        """Import the implementation called `name`.

        Raises:
            KeyError: there is none.
        """
        module, _, attribute = self[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

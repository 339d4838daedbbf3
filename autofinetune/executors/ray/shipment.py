"""What the attempts of a run need on a node, and their paths there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autofinetune.executors.base import Attempt
from autofinetune.executors.ray import actor, onnode
from autofinetune.executors.ray.trees import Content, Tree, replaced


@dataclass
class Shipment:
    """What all attempts of a run need on a node."""

    code: str  # the working directory
    python: str
    ranks: int
    resources: Mapping[str, Any]  # of an actor: num_gpus, num_cpus, resources
    members: int = 1  # actors of an attempt, each on a node of its own
    trees: Mapping[str, Tree] = field(default_factory=dict)  # `package` and `code`
    files: Mapping[str, Content] = field(default_factory=dict)

    def words(self, attempt: Attempt) -> dict[str, Any]:
        """Return an attempt as JSON, with names in the place of the paths of this machine."""
        names = {out_of(attempt): actor.OUT, self.code: actor.CODE, self.python: actor.PYTHON}
        found: dict[str, Any] = _named(onnode.as_json(attempt), names)
        return found


def out_of(attempt: Attempt) -> str:
    """Return the output directory, by the path that the attempt has."""
    return str(Path(attempt.directory).parents[2])


def _named(value: Any, names: Mapping[str, str]) -> Any:
    """Return JSON data with names in the place of paths, the longest first."""
    if isinstance(value, str):
        for path in sorted(names, key=len, reverse=True):
            value = replaced(value, path, names[path])
        return value
    if isinstance(value, Mapping):
        return {name: _named(one, names) for name, one in value.items()}
    return [_named(one, names) for one in value] if isinstance(value, list) else value

"""How many trials have room on the nodes of a cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WHOLE = ("GPU", "CPU")  # a node has a whole number of these for a trial on several nodes


@dataclass(frozen=True)
class Share:
    """What a trial needs: on so many nodes, from each of them `each`, by the names of nodes."""

    each: Mapping[str, float]
    members: int = 1

    def room(self, nodes: Sequence[Mapping[str, Any]], most: float = math.inf) -> int:
        """Return how many trials have room on these nodes, at most `most`."""
        fits = [
            int(min([most, *(node["resources"].get(name, 0) / need + 1e-9
                             for name, need in self.each.items())]))
            for node in nodes
        ]  # fmt: skip
        count = sum(fits) // self.members
        # A trial has at most one member on a node.
        while sum(min(one, count) for one in fits) < self.members * count:
            count -= 1
        return int(min(most, count))

    def __str__(self) -> str:
        words = ", ".join(f"{need:g} {name}" for name, need in self.each.items())
        return words if self.members == 1 else f"{words} on each of {self.members} nodes"


def shared(wanted: Mapping[str, float], ranks: int, nodes: Sequence[Mapping[str, Any]]) -> Share:
    """Return on how many nodes a trial runs: on one if it has room there, else on the fewest.

    Args:
        wanted: the resources of a trial.
        ranks: its processes, of which each node gets as many as the others.
    """
    for members in range(1, ranks + 1):
        each = {name: need / members for name, need in wanted.items()}
        is_even = ranks % members == 0 and all(
            members == 1 or each.get(name, 0.0).is_integer() for name in WHOLE
        )
        if is_even and Share(each, members).room(nodes, 1):
            return Share(each, members)
    return Share(wanted)

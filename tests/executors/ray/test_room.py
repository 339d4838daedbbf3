"""How many trials a cluster has room for, on one node each or on several."""

from __future__ import annotations

import math

import pytest

from autofinetune.executors.ray.room import Share, shared


def node(**resources: float) -> dict[str, object]:
    return {"node": "n", "resources": resources}


NODES = [node(CPU=4, GPU=2, a100=1), node(CPU=3), node()]


@pytest.mark.parametrize(
    ("each", "most", "count"),
    [
        ({"CPU": 1}, math.inf, 7),
        ({"CPU": 2}, math.inf, 3),
        ({"CPU": 1}, 5, 5),
        ({"GPU": 0.25}, math.inf, 8),
        ({"GPU": 0.1}, math.inf, 20),
        ({"GPU": 1, "a100": 1}, math.inf, 1),
        ({"tpu": 1}, math.inf, 0),
    ],
)
def test_there_is_room_for_as_many_as_the_nodes_can_hold(
    each: dict[str, float], most: float, count: int
) -> None:
    assert Share(each).room(NODES, most) == count


ALIKE = [node(CPU=4, GPU=2), node(CPU=4, GPU=2), node(CPU=4, GPU=1)]


@pytest.mark.parametrize(
    ("wanted", "ranks", "each", "members", "count"),
    [
        ({"GPU": 2}, 2, {"GPU": 2}, 1, 2),  # it has room on one
        ({"GPU": 4}, 4, {"GPU": 2}, 2, 1),
        ({"GPU": 3}, 3, {"GPU": 1}, 3, 1),
        ({"GPU": 4, "CPU": 2}, 4, {"GPU": 2, "CPU": 1}, 2, 1),
        ({"CPU": 6}, 2, {"CPU": 3}, 2, 1),  # a third member would be the only one
        ({"CPU": 6}, 6, {"CPU": 3}, 2, 1),
        ({"CPU": 6}, 1, {"CPU": 6}, 1, 0),
        ({"GPU": 4}, 2, {"GPU": 2}, 2, 1),
        ({"GPU": 6}, 6, {"GPU": 6}, 1, 0),  # no even share is on enough nodes
    ],
)
def test_a_trial_too_large_for_a_node_is_spread_evenly_over_the_fewest(
    wanted: dict[str, float], ranks: int, each: dict[str, float], members: int, count: int
) -> None:
    found = shared(wanted, ranks, ALIKE)
    assert found == Share(each, members)
    assert found.room(ALIKE) == count

"""Many faults in a row: each part of `benchmarks.torture`, as often as a change must pass.

F25 kills at random instants       F43 power cuts            F58 broken hparam.yaml
F26 kills at every durable step    F12 trees of processes    F44 broken reports
F40 five kills in a run            F61 a long run

The part that measures times, gaps, is left out: here tests run side by side. So is the one that
repeats the other tests of this folder.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.torture import long_runs, trees
from benchmarks.torture.parts import PARTS, Order, Part
from benchmarks.torture.pool import Bench
from benchmarks.torture.powercuts import mounted
from benchmarks.torture.rows import Outcome
from tests.nursery import Nursery

ORDER = Order(seed=0, jobs=1, is_quick=True)
MOMENTARY = 4  # threads and files of VisualDL's writers, which come and go
TIMES = ("too slow",)  # kinds of violations that depend on what else the machine does
NOT_HERE = ("gaps", "bare-trees", "repeats")


def units() -> Iterator[Any]:
    """Yield all pieces of each part."""
    parts = [part for part in PARTS if part.name not in NOT_HERE]
    for part in sorted(parts, key=lambda part: part.name != "soak"):  # it takes longest
        for number, unit in enumerate(part.units(part.quick, ORDER)):
            yield pytest.param(part, unit, id=f"{part.name}{number}")


def bare_units() -> Iterator[Any]:
    quick = next(part.quick for part in PARTS if part.name == "bare-trees")
    for unit in trees.units(quick, ORDER.seed):
        yield pytest.param(*unit)


@pytest.fixture
def bench(tmp_path: Path, nursery: Nursery) -> Bench:
    return Bench(tmp_path, nursery)


@pytest.fixture(scope="session")
def why_no_mount(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Why no image can be mounted here, or nothing."""
    root = tmp_path_factory.mktemp("image")
    image = root / "disk"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
        with mounted(image, root / "mount"):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        yield str(error)
    else:
        yield ""


def is_ours(outcome: Outcome, kind: str, text: str) -> bool:
    """Whether it is a violation whatever else the machine does and whenever it was looked at."""
    name = text.partition(":")[0]
    if kind == long_runs.LIMIT and name in ("threads", "descriptors"):
        early, late = outcome.samples[name]
        return late > early + MOMENTARY
    return kind not in TIMES


@pytest.mark.long
@pytest.mark.parametrize(("part", "unit"), list(units()))
def test_a_part(request: pytest.FixtureRequest, bench: Bench, part: Part, unit: Any) -> None:
    why_not = part.why_not()
    if not why_not and part.name == "powercuts":
        why_not = request.getfixturevalue("why_no_mount")
    if why_not:
        pytest.skip(why_not)
    outcome = part.work(bench, unit)
    assert [text for kind, text in outcome.violations if is_ours(outcome, kind, text)] == []
    assert outcome.done.total() > 0


@pytest.mark.long
@pytest.mark.parametrize(("seed", "count"), list(bare_units()))
def test_trees_without_control_groups(bench: Bench, seed: int, count: int) -> None:
    if why_not := trees.why_cgroups_stay():
        pytest.skip(why_not)
    words = ["--only=bare-trees", f"--bare-trees={count}", f"--seed={seed}"]
    row = trees.without_cgroups(words)
    if row is None:  # there are none in any case
        assert trees.tree_kills(bench, (seed, count)).violations == []
        return
    if row.get("skipped"):
        pytest.skip(row["skipped"])
    assert row["examples"] == []
    assert row["done"].startswith(f"{count} trees")

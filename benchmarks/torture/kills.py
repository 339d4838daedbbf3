"""Tuners are killed: at random instants, at every durable step, five times in every run."""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Callable, Sequence

from autofinetune.strategies import STRATEGIES
from tests.faults.harness import STEPS, FaultRun, Life, Tally, kill_at_step, wait_until

from .pool import SEARCHES, Bench, outcome_of, shares
from .rows import Outcome

KILLS_PER_UNIT = 10
STRIDE = 4
SCHEDULES = ("async", "round")
_PATIENCE = 2  # so many runs of a stride must have come to their end without meeting the call


# --- at random instants -------------------------------------------------------------------------


def random_units(count: int, seed: int) -> list[tuple[int, int]]:
    return [(seed + n, kills) for n, kills in enumerate(shares(count, KILLS_PER_UNIT))]


def kill_at_random_instants(bench: Bench, unit: tuple[int, int]) -> Outcome:
    """Kill, resume and kill again until the run is over, run after run."""
    seed, kills = unit
    rng = random.Random(seed)
    total = Outcome()
    while total.done["kills"] < kills:
        kind = seed + total.done["runs"]
        strategy = SEARCHES[kind % len(SEARCHES)]
        schedule = SCHEDULES[kind // len(SEARCHES) % len(SCHEDULES)]
        run = bench.run(strategy=strategy, schedule=schedule, seed=rng.randrange(2**31), rounds=3)
        run.plan({"*": {"seconds": 0.05}})
        total.add(_kill_until_over(run, kills - total.done["kills"], rng, f"unit {seed}"))
    return total


def _kill_until_over(run: FaultRun, most: int, rng: random.Random, where: str) -> Outcome:
    tally = Tally()
    early = 0
    with contextlib.closing(run):
        code: int | None = None
        while code is None and tally.faults < most:
            said = len(run.console)
            life = run.start()
            if rng.random() < 0.75:  # the others meet it while it starts
                wait_for(life, lambda n=said: len(run.console) > n)  # type: ignore[misc]
            try:
                code = life.wait(rng.uniform(0.0, 0.5))
            except subprocess.TimeoutExpired:
                run.kill(life)
                tally.faults += 1
                if run.holds_run():
                    tally.check(run, f"{where} kill {tally.faults}", is_over=False)
                else:  # it is begun anew, in the directory as it is
                    early += 1
                    if run.lines("acked"):
                        tally.violations.append(f"{where}: I1 the journal is gone")
        tally.finish(run, where)
    outcome = outcome_of(tally, "kills")
    outcome.done["early"] += early
    return outcome


# --- at every durable step ----------------------------------------------------------------------


def step_units(
    strategies: Sequence[str], most: int, seed: int
) -> list[tuple[str, str, int, int, int]]:
    return [
        (strategy, step, first, most, seed)
        for strategy in strategies
        for step in STEPS
        for first in range(1, min(most, STRIDE) + 1)
    ]


def kill_at_steps(bench: Bench, unit: tuple[str, str, int, int, int]) -> Outcome:
    """Kill at every so manyth call until runs come to their end without meeting it."""
    strategy, step, nth, most, seed = unit
    total = Outcome()
    unmet = 0
    while unmet < _PATIENCE and nth <= most:
        run = bench.run(strategy=strategy, seed=seed)
        tally = kill_at_step(run, step, nth)
        unmet = 0 if tally.faults else unmet + 1
        total.add(outcome_of(tally, step))
        nth += STRIDE
    return total


# --- five times in every run --------------------------------------------------------------------


def table_units(count: int, seed: int) -> list[tuple[str, int]]:
    """Two strategies for each seed, all of them in turn."""
    searches = sorted(STRATEGIES.keys() - {"batch"})  # which tries what a list of its own names
    return [
        (searches[(2 * n + k) % len(searches)], seed + n) for n in range(count) for k in (0, 1)
    ]


def five_kills(bench: Bench, unit: tuple[str, int]) -> Outcome:
    """Five kills, each when so many of the nine trials have acknowledged their result."""
    strategy, seed = unit
    run = bench.run(strategy=strategy, seed=seed, popsize=3, rounds=3)
    tally = Tally()
    with contextlib.closing(run):
        for count in sorted(random.Random(seed).sample(range(1, 9), 5)):
            life = run.start()
            wait_for(life, lambda c=count: len(run.lines("acked")) >= c)  # type: ignore[misc]
            if is_over(life):
                break  # `finish` tells whether it may be
            run.kill(life)
            tally.faults += 1
            tally.check(run, f"{strategy} {seed} after {count} results", is_over=False)
        tally.finish(run, f"{strategy} {seed}")
    return outcome_of(tally, "kills")


def wait_for(life: Life, condition: Callable[[], bool]) -> None:
    """Until it holds, or the tuner has ended without it."""
    wait_until(lambda: condition() or is_over(life))


def is_over(life: Life) -> bool:
    try:
        life.wait(0.0)
    except subprocess.TimeoutExpired:
        return False
    return True

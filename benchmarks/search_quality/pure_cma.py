"""Is the CMA-ES in HAZero intact? HAZero with its surrogate off against the plain package `cma`.

    python -m benchmarks.search_quality bbob

Five functions in 5 and 10 dimensions, 15 instances of each, which differ in optimum,
rotation and seed; 100 x dimension evaluations; both have `cma`'s default population size. `cma`
starts at the initial values with a step size of a quarter of each range and is not stopped early.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from autofinetune.strategies import create_strategy

from .synthetic import Problem

FUNCTIONS = ("sphere", "ellipsoid", "rosenbrock", "rastrigin", "different_powers")
DIMS = (5, 10)
INSTANCES = 15
BUDGET = 100  # times the dimension
_PURE: dict[str, Any] = {"options": {"surrogate": "off"}}
FLOOR = 1e-8  # COCO's target: smaller losses count as this


def run() -> dict[str, dict[str, list[float]]]:
    """Compare; the losses, {function-dim: {method: [loss, ...]}}."""
    found: dict[str, dict[str, list[float]]] = {}
    for dim in DIMS:
        popsize = 4 + int(3 * math.log(dim))
        for function in FUNCTIONS:
            problems = [Problem(function, dim, False, i) for i in range(1, INSTANCES + 1)]
            found[f"{function}-{dim}"] = {
                "hazero": [_hazero(problem, popsize) for problem in problems],
                "cma": [_cma(problem, popsize) for problem in problems],
            }
            print(lines({f"{function}-{dim}": found[f"{function}-{dim}"]})[-1], flush=True)
    return found


def lines(found: dict[str, dict[str, list[float]]]) -> list[str]:
    """A Markdown table: medians of log10 loss, wins, and how likely so bad a result is by chance
    when hazero is as good (one-sided Wilcoxon test)."""
    rows = [
        "| function | hazero, median log10 loss | cma | hazero won | p (hazero is worse) |",
        "|---|---|---|---|---|",
    ]
    everything = []
    for name, losses in found.items():
        ours, theirs = (np.log10(np.maximum(losses[m], FLOOR)) for m in ("hazero", "cma"))
        everything += (ours - theirs).tolist()
        won, of = int((ours < theirs).sum()), int((ours != theirs).sum())
        rows.append(
            f"| {name} | {np.median(ours):.2f} | {np.median(theirs):.2f} | {won} of {of} "
            f"| {_p_worse(ours - theirs):.3f} |"
        )
    all_ = np.array(everything)
    rows.append(
        f"| all | mean difference {all_.mean():+.3f} | | {int((all_ < 0).sum())} of "
        f"{int((all_ != 0).sum())} | {_p_worse(all_):.3f} |"
    )
    return rows if len(found) > 1 else rows[:-1]


def _p_worse(difference: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    from scipy.stats import wilcoxon

    if not difference.any():
        return 1.0
    return float(wilcoxon(difference, alternative="greater").pvalue)


def _hazero(problem: Problem, popsize: int) -> float:
    seed = problem.instance
    strategy = create_strategy("hazero", problem.space, popsize=popsize, seed=seed, **_PURE)
    losses: list[float] = []
    while len(losses) < BUDGET * problem.dim:
        for candidate in strategy.ask(popsize):
            losses.append(-problem.score(candidate.params))
            strategy.tell(candidate, -losses[-1])
    return min(losses[: BUDGET * problem.dim])


def _cma(problem: Problem, popsize: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing matplotlib
        import cma

    options = {
        "bounds": [0.0, 1.0],
        "popsize": popsize,
        "verbose": -9,
        "seed": problem.instance,
    }
    evolution: Any = cma.CMAEvolutionStrategy(list(problem.space.init_point), 0.25, options)
    losses: list[float] = []
    while len(losses) < BUDGET * problem.dim:
        points = evolution.ask()
        values = [-problem.score(problem.space.decode(point)) for point in points]
        evolution.tell(points, values)
        losses += values
    return min(losses[: BUDGET * problem.dim])

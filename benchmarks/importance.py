"""How well does the report tell the importance of hyperparameters, compared with optuna's fANOVA?

    python -m benchmarks.importance [--repeats 5] [--functions additive]

It needs optuna and scikit-learn. Both get the same random trials of functions whose first-order
importance is known exactly. Quoted is the mean absolute error of the shares over parameters and
repeats, and how often the 90 % interval of the report holds the exact share, give or take a
hundredth.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from autofinetune.core.state import State
from autofinetune.core.status import Direction, Status
from autofinetune.core.trials import Trial
from autofinetune.report.model import surrogate_of
from autofinetune.space import Space, load_space

Array = NDArray[np.float64]
NEAR = 0.01  # of a share: the parts into which a range is divided allow no more
Task = tuple[Callable[[Array], Array], list[float]]


def additive(u: Array) -> Array:
    """A sum of lines and parabolas; the last parameter has no effect."""
    return np.asarray(3.0 * u[:, 0] + 4.0 * (u[:, 1] - 0.5) ** 2 + u[:, 2] + 0.0 * u[:, 3])


def ishigami(u: Array) -> Array:
    """A standard of sensitivity analysis: the third parameter acts only in an interaction."""
    x = (2.0 * u - 1.0) * math.pi
    return np.asarray(
        np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    )


_G = np.array([0.0, 1.0, 4.5, 9.0, 99.0, 99.0])


def sobol_g(u: Array) -> Array:
    """Sobol's g function of six parameters, which are less and less important."""
    return np.asarray(((np.abs(4.0 * u - 2.0) + _G) / (1.0 + _G)).prod(axis=1))


def tasks() -> dict[str, Task]:
    """Return the functions with the exact first-order shares of their parameters."""
    lines = np.array([9.0 / 12.0, 16.0 / 180.0, 1.0 / 12.0, 0.0])
    parts = (1.0 / 3.0) / (1.0 + _G) ** 2
    whole = np.prod(1.0 + parts) - 1.0
    return {
        "additive": (additive, (lines / lines.sum()).tolist()),
        "ishigami": (ishigami, [0.31391, 0.44241, 0.0]),
        "sobol_g": (sobol_g, (parts / whole).tolist()),
    }


def space_of(dim: int) -> Space:
    one = {"type": "float", "init_value": 0.5, "greater_than": 0.0, "lower_than": 1.0}
    return load_space({"param_list": [{"name": f"x{n}", **one} for n in range(dim)]})


def state_of(space: Space, points: Array, scores: Sequence[float]) -> State:
    """Return a state in which these trials have completed."""
    state = State(Direction.MAXIMIZE)
    for number, (point, score) in enumerate(zip(points, scores, strict=True)):
        state.trials[number] = Trial(
            number, number, 0, space.decode(point), None, Status.COMPLETED, 1, score=score
        )
    return state


def of_optuna(points: Array, scores: Sequence[float], seed: int) -> list[float]:
    """Return the shares of optuna's fANOVA, which are normalized to a sum of 1."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = [f"x{n}" for n in range(points.shape[1])]
    ranges: dict[str, optuna.distributions.BaseDistribution]
    ranges = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in names}
    study = optuna.create_study(direction="maximize")
    for point, score in zip(points, scores, strict=True):
        values = dict(zip(names, map(float, point), strict=True))
        study.add_trial(
            optuna.trial.create_trial(params=values, distributions=ranges, value=float(score))
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=True)
    return [found[name] for name in names]


def compared(task: Task, trials: int, noise: float, seed: int) -> tuple[Array, Array, float]:
    """Return both vectors of errors in normalized shares, and how often the interval is right."""
    function, exact = task
    rng = np.random.default_rng(seed)
    points = rng.random((trials, len(exact)))
    values = function(points)
    values = values + noise * values.std() * rng.standard_normal(trials)
    space = space_of(len(exact))
    found = surrogate_of(state_of(space, points, values.tolist()), space)["importance"]
    shares, wanted = np.array(found["main"]), np.array(exact)
    other = np.array(of_optuna(points, values.tolist(), seed))
    low, high = np.array(found["low"]), np.array(found["high"])
    holds = float(np.mean((low <= wanted + NEAR) & (wanted - NEAR <= high)))
    normal = wanted / wanted.sum()
    return np.abs(shares / shares.sum() - normal), np.abs(other - normal), holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--functions", nargs="+", choices=[*tasks()], default=[*tasks()])
    options = parser.parse_args()
    repeats = options.repeats
    print("| function | trials | noise | error here | error of optuna | intervals that hold |")
    print("|---|---|---|---|---|---|")
    for name in options.functions:
        task = tasks()[name]
        for trials, noise in ((30, 0.0), (30, 0.2), (120, 0.0), (120, 0.2)):
            ours, theirs, holds = zip(
                *(compared(task, trials, noise, seed) for seed in range(repeats)), strict=True
            )
            print(
                f"| {name} | {trials} | {noise:.0%} | {np.mean(ours):.3f} "
                f"| {np.mean(theirs):.3f} | {np.mean(holds):.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""What was found, method by method: a table, and the curves of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.fewer_epochs.curves import Problem
from benchmarks.fewer_epochs.results import TRIALS, Key
from benchmarks.fewer_epochs.simulate import Found
from benchmarks.search_quality import metrics

Array = NDArray[np.float64]
SHARES = (0.1, 0.2, 1 / 3, 0.5, 1.0)
WHOLE = "pshe2"  # with whole trainings, to which all others are compared
_FEW = 10  # problems that are told apart
MOST = 0.5  # searches with an assessor get so much


class Compared:
    """The methods that have every problem and seed; of searches with these slots and noise."""

    def __init__(
        self,
        found: Mapping[Key, Found],
        problems: Mapping[str, Problem],
        seeds: int,
        slots: int,
        noise: float,
    ) -> None:
        self._found = {
            (key.method, key.problem, key.seed): one
            for key, one in found.items()
            if (key.slots, key.noise) == (slots, noise)
        }
        self._problems = problems
        self._seeds = range(seeds)
        self.what = f"{len(problems)} problems x {seeds} seeds, {slots} slots, noise {noise:g}"
        every = dict.fromkeys(method for method, _, _ in self._found)
        self.methods = [method for method in every if self._is_whole(method)]

    def _is_whole(self, method: str) -> bool:
        keys = ((method, name, seed) for name in self._problems for seed in self._seeds)
        return all(key in self._found for key in keys)

    def regrets(self, method: str, shares: Sequence[float]) -> Array:
        """Return the regret when so many epochs are spent, `(problems, seeds, shares)`.

        NaN beyond what a search gets.
        """
        most = MOST if "+" in method else 1.0

        def one(name: str, seed: int) -> list[float]:
            problem, found = self._problems[name], self._found[method, name, seed]
            whole = problem.length * TRIALS
            return [
                found.regret(problem, whole * share) if share <= most else np.nan
                for share in shares
            ]

        return np.array([[one(name, seed) for seed in self._seeds] for name in self._problems])

    def table(self) -> str:
        """Mean regrets, and differences to whole trainings with their intervals."""
        lines = [
            self.what,
            "method | " + " | ".join(f"{share:.0%}" for share in SHARES)
            + f" | at a third - {WHOLE} at 100 % | at half - {WHOLE} at 100 %"
            " | trials, complete in the end | ms a trial",
        ]  # fmt: skip
        for method in self.methods:
            means = self.regrets(method, SHARES).mean(axis=(0, 1))
            cells = ["" if np.isnan(mean) else f"{mean:.3f}" for mean in means]
            for share in (1 / 3, 0.5) if WHOLE in self.methods else ():
                apart = self.regrets(method, [share]) - self.regrets(WHOLE, [1.0])
                low, high = metrics.bootstrap(apart[..., 0])
                cells.append(f"{apart.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
            own = [self._found[method, name, seed]
                   for name in self._problems for seed in self._seeds]  # fmt: skip
            cells.append(f"{np.mean([one.trials for one in own]):.0f}, "
                         f"{np.mean([len(one.spent) for one in own]):.0f}")  # fmt: skip
            cells.append(f"{np.mean([1e3 * one.seconds / one.trials for one in own]):.0f}")
            lines.append(f"{method} | " + " | ".join(cells))
        return "\n".join([*lines, *self._apart()])

    def _apart(self) -> Iterator[str]:
        """Yield a table of the regrets at a third, problem by problem, if they are few."""
        if not 1 < len(self._problems) <= _FEW:
            return
        yield "at a third | " + " | ".join(name.partition("/")[2] for name in self._problems)
        for method in self.methods:
            means = self.regrets(method, [1 / 3]).mean(axis=(1, 2))
            yield f"{method} | " + " | ".join(f"{mean:.3f}" for mean in means)

"""A strategy that follows a study: its trials were restored, and their results told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autofinetune.core.status import Direction
from autofinetune.run.optuna_study import Outcomes
from autofinetune.strategies import Candidate, create_strategy, strategy_class

from .space import StudySpace


class Follower:
    """A strategy and how far it has followed a study.

    Following the trials one by one and all of them at once give the same strategy, unless trials
    ran at the same time, whose order then differs.
    """

    def __init__(
        self,
        name: str,
        space: StudySpace,
        direction: Direction,
        *,
        popsize: int,
        seed: int,
        options: Mapping[str, object],
    ) -> None:
        self.space = space
        # A finite space that is used up goes on with repeats. Optuna's trials do not continue each
        # other, so that a population repeats nothing for that purpose.
        repeats = space.space.size is not None or not strategy_class(name).names_parents
        self._strategy = create_strategy(
            name, space.space, popsize=popsize, seed=seed, allow_repeats=repeats, options=options
        )
        self._outcomes = Outcomes(direction)
        self._rounds = [0] * popsize  # candidates of each member
        # By trial, those whose result is not told, with the trial of which they were made, if any.
        self._open: dict[int, tuple[Candidate, Any]] = {}
        self.followed: set[int] = set()
        """The numbers of the trials that the strategy knows."""

    def follow(self, trials: Sequence[Any]) -> bool:
        """Learn what is new in the trials of the study, in order of their numbers.

        Return False, for starting again with another Follower, if a trial is not what it was.
        """
        numbered = {trial.number: trial for trial in trials}
        if not self.followed <= numbered.keys():
            return False
        for trial in trials:
            if trial.number in self.followed:
                continue
            point = self.space.point(trial)
            if point is not None:
                if not self._tell(numbered, trial.datetime_start):
                    return False
                self._restore(trial, point)
        return self._tell(numbered)

    def ask(self, number: int) -> Candidate | None:
        """Choose the candidate of trial `number`; None if the strategy waits for results.

        Raise Exhausted if there is none.
        """
        for candidate in self._strategy.ask(1):
            self._take(number, candidate, None)
            return candidate
        return None

    def _restore(self, trial: Any, point: tuple[float, ...]) -> None:
        busy = {candidate.member for candidate, _ in self._open.values()}
        everyone = range(len(self._rounds))
        free = [member for member in everyone if member not in busy] or everyone
        member = min(free, key=lambda member: self._rounds[member])
        params = self.space.space.decode(point)
        candidate = Candidate(sum(self._rounds), self._rounds[member], member, point, params)
        self._strategy.restore(candidate)
        self._take(trial.number, candidate, trial)

    def _take(self, number: int, candidate: Candidate, trial: Any) -> None:
        self._rounds[candidate.member] += 1
        self._open[number] = candidate, trial
        self.followed.add(number)

    def _tell(self, trials: Mapping[int, Any], until: Any = None) -> bool:
        """Tell the results of trials that ended, if given until some time, in that order."""
        ended = [trials[number] for number in self._open if trials[number].state.is_finished()]
        if until is not None:
            ended = [trial for trial in ended if trial.datetime_complete <= until]
        for trial in sorted(ended, key=lambda trial: (trial.datetime_complete, trial.number)):
            candidate, known = self._open.pop(trial.number)
            if trial is not known and self.space.point(trial) != candidate.point:
                return False
            self._strategy.tell(candidate, self._outcomes.end(trial))
        return True

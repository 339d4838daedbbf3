"""The candidates of a run: what the strategy is asked for and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autofinetune.config.config import Config
from autofinetune.core.events import (
    ConfigurationsEnqueued,
    Event,
    TrialCreated,
    TrialEnded,
    TrialsImported,
)
from autofinetune.core.judgement import Judgement
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.errors import EnvironmentProblem
from autofinetune.strategies import Candidate, Exhausted, Known, Strategy

SLOW_S = 0.1  # if asking takes longer, observations are recorded first
AHEAD = 0.01  # of a trial's time: if asking takes longer, the next candidate is asked ahead


class Candidates:
    """Asks the strategy, and remembers its candidates until their trials end.

    `can_ask` says whether it can give candidates without further results, `exhausted` whether it
    reported that the space is used up.
    """

    def __init__(self, strategy: Strategy, config: Config, monotonic: Callable[[], float]) -> None:
        self._strategy = strategy
        self._config = config
        self._monotonic = monotonic
        self._open: dict[int, Candidate] = {}
        self._seconds_each = 0.0  # in the last ask
        self.can_ask = True
        self.exhausted = False

    @property
    def is_slow(self) -> bool:
        """Whether what is known should be recorded before the strategy is asked."""
        return self._seconds_each > SLOW_S

    def ask(self, count: int) -> Sequence[Candidate]:
        """Return at most `count` new candidates."""
        began = self._monotonic()
        try:
            found = self._strategy.ask(count)
        except Exhausted:
            self.exhausted = True
            return ()
        self.can_ask = bool(found)
        self._seconds_each = (self._monotonic() - began) / max(1, len(found))
        self._open |= {candidate.id: candidate for candidate in found}
        return found

    def replay(self, event: Event, state: State) -> None:
        """Repeat what an event of the journal meant to the strategy; `state` includes it."""
        if isinstance(event, TrialCreated):
            self.restore(event)
        elif isinstance(event, TrialEnded):
            trial = state.trials[event.trial]
            self.tell(trial, state.told(trial))
        else:
            self.take(event)

    def take(self, event: Event) -> None:
        """Pass on what a user gave the search, now or before a restart."""
        if isinstance(event, ConfigurationsEnqueued):
            self._strategy.enqueue(event.configurations)
        elif isinstance(event, TrialsImported):
            self._strategy.remember([Known(one["params"], one["merit"]) for one in event.trials])
        else:
            return
        self.can_ask, self.exhausted = True, False

    def set_rounds(self, rounds: int) -> None:
        self._strategy.set_rounds(rounds)
        self.can_ask, self.exhausted = True, False

    def restore(self, event: TrialCreated) -> None:
        """Repeat an ask from the journal; raise EnvironmentProblem if it does not fit."""
        candidate = Candidate(
            event.trial, event.round, event.member, event.point, event.params, event.parent
        )
        dim = self._config.space.dim
        try:
            if len(event.point) != dim or not all(0.0 <= x <= 1.0 for x in event.point):
                raise ValueError(f"its point is not one of the space, which has {dim} dimensions")
            self._strategy.restore(candidate)
        except ValueError as error:
            raise EnvironmentProblem(
                f"trial {event.trial} of the journal does not fit the strategy "
                f"{self._config.tuning_strategy}: {error}",
                "resume with the version of autofinetune that started the run",
            ) from None
        self._open[event.trial] = candidate

    def tell(self, trial: Trial, merit: float | None) -> None:
        """Tell the strategy how a trial ended; `merit` is None if it has no score."""
        candidate = self._open.pop(trial.id)
        if trial.has_model and trial.status is Status.COMPLETED:  # else it is incomplete
            self._strategy.model_saved(candidate)
        if trial.status is Status.STOPPED and merit is not None:
            self._strategy.stopped(candidate)
        self._strategy.tell(candidate, merit)
        self.can_ask = True

    # --- what the strategy makes of reports, see `core.judgement.Judge` -------------------------

    def announce(self, length: int) -> None:
        self._strategy.announce(length)

    def report(self, trial: int, position: int, merit: float) -> None:
        self._strategy.report(self._open[trial], position, merit)

    def judge(self, trial: int) -> Judgement | None:
        return self._strategy.judge(self._open[trial])

    def expected(self, trial: int) -> float | None:
        return self._strategy.expected(self._open[trial])

    def is_worth_asking_ahead(self, state: State) -> bool:
        """Return whether the next free slot would wait long for its candidate.

        A candidate that is asked now ignores the results of running trials. So if asking is fast
        compared with training, it is done at the last moment.
        """
        if not state.ended or state.queued or not self.can_ask or self.exhausted:
            return False
        return self._seconds_each > AHEAD * state.busy_seconds / state.ended

    def are_used_up(self, state: State) -> bool:
        """Return whether nothing is left to try; a candidate that is found is dropped."""
        if state.queued or not self.can_ask:
            return False
        try:
            self._strategy.ask(1)
        except Exhausted:
            return True
        return False

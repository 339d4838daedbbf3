"""The main loop of a run: ask the scheduler what is due, do it, and record what happened.

Every change goes through `_record`: first the journal (durable), then the state. Observations and
new candidates are held back and recorded with the attempts that follow. `_show` passes events to
the sinks after everything that is due has been started.
To resume, the journal is folded and the strategy repeats its asks and tells.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

from autofinetune.assessors import Assessor
from autofinetune.config.config import Config
from autofinetune.config.described import describe
from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    Event,
    RunContinued,
    RunCreated,
    RunEnded,
    RunResumed,
    StopRequested,
    TrialCreated,
    TrialEnded,
    UserEvent,
)
from autofinetune.core.run_state import ERROR, EXHAUSTED, INTERRUPTED, TIMEOUT
from autofinetune.core.scheduler import Action, Ask, Finish, Launch, plan
from autofinetune.core.slot import Slot
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.errors import AutofinetuneError, DiskFull
from autofinetune.evaluators import Commands, Evaluator
from autofinetune.executors import Executor, JobState, Key, Observation, Slots
from autofinetune.run.attempts import make_attempt, make_empty
from autofinetune.run.candidates import Candidates
from autofinetune.run.control import Control
from autofinetune.run.endings import Endings
from autofinetune.run.limits import Limits
from autofinetune.run.models import removed_models
from autofinetune.run.notices import Notices
from autofinetune.run.reports import Reports
from autofinetune.run.requests import STOP
from autofinetune.run.stopping import Stopping
from autofinetune.run.whereabouts import Whereabouts
from autofinetune.sinks import SinkGuard
from autofinetune.store.journal import Journal
from autofinetune.store.paths import RunPaths
from autofinetune.strategies import Strategy
from autofinetune.version import __version__
from autofinetune.world import TRANSIENT, World

POLL_S = 1.0  # interval of checks for reports and free space while no trial ends
RETRY_S = 1.0  # pause before a failed write is retried
T = TypeVar("T")
_PAUSED = "paused: {}; the run continues once this is resolved"


class Tuner:
    """Runs the trials of one run to the end.

    The `journal` has events if the run is resumed; they are replayed into the new `strategy`.
    """

    def __init__(
        self,
        config: Config,
        paths: RunPaths,
        journal: Journal,
        strategy: Strategy,
        evaluator: Evaluator,
        executor: Executor,
        sinks: SinkGuard,
        world: World,
        assessor: Assessor | None = None,
        control: Control | None = None,
    ) -> None:
        self.config = config
        self.paths = paths
        self.state = State(config.direction)
        self._journal = journal
        self._candidates = Candidates(strategy, config, lambda: self._world.monotonic())
        self._evaluator = evaluator
        self._commands = Commands(config, paths)
        self._executor = executor
        self._sinks = sinks
        self._world = world
        self._now = world.now
        self._limits = Limits(config, self.state, world.monotonic)
        self._stopping = Stopping(assessor, config.direction, self._candidates)
        self._reports = Reports(config.direction, self._stopping, world.now, self._notice)
        self._endings = Endings(
            config.safety,
            config.scoring,
            paths,
            self.state,
            lambda: self._executor.slots(),
            self._stopping,
            world.now,
        )
        self._stop_deadlines: dict[Key, float] = {}
        self._is_begun = False
        self._held: list[Event] = []  # folded, to be recorded with the next events
        self._unshown: list[Event] = []
        self._to_submit: list[int] = []
        self._interrupts = 0
        self._cancelled = 0
        self._notices = Notices(self._notice, sinks.obstacles)
        self._whereabouts = Whereabouts(paths, self._notice)
        self._control = control

    def _notice(self, sentence: str) -> None:
        self._world.notice(sentence)

    @property
    def interrupted(self) -> bool:
        """Whether the user asked to stop."""
        return self._interrupts > 0

    def stop(self, *, now: bool) -> None:
        """Start no more trials; with `now`, also end running ones, and at the next call kill them.

        Call it between two steps of the loop.
        """
        self._interrupts = max(self._interrupts + 1, 2) if now else max(self._interrupts, 1)

    def steer(self, event: UserEvent, config: Config, slots: Slots | None = None) -> None:
        """Record what the user asked for, and act on it.

        `config` includes the options that were changed; `slots` are the new ones, if they were.
        """
        self._record([event])
        self._candidates.take(event)
        if config.round != self.config.round:
            self._candidates.set_rounds(config.round)
        self.config = self._limits.config = config
        self._commands = Commands(config, self.paths)
        if slots is not None:
            self._executor.change_slots(slots)
        if isinstance(event, RunContinued):
            self._limits.begin()
        self._sinks.change(config, len(self._executor.slots()))

    def _take_requests(self, *kinds: str) -> None:
        if self._control is not None:
            self._control.take(self, *kinds)

    def interrupt(self) -> None:
        """First call: start no more trials. Second: ask running ones to end. Third: kill them.

        Safe to call from a signal handler.
        """
        self._interrupts += 1
        self._executor.wake()

    def start(self, run: str) -> None:
        """Start a new run with the name `run`."""
        described, where = describe(self.config), self.paths.where
        self._record([RunCreated(self._now(), run, __version__, described, where)])
        self._begin()

    def resume(self, own_name: Callable[[State], str] = lambda state: state.run) -> None:
        """Replay the journal into state, strategy and views; `run` attaches to running trials.

        `own_name` returns the name of the run from here on; a copy gets a new one. Raise
        EnvironmentProblem if the journal does not fit this version of the strategy.
        """
        for event in self._journal.events():
            self._fold([event])
            self._candidates.replay(event, self.state)
            self._sinks.replay(event, self.state)
        name, before = own_name(self.state), self.state.where.get("path")
        if name == self.state.run:
            self._whereabouts.began_at(before)
        self._record([RunResumed(self._now(), __version__, name, self.paths.where)])
        if self._evaluator.continues_models:
            self._evaluator.gone = removed_models(self.paths, self.state)
        self._show()  # before anything new starts, so that sinks can tell old from new
        self._to_submit = sorted(self.state.running)
        self._begin()

    def _begin(self) -> None:
        self._limits.begin()
        self._is_begun = True
        if self._control is not None:
            self._control.begin()

    def fail(self, reason: str) -> None:
        """Record that an error ended the run, if it can be recorded."""
        if self._is_begun and self.state.end_reason is None:
            with contextlib.suppress(AutofinetuneError, OSError):
                ended = RunEnded(self._now(), f"{ERROR}: {reason}")
                self._journal.append([*self._held, ended])
                self._fold([ended])
                self._sinks.handle(ended, self.state)

    def run(self) -> State:
        """Run trials until the budget or the space is used up, or the user stops the run."""
        while True:
            self._take_requests()
            self._submit_due()
            due = self._due()
            if any(isinstance(action, Finish) for action in due):
                break
            self._whereabouts.look(self._running())
            if due:
                self._perform(due)
            else:
                self._show()  # slots are busy again, so a slow sink delays none
                self._end_what_does_not_stop()
                self._stop_running_where_asked()
                if self._is_worth_asking_ahead():
                    self._ask(1)
                    self._record()
                self._observe(self._executor.poll(RETRY_S if self._to_submit else POLL_S))
        reason = next(action.reason for action in due if isinstance(action, Finish))
        if reason == TIMEOUT and self._candidates.are_used_up(self.state):
            reason = EXHAUSTED
        try:
            self._record([RunEnded(self._now(), reason)])
        except DiskFull:  # a user who stops the run does not wait for disk space
            if self._held or not self.interrupted:
                raise
        self._whereabouts.look(self._running())
        self._show()
        while self._sinks.is_waiting and not self.interrupted:
            if not self._sinks.wait(RETRY_S):
                self._world.sleep(RETRY_S)
            self._take_requests(STOP)
            self._sinks.flush(self.state)
            if names := ", ".join(self._sinks.waits_for):
                self._notices.begin("sinks", f"{names} still writing the last results ...")
        return self.state

    def _running(self) -> list[Key]:
        return [(trial, self.state.trials[trial].attempt) for trial in self.state.running]

    def _due(self) -> list[Action]:
        taken = {self.state.trials[trial].slot for trial in self.state.running}
        taken |= self.state.quarantined.keys()
        free = [slot for slot in self._executor.slots() if slot not in taken]
        can_start = self._has_space() and not (self._to_submit or self.state.is_paused)
        return plan(
            self.state,
            self._clear(free) if can_start else [],
            max_trials=self.config.planned,
            can_ask=self._candidates.can_ask,
            exhausted=self._candidates.exhausted,
            stopping=self._why_no_more(),
        )

    def _is_worth_asking_ahead(self) -> bool:
        return (
            self.config.schedule == "async"
            and len(self.state.trials) < self.config.planned
            and self._candidates.is_worth_asking_ahead(self.state)
            and not (self.state.is_paused or self._why_no_more())
        )

    def _clear(self, free: Sequence[Slot]) -> list[Slot]:
        """Return usable slots, one per device: only a running trial shows whether another fits."""
        clear: list[Slot] = []
        for slot in free:
            if not any(map(slot.shares_device, clear)) and self._is_clear(slot):
                clear.append(slot)
        return clear

    def _why_no_more(self) -> str | None:
        """Return the reason for starting no further trials, or None."""
        if self.interrupted:
            return INTERRUPTED
        return self._limits.reached(self._executor.slots(), exhausted=self._candidates.exhausted)

    def _has_space(self) -> bool:
        """Return whether there is disk space for new trials; report a change once."""
        wanted, free = self.config.safety.min_free_gb, self._world.free_gb()
        if free >= wanted:
            self._notices.end("disk", "disk space is available again; continuing")
            return True
        reason = f"{free:.1f} GiB of disk space is free, --min_free_gb={wanted:g}"
        self._notices.begin("disk", f"paused: {reason}; the run continues once there is space")
        return False

    def _is_clear(self, slot: Slot) -> bool:
        """Return whether a free slot can be used; report an obstacle once."""
        if self.interrupted:
            return False
        obstacle = self._executor.obstacle(slot)
        if obstacle:
            self._notices.begin(f"slot {slot}", f"slot {slot} waits: {obstacle}")
        else:
            self._notices.end(f"slot {slot}", f"slot {slot} can be used again")
        return not obstacle

    def _insist(self, action: Callable[[], T]) -> T:
        """Retry an action until the disk or the machine has room for it, or the user stops."""
        while True:
            try:
                done = action()
            except (DiskFull, OSError) as error:
                later = isinstance(error, DiskFull) or error.errno in TRANSIENT
                if not later or self.interrupted:
                    raise
                self._notices.begin("write", _PAUSED.format(error))
                self._world.sleep(RETRY_S)
            else:
                self._notices.end("write")
                return done

    # --- doing ----------------------------------------------------------------------------------

    def _perform(self, actions: Sequence[Action]) -> None:
        launches = [action for action in actions if isinstance(action, Launch)]
        if launches:
            self._launch(launches)
        for action in actions:
            if isinstance(action, Ask):
                self._ask(action.count)

    def _ask(self, count: int) -> None:
        if self._candidates.is_slow:
            self._record()
        for candidate in self._candidates.ask(count):
            created = TrialCreated(
                at=self._now(),
                trial=candidate.id,
                round=candidate.round,
                member=candidate.member,
                point=candidate.point,
                params=candidate.params,
                parent=self._evaluator.parent(candidate, self.state),
            )
            self._hold([created])

    def _launch(self, launches: Sequence[Launch]) -> None:
        planned = []
        for launch in launches:
            trial = self.state.trials[launch.trial]
            # Before the plan is recorded: afterwards the attempt may already be running.
            empty = functools.partial(make_empty, self.paths, trial.round, trial.member)
            log_start = self._insist(empty)
            planned.append(
                AttemptPlanned(self._now(), trial.id, trial.attempt + 1, launch.slot, log_start)
            )
        self._record(planned)
        self._to_submit += [event.trial for event in planned]
        self._submit_due()

    def _submit_due(self) -> None:
        """Start planned attempts as long as the machine has room; the others wait."""
        events: list[Event] = []
        while self._to_submit:
            trial = self.state.trials[self._to_submit[0]]
            try:
                events.append(self._submit(trial))
            except OSError as error:
                if error.errno not in TRANSIENT:
                    raise
                if self.interrupted:
                    events.append(AttemptLost(self._now(), trial.id, trial.attempt, INTERRUPTED))
                else:
                    self._notices.begin("room", _PAUSED.format(error))
                    break
            self._to_submit.pop(0)
        if not self._to_submit:
            self._notices.end("room")
        if events:
            self._record(events)

    def _submit(self, trial: Trial) -> AttemptSubmitted:
        """Hand the current attempt to the executor, which attaches if it is already running."""
        self._reports.begin(trial.id)
        attempt = make_attempt(self._commands, self.state, trial, self._world.grace_s)
        handle = self._executor.submit(attempt)
        if trial.stop_reason:
            self._ask_to_stop(attempt.key)
        is_waiting = self._executor.has_queue
        return AttemptSubmitted(self._now(), trial.id, trial.attempt, handle, is_waiting)

    def _stop_running_where_asked(self) -> None:
        wanted = min(self._interrupts, 3) - 1
        if self.config.on_timeout == "kill" and self._limits.is_out_of_time():
            wanted = max(wanted, 1)
        while self._cancelled < wanted:
            self._cancelled += 1
            for trial in sorted(self.state.running):
                self._executor.cancel((trial, self.state.trials[trial].attempt))

    def _ask_to_stop(self, key: Key) -> None:
        self._executor.request_stop(key)
        self._stop_deadlines[key] = self._world.monotonic() + self.config.stop_grace

    def _end_what_does_not_stop(self) -> None:
        now = self._world.monotonic()
        for key in [key for key, deadline in self._stop_deadlines.items() if deadline <= now]:
            del self._stop_deadlines[key]
            self._executor.cancel(key)

    # --- learning what happened -----------------------------------------------------------------

    def _observe(self, observations: Sequence[Observation]) -> None:
        for observation in observations:
            self._take(observation)

    def _take(self, observation: Observation) -> None:
        """Fold what was observed of an attempt.

        The strategy gets it before the next one is looked at: a resumed run repeats that order.
        """
        trial = self.state.trials[observation.key[0]]
        has_begun = observation.state in (JobState.RUNNING, JobState.EXITED)
        if has_begun and trial.status is Status.QUEUED:  # it waited for an executor's queue
            node = observation.node
            self._hold([AttemptStarted(self._now(), *observation.key, node=node)])
            trial = self.state.trials[trial.id]
        events: list[Event] = list(self._reports.take(trial, observation))
        if observation.state in (JobState.EXITED, JobState.LOST):
            self._stop_deadlines.pop(observation.key, None)
            values = self._reports.end(trial.id)
            was_moved = observation.key in self._whereabouts.moved
            events += self._endings.of(observation, values, was_moved=was_moved)
        self._hold(events)
        for event in events:
            if isinstance(event, TrialEnded):
                self._tell(self.state.trials[event.trial])
            elif isinstance(event, StopRequested):
                self._record()
                self._ask_to_stop((event.trial, event.attempt))

    def _tell(self, trial: Trial) -> None:
        self._candidates.tell(trial, self.state.told(trial))

    def _hold(self, events: Sequence[Event]) -> None:
        """Fold events that have no external effect yet; `_record` makes them durable later.

        That happens before the loop waits for trials. A kill before then loses only candidates
        that were not started and ends that will be observed again. So a free slot waits for the
        disk only once.
        """
        self._fold(events)
        self._held += events

    def _record(self, events: Sequence[Event] = ()) -> None:
        """Make the held events and `events` durable, and fold the latter."""
        batch = [*self._held, *events]
        if not batch:
            return
        self._insist(lambda: self._journal.append(batch))
        self._held.clear()
        self._fold(events)
        self._unshown += batch

    def _fold(self, events: Sequence[Event]) -> None:
        self.state.apply_all(events)
        for event in events:
            self._stopping.apply(event)

    def _show(self) -> None:
        self._record()
        for event in self._unshown:
            self._sinks.handle(event, self.state)
        if self._unshown or self._sinks.is_waiting:
            self._unshown.clear()
            self._sinks.flush(self.state)

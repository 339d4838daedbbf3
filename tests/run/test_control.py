"""Requests to a running tuner: what follows from each, once, whatever is killed or lies there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from autofinetune.config.config import Config
from autofinetune.core.events import (
    AttemptPlanned,
    ConfigurationsEnqueued,
    Event,
    NoteAdded,
    OptionsChanged,
    RunContinued,
    RunPaused,
    TrialCreated,
    TrialsImported,
)
from autofinetune.core.run_state import INTERRUPTED, TIMEOUT
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.errors import EnvironmentProblem
from autofinetune.executors import Attempt, Slots
from autofinetune.executors.local.engine import LocalEngine
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.run import control as control_module
from autofinetune.run.control import Control
from autofinetune.run.requests import (
    CONTINUE,
    ENQUEUE,
    IMPORT,
    NOTE,
    PAUSE,
    SET,
    STOP,
    Request,
    new_request,
)
from autofinetune.run.tuner import Tuner
from autofinetune.store.directory import write_atomically
from autofinetune.store.journal import MemoryJournal
from autofinetune.store.paths import RunPaths
from tests.helpers import TYPICAL, Recorder, config_of, play, table, tuner_in_memory

GOOD: dict[str, Any] = {"lr": 0.01, "units": 40, "optimizer": "adam"}
OTHER: dict[str, Any] = {"lr": 0.02, "units": 20, "optimizer": "lamb"}


class Engine(LocalEngine):
    """The slots of a config, on a machine without cards."""

    problem = ""

    def slots(self, config: Config) -> Slots:
        if self.problem:
            raise EnvironmentProblem(self.problem)
        return super().slots(config)


class Shown(Recorder):
    """Also keeps what changed."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[int, int]] = []

    def change(self, config: Config, slots: int) -> None:
        self.changes.append((config.planned, slots))


class Bench:
    """A run in memory that is steered by files; `at` are actions of the user by poll."""

    def __init__(
        self,
        root: Path,
        config: Config | None = None,
        journal: MemoryJournal | None = None,
        program: Callable[[Attempt], Played] = play,
    ) -> None:
        self.paths = RunPaths(root)
        self.config = config or config_of()
        self.journal = journal or MemoryJournal()
        self.shown = Shown()
        self.notices: list[str] = []
        self.engine = Engine("cpu:2")
        self.at: dict[int, Callable[[], object]] = {}
        self.tuner = tuner_in_memory(
            root, self.config, journal=self.journal, sinks=[self.shown], program=program,
            slots=("cpu:0", "cpu:1"),
        )  # fmt: skip
        self.executor = self.tuner._executor
        assert isinstance(self.executor, MemoryExecutor)
        self.control = Control(
            self.paths, self.engine, self.executor, lambda: 1.7e9, self.notices.append
        )
        self.tuner._control = self.control
        self.polls = 0
        poll = self.executor.poll

        def watched(wait_s: float) -> Any:
            self.polls += 1
            news = self.at.get(self.polls, lambda: None)()
            return news if isinstance(news, list) else poll(wait_s)

        self.executor.poll = watched  # type: ignore[method-assign]

    def put(self, request: Request) -> Request:
        with self.paths.place_of(self.paths.control).opened(create=True, mode=0o700) as here:
            write_atomically(here / self.paths.request(request.name).name, request.encoded())
        return request

    def ask(self, poll: int, kind: str, **fields: Any) -> Request:
        """Put a request there at a poll of the tuner."""
        request = new_request(kind, **fields)
        self.at[poll] = lambda: self.put(request)
        return request

    def run(self) -> State:
        self.tuner.start("run")
        return self.tuner.run()

    def answer(self, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.paths.answer(request.name).read_bytes())
        return found

    def events(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.journal.events() if isinstance(event, kind)]

    @property
    def left(self) -> list[str]:
        names = [path.name for path in self.paths.control.iterdir()]
        return [name for name in names if not name.endswith((".answer.json", ".tmp"))]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_request_is_recorded_answered_and_removed(bench: Bench) -> None:
    request = bench.ask(2, NOTE, trial=0, text="a\x1bb")
    state = bench.run()
    assert state.trials[0].notes == ("a\\x1bb",)
    (event,) = bench.events(NoteAdded)
    assert event.request == request.name
    answer = bench.answer(request)
    assert answer["accepted"]
    assert answer["event"][0] == "NoteAdded"
    assert bench.left == []
    assert state.requests == {request.name}
    assert event in bench.shown.events
    assert (bench.paths.control.stat().st_mode & 0o777) == 0o700
    assert (bench.paths.answer(request.name).stat().st_mode & 0o777) == 0o600


def test_a_note_on_the_best_trial_is_on_the_best_trial(bench: Bench) -> None:
    bench.at[9] = lambda: bench.put(
        new_request(NOTE, trial=bench.tuner.state.best.id, text="good")  # type: ignore[union-attr]
    )
    state = bench.run()
    noted = [trial for trial in state.trials.values() if trial.notes]
    assert len(noted) == 1
    assert state.best is not None
    assert state.best == state.trials[state.best.id]


def test_a_note_on_no_trial_is_refused(bench: Bench) -> None:
    request = bench.ask(2, NOTE, trial=99, text="x")
    bench.run()
    assert bench.answer(request) == {
        "accepted": False, "message": "this run has no trial 99", "tip": "see trials.csv",
        "exit_code": 2,
    }  # fmt: skip
    assert bench.events(NoteAdded) == []


# --- pausing and stopping -----------------------------------------------------------------------


def test_a_paused_run_starts_nothing_until_it_continues(bench: Bench) -> None:
    paused, again = bench.ask(2, PAUSE), bench.ask(3, PAUSE)
    seen: list[tuple[int, int]] = []

    def look() -> None:
        state = bench.tuner.state
        seen.append((len(state.running), len(state.trials)))
        assert state.is_paused

    bench.at |= {10: look, 20: look}
    continued, twice = bench.ask(21, CONTINUE), bench.ask(22, CONTINUE)
    state = bench.run()
    assert seen == [(0, 3)] * 2
    assert state.counts[Status.COMPLETED] == 9
    assert bench.answer(paused)["event"][0] == "RunPaused"
    assert bench.answer(again) == {"accepted": True, "event": None}
    assert bench.answer(continued)["event"][0] == "RunContinued"
    assert bench.answer(twice) == {"accepted": True, "event": None}
    assert [len(bench.events(kind)) for kind in (RunPaused, RunContinued)] == [1, 1]


@pytest.mark.parametrize("schedule", ["async", "round"])
def test_nothing_is_asked_ahead_while_paused(tmp_path: Path, schedule: str) -> None:
    bench = Bench(tmp_path, config_of(schedule=schedule))
    bench.tuner._candidates.is_worth_asking_ahead = lambda state: True  # type: ignore[method-assign]
    bench.ask(2, PAUSE)
    created: list[int] = []
    bench.at |= {poll: lambda: created.append(len(bench.tuner.state.trials)) for poll in (5, 15)}
    bench.ask(16, CONTINUE)
    bench.run()
    assert created[0] == created[1] < 9


def test_the_time_of_a_pause_does_not_count(tmp_path: Path) -> None:
    bench = Bench(tmp_path, config_of(max_seconds=1000.0))
    bench.ask(2, PAUSE)

    def wait() -> None:
        bench.executor.now = 5000.0  # type: ignore[attr-defined]
        assert not bench.tuner._limits.is_out_of_time()

    bench.at[10] = wait
    bench.ask(11, CONTINUE)
    assert bench.run().counts[Status.COMPLETED] == 9
    limited = Bench(tmp_path / "other", config_of(max_seconds=1000.0))
    limited.at[2] = lambda: setattr(limited.executor, "now", 5000.0)
    assert limited.run().end_reason == TIMEOUT


def test_resume_continues_a_paused_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ask(2, PAUSE)
    bench.ask(9, STOP, now=False)
    assert bench.run().end_reason == INTERRUPTED
    again = Bench(tmp_path, journal=bench.journal)
    again.tuner.resume()
    assert again.tuner.run().counts[Status.COMPLETED] == 9


def test_stop_lets_running_trials_finish(bench: Bench) -> None:
    request = bench.ask(2, STOP, now=False)
    again = bench.ask(3, STOP, now=False)
    state = bench.run()
    assert state.end_reason == INTERRUPTED
    assert bench.tuner.interrupted
    assert state.counts[Status.COMPLETED] == len(state.trials) - len(state.queued)
    assert bench.answer(request) == bench.answer(again) == {"accepted": True, "event": None}
    assert bench.notices[0] == (
        "stopping by request: no new trials are started; running ones finish"
    )


def test_stop_now_ends_running_trials_and_then_kills_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, program=lambda attempt: Played(0.5, seconds=1e6))
    cancelled: list[object] = []
    bench.executor.cancel = cancelled.append  # type: ignore[assignment,method-assign]

    def stop_before_anything_ends() -> list[object]:
        bench.put(new_request(STOP, now=True))
        return []

    bench.at = {1: stop_before_anything_ends, 2: stop_before_anything_ends, 3: list}
    bench.run()
    assert cancelled == [(0, 1), (1, 1)] * 2
    assert "running ones are ended" in bench.notices[0]


def test_stop_does_not_wait_for_sinks_and_others_do(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    late = new_request(NOTE, trial=0, text="late")

    class Slow(Recorder):
        is_behind = True
        waits = 0

        def wait(self, seconds: float) -> bool:
            self.waits += 1
            if self.waits == 2:
                bench.put(late)
                bench.put(new_request(STOP, now=False))
            return True

    slow = Slow()
    bench.tuner._sinks._sinks.append(slow)
    bench.run()
    assert slow.waits == 2
    assert bench.left == [bench.paths.request(late.name).name]  # for who waits for it


# --- options ------------------------------------------------------------------------------------


def test_the_number_of_trials_changes_everywhere(bench: Bench) -> None:
    request = bench.ask(4, SET, options={"max_trials": "20"})
    state = bench.run()
    assert state.counts[Status.COMPLETED] == 20
    assert bench.answer(request)["accepted"]
    assert (state.config["max_trials"], state.config["round"]) == (20, 7)
    assert bench.shown.changes == [(20, 2)]
    assert bench.tuner.config.planned == 20


@pytest.mark.parametrize("strategy", TYPICAL)
@pytest.mark.parametrize("evaluator", ["fulltrail", "populationbased"])
def test_more_rounds_give_every_member_more_trials(
    tmp_path: Path, strategy: str, evaluator: str
) -> None:
    config = config_of(schedule="async", tuning_strategy=strategy, evaluator=evaluator)
    bench = Bench(tmp_path, config)
    bench.ask(8, SET, options={"round": 5})
    state = bench.run()
    members = [trial.member for trial in state.trials.values()]
    assert [members.count(member) for member in range(3)] == [5, 5, 5]


def test_fewer_trials_end_the_run_with_those_that_run(bench: Bench) -> None:
    bench.ask(3, SET, options={"max_trials": 1})
    state = bench.run()
    assert state.end_reason == "done"
    assert len(state.trials) < 9
    assert state.counts[Status.COMPLETED] == len(state.trials)


def test_new_slots_get_trials_and_removed_ones_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path, config_of(schedule="async", evaluator="fulltrail", max_trials=15))
    bench.ask(1, SET, options={"gpu": "cpu:4"})
    bench.ask(3, SET, options={"max_parallel": 1})
    bench.run()
    slots = [event.slot for event in bench.events(AttemptPlanned)]
    assert {"cpu:2", "cpu:3"} <= set(slots)
    assert set(slots[-5:]) == {"cpu:0"}
    assert bench.shown.changes == [(15, 4), (15, 1)]
    assert bench.executor.slots() == ["cpu:0"]


def test_notes_on_new_slots_are_shown(bench: Bench) -> None:
    bench.ask(2, SET, options={"gpu": "auto:3"})
    bench.run()
    assert bench.shown.changes[0][1] >= 1
    assert bench.notices  # which devices were found


def test_a_time_limit_holds_for_later_trials(tmp_path: Path) -> None:
    limits: list[float | None] = []

    def program(attempt: Attempt) -> Played:
        limits.append(attempt.time_limit_s)
        return play(attempt)

    bench = Bench(tmp_path, program=program)
    bench.ask(2, SET, options={"trial_timeout": "60"})
    bench.run()
    assert limits[:2] == [None, None]
    assert set(limits[3:]) == {60.0}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"max_trials": "0"}, "--max_trials=0 must be a whole number of at least 1"),
    ({"round": "x"}, "--round=x must be a whole number of at least 1"),
    ({"round": "1", "max_trials": "2"}, "--round=1 and --max_trials=2 both set the length"),
    ({"max_trials": "2000000"}, "--max_trials is above 1000000"),
    ({"gpu": ""}, "--gpu is missing"),
    ({"gpu": "cpu:0"}, "--gpu=cpu:0 has no slots"),
    ({"trial_timeout": "-1"}, "--trial_timeout=-1 must be a number of seconds above 0"),
]


@pytest.mark.parametrize(("options", "why"), REFUSED)
def test_a_wrong_value_is_refused_as_at_the_start(
    bench: Bench, options: dict[str, Any], why: str
) -> None:
    request = bench.ask(2, SET, options=options)
    assert bench.run().counts[Status.COMPLETED] == 9
    assert why in bench.answer(request)["message"]
    assert bench.events(OptionsChanged) == []
    assert bench.tuner.config == bench.config


def test_the_same_values_change_nothing(bench: Bench) -> None:
    request = bench.ask(2, SET, options={"gpu": "cpu:2", "round": 3, "max_parallel": None})
    bench.run()
    assert bench.answer(request) == {"accepted": True, "event": None}


def test_an_executor_may_have_fixed_slots(bench: Bench) -> None:
    bench.executor.can_change_slots = False
    request = bench.ask(2, SET, options={"gpu": "cpu:4"})
    other = bench.ask(3, SET, options={"max_trials": 4})
    bench.run()
    assert "the slots of --executor=local cannot change" in bench.answer(request)["message"]
    assert bench.answer(other)["accepted"]


def test_a_driver_that_hangs_is_no_mistake_of_the_user(bench: Bench) -> None:
    bench.engine.problem = "the driver hangs"
    request = bench.ask(2, SET, options={"gpu": "0"})
    assert bench.run().counts[Status.COMPLETED] == 9
    assert bench.answer(request)["exit_code"] == 4
    assert bench.notices == ["WARNING: a request was refused: the driver hangs"]


# --- the search ---------------------------------------------------------------------------------


def test_an_enqueued_configuration_is_next(bench: Bench) -> None:
    bench.ask(3, ENQUEUE, configurations=[GOOD, OTHER])
    state = bench.run()
    params = [dict(trial.params) for trial in state.trials.values()]
    at = params.index(GOOD)
    assert at <= 5
    assert params[at + 1] == OTHER
    assert len(params) == 9


@pytest.mark.parametrize("configurations", [[{"lr": 0.5}], [{"nothing": 1}], [{**GOOD, "lr": 9}]])
def test_what_the_space_does_not_allow_is_refused(
    bench: Bench, configurations: list[dict[str, Any]]
) -> None:
    request = bench.ask(2, ENQUEUE, configurations=configurations)
    bench.run()
    assert "configurations[0]: must have a value" in bench.answer(request)["message"] or (
        "configurations[0]" in bench.answer(request)["message"]
    )
    assert bench.events(ConfigurationsEnqueued) == []


def test_no_configurations_change_nothing(bench: Bench) -> None:
    requests = [
        bench.ask(2, ENQUEUE, configurations=[]),
        bench.ask(3, IMPORT, source="a", trials=[]),
    ]
    bench.run()
    for request in requests:
        assert bench.answer(request) == {"accepted": True, "event": None}


def test_a_replay_takes_nothing(tmp_path: Path) -> None:
    config = config_of(replayed=(GOOD, GOOD), popsize=1, round=2)
    bench = Bench(tmp_path, config)
    requests = [
        bench.ask(1, ENQUEUE, configurations=[OTHER]),
        bench.ask(2, SET, options={"round": 5}),
    ]
    bench.run()
    assert [bench.answer(request)["accepted"] for request in requests] == [False, False]


def test_a_used_up_space_takes_enqueued_configurations(tmp_path: Path) -> None:
    from tests.helpers import space_of

    config = config_of(space_of("choice"), evaluator="fulltrail", max_trials=9, round=3)
    bench = Bench(tmp_path, config, program=lambda attempt: Played(0.5))
    bench.ask(2, ENQUEUE, configurations=[{"x0": "b"}, {"x0": "b"}])
    state = bench.run()
    assert [trial.params["x0"] for trial in state.trials.values()] == ["a", "b", "b", "b"]
    assert state.end_reason == "exhausted"


def steered(root: Path, config: Config) -> Bench:
    bench = Bench(root, config)
    bench.ask(3, ENQUEUE, configurations=[GOOD])
    bench.ask(5, SET, options={"max_trials": 14})
    trials = [{"params": OTHER, "merit": 0.75}, {"params": GOOD, "merit": None}]
    bench.ask(7, IMPORT, source="t.csv", trials=trials)
    return bench


@pytest.mark.slow
@pytest.mark.parametrize("evaluator", ["fulltrail", "populationbased"])
@pytest.mark.parametrize("strategy", [*TYPICAL, "tpe", "gp", "pbt", "grid", "evolution"])
def test_after_a_kill_the_run_goes_on_as_it_was_steered(
    tmp_path: Path, strategy: str, evaluator: str
) -> None:
    config = config_of(tuning_strategy=strategy, evaluator=evaluator)
    bench = steered(tmp_path, config)
    wanted = table(bench.run())
    assert len(wanted) == 14
    assert any(row[3] == tuple(OTHER.items()) for row in wanted)
    events: Sequence[Event] = list(bench.journal.events())
    after = max(i for i, event in enumerate(events) if isinstance(event, TrialsImported))
    cuts = range(after + 1, len(events), 5)
    for cut in cuts:
        again = Bench(tmp_path, config_of(**{**vars(config), "max_trials": 14, "round": 5}),
                      journal=MemoryJournal(events[:cut]))  # fmt: skip
        again.tuner.resume()
        assert table(again.tuner.run()) == wanted, f"killed after event {cut}"


def test_repeats_are_of_one_configuration_also_where_it_was_enqueued(tmp_path: Path) -> None:
    config = config_of(evaluator="fulltrail", repeats=2, tuning_strategy="random")
    bench = steered(tmp_path, config)
    state = bench.run()
    params = [dict(state.trials[number].params) for number in range(14)]
    assert params[::2] == params[1::2]
    assert GOOD in params
    assert OTHER in params


# --- killed in between --------------------------------------------------------------------------


class Killed(BaseException):
    pass


def _killed(*args: object, **more: object) -> None:
    raise Killed


@pytest.mark.parametrize("step", ["rename", "append", "appended", "answer", "unlink"])
def test_a_kill_at_any_step_applies_a_request_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    config = config_of(evaluator="fulltrail")
    bench = Bench(tmp_path, config)
    request = bench.ask(3, ENQUEUE, configurations=[GOOD])
    append = bench.journal.append

    def appended(events: Sequence[Event]) -> None:
        if any(isinstance(event, ConfigurationsEnqueued) for event in events):
            if step == "appended":
                append(events)
            raise Killed
        append(events)

    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr(Path, "rename", _killed)
        elif step == "answer":
            patch.setattr(control_module, "write_atomically", _killed)
        elif step == "unlink":
            unlink = Path.unlink

            def unless_taken(path: Path, missing_ok: bool = False) -> None:
                if path.name == bench.paths.taken(request.name).name:
                    raise Killed
                unlink(path, missing_ok)

            patch.setattr(Path, "unlink", unless_taken)
        else:
            patch.setattr(bench.journal, "append", appended)
        with pytest.raises(Killed):
            bench.run()
    again = Bench(tmp_path, config, bench.journal)
    again.tuner.resume()
    again.tuner.run()
    assert len(again.events(ConfigurationsEnqueued)) == 1
    created = [event for event in again.events(TrialCreated) if event.params == GOOD]
    assert len(created) == 1
    assert again.left == []
    assert again.answer(request)["accepted"]


def test_requests_about_an_earlier_tuner_are_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    old = [bench.put(new_request(STOP, now=True)), bench.put(new_request(PAUSE))]
    kept = bench.put(new_request(ENQUEUE, configurations=[GOOD]))
    bench.paths.answer("left").write_text("{}")
    bench.paths.lock.touch()
    new = bench.put(new_request(NOTE, trial=0, text="x"))
    state = bench.run()
    assert state.end_reason == "done"
    for request in old:
        assert bench.answer(request)["message"] == "the tuner to which it was addressed had ended"
    assert bench.answer(kept)["accepted"]
    assert not bench.answer(new)["accepted"]  # there was no trial yet
    assert not bench.paths.answer("left").exists()


# --- what lies there and is no request ----------------------------------------------------------


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.paths.control.mkdir(mode=0o700)
    yield bench
    state = bench.run()
    assert state.counts[Status.COMPLETED] == 9
    assert bench.events(OptionsChanged) == []
    assert len(bench.notices) == 1
    assert bench.notices[0].startswith("WARNING: ")
    assert "is ignored: " in bench.notices[0]


def strange_path(bench: Bench) -> Path:
    return bench.paths.request(new_request(SET).name)


def test_a_link_is_ignored(strange: Bench, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_bytes(new_request(SET, options={"max_trials": 1}).encoded())
    strange_path(strange).symlink_to(real)
    strange_path(strange).symlink_to(real)


def test_a_pipe_is_ignored(strange: Bench) -> None:
    os.mkfifo(strange_path(strange))


def test_a_directory_is_ignored(strange: Bench) -> None:
    strange_path(strange).mkdir()


def test_a_huge_file_is_ignored(strange: Bench) -> None:
    with strange_path(strange).open("wb") as file:
        file.truncate(1 << 30)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_ignored(strange: Bench) -> None:
    path = strange_path(strange)
    path.write_bytes(new_request(SET, options={"max_trials": 1}).encoded())
    os.chown(path, 12345, 12345)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "1", "[" * 100_000, '{"kind": []}', '{"kind": "none"}', '{"kind": "set"}',
        '{"kind": "set", "options": {"seed": 1}}', '{"kind": "set", "options": []}',
        '{"kind": "set", "options": {"round": [1]}}', '{"kind": "stop", "now": 1}',
        '{"kind": "note", "trial": -1, "text": ""}', '{"kind": "note", "trial": 0, "text": 1}',
        '{"kind": "pause", "more": 1}', '{"kind": "enqueue", "configurations": {}}',
        '{"kind": "import", "source": "", "trials": [{"params": {}}]}',
        '{"kind": "import", "source": "", "trials": 1}', "\ud800",
    ],
)  # fmt: skip
def test_wrong_content_is_ignored(strange: Bench, text: str) -> None:
    strange_path(strange).write_bytes(text.encode("utf-8", "surrogatepass"))


def test_a_directory_that_others_can_change_is_ignored(strange: Bench) -> None:
    strange.put(new_request(SET, options={"max_trials": 1}))
    strange.paths.control.chmod(0o777)


def test_a_link_in_the_place_of_the_directory_is_replaced(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    bench.paths.control.symlink_to(tmp_path / "elsewhere")
    request = bench.ask(2, NOTE, trial=0, text="x")
    bench.run()
    assert bench.answer(request)["accepted"]
    assert not bench.paths.control.is_symlink()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_other_names_are_no_requests(bench: Bench) -> None:
    bench.paths.control.mkdir(mode=0o700)
    for name in ("notes.txt", "1-2-3.request.json", f"{new_request(SET).name}.json"):
        (bench.paths.control / name).write_text("{}")
    bench.run()
    assert bench.notices == []
    assert len(bench.left) == 3


def test_a_directory_that_was_removed_is_no_problem(bench: Bench) -> None:
    bench.at[3] = bench.paths.control.rmdir
    assert bench.run().counts[Status.COMPLETED] == 9
    assert bench.notices == []


@pytest.mark.parametrize("step", ["lstat", "rename"])
def test_a_withdrawn_request_is_not_applied(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    request = bench.ask(2, SET, options={"max_trials": 1})
    real = getattr(Path, step)

    def withdrawn(path: Path, *args: object) -> object:
        if path.name == bench.paths.request(request.name).name:
            path.unlink(missing_ok=True)
        return real(path, *args)

    monkeypatch.setattr(Path, step, withdrawn)
    assert bench.run().counts[Status.COMPLETED] == 9
    assert bench.notices == []


def test_an_answer_that_cannot_be_written_is_in_the_journal(bench: Bench) -> None:
    request = bench.ask(2, SET, options={"max_trials": 5})
    bench.at[1] = lambda: bench.paths.answer(request.name).mkdir()
    assert len(bench.run().trials) == 5
    assert bench.left == []


def test_a_tuner_without_control_has_none(tmp_path: Path) -> None:
    tuner: Tuner = tuner_in_memory(tmp_path, config_of())
    tuner.start("run")
    assert tuner.run().counts[Status.COMPLETED] == 9

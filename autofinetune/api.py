"""The Python API: `tune` tunes a function or a script, `open_run` opens the result of a run.

import autofinetune as aft

result = aft.tune(train, {"lr": aft.loguniform(1e-4, 1.0)}, trials=50, gpu="0,1")
print(result.best.score, result.best.params)
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autofinetune import terminal
from autofinetune.config.build import COMMAND_LINE
from autofinetune.config.config import Config
from autofinetune.config.options import OPTIONS
from autofinetune.core.events import Event, TrialEnded
from autofinetune.core.run_state import RunState
from autofinetune.core.state import State, Trial
from autofinetune.errors import ConfigError, Mistake, UsageError, did_you_mean
from autofinetune.run.arrays import put
from autofinetune.run.directories import existing_run, is_tuner_alive, read_run
from autofinetune.run.from_python import Wanted, continued_session, is_begun, new_session
from autofinetune.run.result import Result, problem_of
from autofinetune.run.session import Session
from autofinetune.run.signals import signals_to
from autofinetune.sinks import Sink
from autofinetune.sinks.live.sink import on_console
from autofinetune.space import Space
from autofinetune.space.define import read_defined
from autofinetune.space.short import choice, integers, loguniform, uniform
from autofinetune.store.paths import RunPaths

__all__ = [
    "Result",
    "Trial",
    "choice",
    "integers",
    "loguniform",
    "open_run",
    "put",
    "tune",
    "tune_async",
    "uniform",
]
_LOG = logging.getLogger("autofinetune")
Train = Callable[..., Any] | str | os.PathLike[str]
SpaceLike = Mapping[str, Any] | Callable[[Any], Any] | Space | str | os.PathLike[str] | None


def tune(
    train: Train,
    space: SpaceLike = None,
    *,
    param_file: SpaceLike = None,
    trials: int | None = None,
    resume: bool = False,
    script_args: Sequence[object] | Mapping[str, object] = (),
    on_trial: Callable[[Trial], None] | None = None,
    progress: bool = True,
    **options: Any,
) -> Result:
    """Tune the hyperparameters of a function or a script, each trial in a process of its own.

    A function gets each hyperparameter by name, or all of them as one dict if it has exactly one
    parameter, and returns its score, unless it calls `report_final_result`. If it has parameters
    `saved_params_dir` and `model_path`, they are the directory for its model, and that of the
    model from which to continue or None. It is pickled by cloudpickle, and may be of a notebook.

    In the main thread Ctrl-C stops the run as on the command line: the first time, no more trials
    are started; the second time, running trials are asked to end; the third time, they are killed.

    Args:
        train: the function; or the training script, or a file that describes a run: a manifest or
            a config.yaml.
        space: the hyperparameters: a dict such as `{"lr": (1e-4, 0.1), "batch_size": [16, 32]}`
            (see `space/short.py`), a file such as hparam.yaml or its content as a mapping, or a
            function that calls `trial.suggest_float` and so on, as for Optuna.
        param_file: another name of `space`.
        trials: the number of trials; another name of `max_trials`.
        resume: whether to continue the run in `output_dir` if there is one, with this function and
            the same space; else a new one begins there.
        script_args: options for the script, as pairs or `--key=value`, or as a mapping.
        on_trial: called with each finished trial, in the order in which they finish.
        progress: whether to show the run: live on a terminal, as a table in a notebook, else a
            line for each trial; if false, messages go to the logger `autofinetune`.
        **options: the options of the command line by name, with the same defaults, such as
            `gpu="0,1"`, `assessor="asha"`, `output_dir="result"`. But for a function without the
            parameter `model_path` the default evaluator is `fulltrail`.

    Returns:
        The result with `best`, `best_model`, `trials`, `dataframe()`, `output_dir` and `state`.
        Hyperparameters in it are as the function got them. If the run was interrupted or reached
        its time limit, it contains the results so far.

    Raises:
        TypeError: an option does not exist.
        UsageError: an option, a file, the function or the script cannot be used; nothing was
            started.
        EnvironmentProblem: something on this machine is missing or failed.
        DirectoryBusy: another tuner is using the output directory.
        AllTrialsFailed: no trial has a score.
    """
    return _tune(
        _Stops(), train, space, param_file=param_file, trials=trials, resume=resume,
        script_args=script_args, on_trial=on_trial, progress=progress, **options,
    )  # fmt: skip


async def tune_async(train: Train, space: SpaceLike = None, **options: Any) -> Result:
    """Do what `tune` does in a thread, so that the event loop continues meanwhile.

    A cancellation acts as Ctrl-C does: the first one lets running trials finish, the second one
    asks them to end, the third one kills them. The CancelledError is raised once the run has
    ended; `tune(..., resume=True)` continues it.
    """
    import asyncio

    stops = _Stops()
    work = asyncio.ensure_future(asyncio.to_thread(_tune, stops, train, space, **options))
    is_cancelled = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            is_cancelled = True
            stops.interrupt()
    if is_cancelled:
        work.exception()  # so that asyncio does not complain about it
        raise asyncio.CancelledError
    return work.result()


class _Stops:
    """Interrupts a session from another thread, also before it is there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._early = 0

    def attach(self, session: Session) -> None:
        with self._lock:
            self._session = session
            for _ in range(self._early):
                session.interrupt()

    def interrupt(self) -> None:
        with self._lock:
            if self._session is None:
                self._early += 1
            else:
                self._session.interrupt()


def _tune(
    stops: _Stops,
    train: Train,
    space: SpaceLike,
    *,
    param_file: SpaceLike = None,
    trials: int | None = None,
    resume: bool = False,
    script_args: Sequence[object] | Mapping[str, object] = (),
    on_trial: Callable[[Trial], None] | None = None,
    progress: bool = True,
    **options: Any,
) -> Result:
    if space is not None and param_file is not None:
        raise TypeError("tune() has space and param_file, which mean the same")
    given = _given(options, trials)
    tell = terminal.tell if progress else _LOG.info

    def shown(config: Config, trial: Trial) -> Trial:
        return dataclasses.replace(trial, params=wanted.arguments(config, trial.params))

    def sinks(config: Config, paths: RunPaths, slots: int) -> Sequence[Sink]:
        is_plain = bool(given.get("plain"))
        views = on_console(config, paths, sys.stdout, slots, is_plain=is_plain) if progress else []
        if on_trial is None:
            return views
        return [*views, _Callback(lambda trial: on_trial(shown(config, trial)))]

    with contextlib.ExitStack() as stack:
        with _in_python():
            wanted = _wanted(train, param_file if space is None else space, given, script_args)
            make = new_session
            if resume and is_begun(given.get("output_dir")):
                make = continued_session
            session = stack.enter_context(make(wanted, sinks=sinks, tell=tell))
        stops.attach(session)
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(signals_to(session.interrupt, session.kill_all, is_last=False))
        result = session.run()
        is_over = result.state in (RunState.DONE, RunState.ERROR)
        if is_over and (problem := problem_of(result.history, session.paths)):
            raise problem
        return result.shown_by(lambda trial: shown(session.config, trial))


def open_run(output_dir: str | os.PathLike[str]) -> Result:
    """Return the result of the run in a directory, which may still be running.

    Raises:
        UsageError: the directory holds no run.
        EnvironmentProblem: the journal cannot be read.
    """
    with existing_run(output_dir) as paths:
        is_alive = is_tuner_alive(paths.lock)  # before reading the journal
        return Result(paths, read_run(paths), is_alive=is_alive)


def _given(options: Mapping[str, Any], trials: int | None) -> dict[str, Any]:
    """Return the arguments of `tune` as the options that the command line would give."""
    known = OPTIONS.keys() - {"param_file", "dry_run", "detach"}
    for name in options:
        if name not in known:
            raise TypeError(f"tune() has no option {name!r}{did_you_mean(name, known)}")
    given = {name: _plain(value) for name, value in options.items() if value is not None}
    if trials is not None:
        if "max_trials" in given:
            raise TypeError("tune() has trials and max_trials, which mean the same")
        given["max_trials"] = trials
    return given


def _wanted(
    train: Train,
    space: SpaceLike,
    given: Mapping[str, Any],
    script_args: Sequence[object] | Mapping[str, object],
) -> Wanted:
    """Return what to tune, with the space read unless it is in a file."""
    options = dict(given)
    if isinstance(script_args, Mapping):
        script_args = [word for pair in script_args.items() for word in pair]
    if script_args:
        options["script_args"] = [str(word) for word in script_args]
    defined = None
    if isinstance(space, (Mapping, Space)) or callable(space):
        defined = read_defined(space)
    elif space is not None:
        options["param_file"] = os.fspath(space)
    if not callable(train):
        return Wanted.of({**options, "script": os.fspath(train)}, None, defined)
    if script_args:
        raise UsageError(Mistake("script_args", "are for a script"), "use functools.partial")
    return Wanted.of(options, train, defined)


def _plain(value: Any) -> Any:
    """Return paths as strings, and lists as comma-separated strings."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return ",".join(str(_plain(one)) for one in value)
    return value


@contextlib.contextmanager
def _in_python() -> Any:
    """Name options in errors as Python does: `popsize=0 must be ...`."""
    try:
        yield
    except ConfigError as error:
        told = [one.worded() if isinstance(one, Mistake) else one for one in error.found]
        source = "tune()" if error.source == COMMAND_LINE else error.source
        raise ConfigError(source, told, error.tip) from None
    except UsageError as error:
        raise UsageError(error.mistake.worded(), error.tip) from None


class _Callback(Sink):
    """Calls a function of the user with each finished trial."""

    is_view = False

    def __init__(self, call: Callable[[Trial], None]) -> None:
        self._call = call

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, TrialEnded):
            self._call(state.trials[event.trial])

"""The Python API: `tune` tunes a script, and `open_run` opens the result of a run.

import autofinetune as aft

result = aft.tune("train.py", "hparam.yaml", gpu="0,1", popsize=5, round=10)
print(result.best.score, result.best.params)
"""

from __future__ import annotations

import contextlib
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
from autofinetune.run.directories import existing_run, is_tuner_alive, read_run
from autofinetune.run.parts import make_parts
from autofinetune.run.result import Result, problem_of
from autofinetune.run.session import begin, configured, engine_for, examined, new_paths
from autofinetune.run.signals import signals_to
from autofinetune.run.sources import source_of_run
from autofinetune.sinks import Sink
from autofinetune.sinks.live.sink import on_console
from autofinetune.space import Space, load_space
from autofinetune.store.paths import RunPaths

__all__ = ["Result", "Trial", "open_run", "tune"]
_LOG = logging.getLogger("autofinetune")


def tune(
    script: str | os.PathLike[str],
    param_file: str | os.PathLike[str] | Mapping[str, Any] | Space | None = None,
    *,
    script_args: Sequence[object] | Mapping[str, object] = (),
    on_trial: Callable[[Trial], None] | None = None,
    progress: bool = True,
    **options: Any,
) -> Result:
    """Tune the hyperparameters of a script, as the command `autofinetune` does.

    In the main thread Ctrl-C stops the run as on the command line: the first time, no more trials
    are started; the second time, running trials are asked to end; the third time, they are killed.

    Args:
        script: the training script, or a file that describes a run: a manifest or a config.yaml.
        param_file: the file with the hyperparameters, or its content as a mapping.
        script_args: options for the script, as pairs or `--key=value`, or as a mapping.
        on_trial: called with each finished trial, in the order in which they finish.
        progress: whether to show the run: live on a terminal, as a table in a notebook, else a
            line for each trial; if false, messages go to the logger `autofinetune`.
        **options: the options of the command line by name, with the same defaults, such as
            `gpu="0,1"`, `popsize=5`, `round=10`, `output_dir="result"`.

    Returns:
        The result with `best`, `trials`, `output_dir` and `state`. If the run was interrupted or
        reached its time limit, it contains the results so far.

    Raises:
        TypeError: an option does not exist.
        UsageError: an option, a file or the script cannot be used; nothing was started.
        EnvironmentProblem: something on this machine is missing or failed.
        DirectoryBusy: another tuner is using the output directory.
        AllTrialsFailed: no trial has a score.
    """
    given = _given(script, param_file, script_args, options)
    tell = terminal.tell if progress else _LOG.info

    def sinks(config: Config, paths: RunPaths, slots: int) -> Sequence[Sink]:
        is_plain = bool(given.get("plain"))
        shown = on_console(config, paths, sys.stdout, slots, is_plain=is_plain) if progress else []
        return [*shown, *([_Callback(on_trial)] if on_trial else [])]

    with contextlib.ExitStack() as stack:
        with _in_python():
            source = source_of_run(given, tell)
            engine = stack.enter_context(engine_for(source.options))
            with source.mistakes():
                config = configured(source.options)
                paths = new_paths(source.options.get("output_dir"))
                config = examined(config, source.options, tell)
                parts = make_parts(config, engine)
            asks = not source.options.get("skip_preflight")
            ready = begin(parts, paths, sinks=sinks, tell=tell, preflight=asks)
            session = stack.enter_context(ready)
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(signals_to(session.interrupt, session.kill_all, is_last=False))
        result = session.run()
        is_over = result.state in (RunState.DONE, RunState.ERROR)
        if is_over and (problem := problem_of(result.history, session.paths)):
            raise problem
        return result


def open_run(output_dir: str | os.PathLike[str]) -> Result:
    """Return the result of the run in a directory, which may still be running.

    Raises:
        UsageError: the directory holds no run.
        EnvironmentProblem: the journal cannot be read.
    """
    with existing_run(output_dir) as paths:
        is_alive = is_tuner_alive(paths.lock)  # before reading the journal
        return Result(paths, read_run(paths), is_alive=is_alive)


def _given(
    script: str | os.PathLike[str],
    param_file: object,
    script_args: Sequence[object] | Mapping[str, object],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments of `tune` as the options that the command line would give."""
    known = OPTIONS.keys() - {"param_file", "dry_run", "detach"}
    for name in options:
        if name not in known:
            raise TypeError(f"tune() has no option {name!r}{did_you_mean(name, known)}")
    given = {name: _plain(value) for name, value in options.items() if value is not None}
    given["script"] = os.fspath(script)
    if isinstance(param_file, Mapping):
        param_file = load_space(param_file)
    if isinstance(param_file, Space):
        given["param_list"] = param_file.describe()["param_list"]
    elif param_file is not None:
        given["param_file"] = os.fspath(param_file)  # type: ignore[call-overload]
    if isinstance(script_args, Mapping):
        script_args = [word for pair in script_args.items() for word in pair]
    if script_args:
        given["script_args"] = [str(word) for word in script_args]
    return given


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

"""A run that is started or continued from Python, of a script or of a function."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.config.changed import changed, described_changes
from autofinetune.config.config import MODEL_PATH, Config
from autofinetune.config.passing import CALLS
from autofinetune.core.fields import CHANGEABLE
from autofinetune.errors import Mistake, UsageError
from autofinetune.evaluators import EVALUATORS
from autofinetune.preload.steps import AUTO, NONE
from autofinetune.run.directories import holds_run, known_config, locked_run
from autofinetune.run.function import (
    Packed,
    at_home,
    is_function,
    packed,
    write_function,
)
from autofinetune.run.parts import make_parts
from autofinetune.run.preflight import check_is_there
from autofinetune.run.prior import with_prior
from autofinetune.run.requests import SET, new_request
from autofinetune.run.session import (
    MakeSinks,
    Session,
    Tell,
    begin,
    configured,
    engine_for,
    examined,
    new_paths,
    resumed,
)
from autofinetune.run.sources import source_of_run
from autofinetune.run.steering import apply_here
from autofinetune.space.defined import Defined
from autofinetune.store.paths import RunPaths, opened_run
from autofinetune.trial.function import with_objects
from autofinetune.trial.suggest import Replayed

# What holds for this part of the run only and is not recorded, as for `autofinetune resume`.
_OF_A_SESSION = (
    "gpu", "trials_per_gpu", "cpus_per_trial", "max_parallel", "max_seconds", "preload",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What to tune: the options as the command line has them, and what only Python can give.

    `function` is None for a script, `defined` is None if the space is in a file.
    """

    options: Mapping[str, Any]
    function: Callable[..., Any] | None = None
    defined: Defined | None = None

    @classmethod
    def of(
        cls, options: Mapping[str, Any], function: Callable[..., Any] | None,
        defined: Defined | None,
    ) -> Wanted:  # fmt: skip
        """Complete the options; raise UsageError if a script cannot get such values."""
        options = dict(options)
        if defined is not None:
            options["param_list"] = defined.space.describe()["param_list"]
        if function is not None:
            paths = new_paths(options.get("output_dir"))
            options |= {"script": str(paths.function_script), "function": True, "passing": CALLS}
            options["output_dir"] = str(paths.at)
        elif defined is not None and (defined.objects or defined.compute):
            why = "the values that are suggested, not those computed from them"
            if defined.objects:
                names = ", ".join(sorted(".".join(path) for path in defined.objects))
                why = f"plain values, not objects of Python: {names}"
            raise UsageError(f"a script gets {why}", "use words and numbers, or tune a function")
        return cls(options, function, defined)

    def arguments(self, config: Config, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters of a trial as its function gets them."""
        if self.function is None:
            return dict(params)
        defined = self.defined or Defined(config.space)
        found = with_objects(config.space.nest(params), defined.objects)
        if defined.compute is None:
            return found
        trial = Replayed(found)
        returned = defined.compute(trial)
        return dict(trial.params if returned is None else returned)

    def packed(self, config: Config, tell: Tell) -> Packed:
        """Return the function as it is sent to the trials."""
        assert self.function is not None
        return packed(self.function, self.defined or Defined(config.space), tell)


def is_begun(output_dir: Any) -> bool:
    """Return whether a directory holds a run, which can be continued.

    Raise UsageError if no directory is named.
    """
    if not output_dir:
        raise UsageError(Mistake("resume", "needs output_dir, the directory of the run"))
    with opened_run(Path(output_dir)) as paths:
        return holds_run(paths)


@contextlib.contextmanager
def new_session(wanted: Wanted, *, sinks: MakeSinks, tell: Tell) -> Iterator[Session]:
    """Prepare a new run; the errors are those of `begin` and of `build_config`."""
    source = source_of_run(wanted.options, tell)
    options = source.options
    with engine_for(options) as engine:
        prepare = None
        with source.mistakes():
            config = configured(options)
            paths = new_paths(options.get("output_dir"))
            if wanted.function is None:
                config = examined(config, options, tell)
            else:
                function = wanted.packed(config, tell)
                config = _of_function(config, function, options)
                config = with_prior(config, options, tell)
                prepare = functools.partial(write_function, function)
            parts = make_parts(config, engine)
        asks = not options.get("skip_preflight")
        with begin(
            parts, paths, sinks=sinks, tell=tell, preflight=asks, prepare=prepare
        ) as session:
            yield session


def _of_function(config: Config, function: Packed, options: Mapping[str, Any]) -> Config:
    """Return the config of a new run of a function; trials continue models only if it can.

    What `preload=auto` imports is what unpickling the function would.
    """
    if options.get("evaluator") is None and not function.takes_model:
        config = dataclasses.replace(config, evaluator="fulltrail")
    _check_models(config, function)
    if config.preload == AUTO:
        config = dataclasses.replace(config, preload=",".join(function.modules) or NONE)
    return dataclasses.replace(config, script_options=())


def _check_models(config: Config, function: Packed) -> None:
    if EVALUATORS[config.evaluator].continues_models and not function.takes_model:
        why = f"continues models, but {function.name} has no parameter {MODEL_PATH}"
        raise UsageError(
            Mistake("evaluator", why, config.evaluator),
            "add it: it is None, or the directory of the model from which to continue",
        )


@contextlib.contextmanager
def continued_session(wanted: Wanted, *, sinks: MakeSinks, tell: Tell) -> Iterator[Session]:
    """Prepare to continue the run in `output_dir`, with a new function if it is one of those.

    Raises:
        UsageError: the run has another space, script, or option that cannot change.
        DirectoryBusy: its tuner is running.
    """
    with locked_run(str(wanted.options["output_dir"])) as paths:
        recorded = at_home(known_config(paths), paths)
        options = source_of_run({"gpu": recorded.gpu, **wanted.options}, tell).options
        config = configured(options)
        _check_same(recorded, config, wanted, paths)
        if wanted.function is None:
            config = _with_changes(recorded, config, options, paths)
            check_is_there(config)
        else:
            function = wanted.packed(config, tell)
            _check_models(recorded, function)
            config = _of_function(config, function, options)
            config = at_home(_with_changes(recorded, config, options, paths), paths)
            write_function(function, paths)
        with (
            engine_for(vars(config)) as engine,
            resumed(make_parts(config, engine), paths, sinks=sinks, tell=tell) as session,
        ):
            yield session


def _check_same(recorded: Config, new: Config, wanted: Wanted, paths: RunPaths) -> None:
    """Raise UsageError if a recorded run tunes something else, or in another space."""
    what = "a function" if is_function(recorded) else _script(recorded)
    other = _script(new) if wanted.function is None else "a function"
    tip = f"to begin a new run, choose another output_dir; {paths.shown} stays as it is"
    if what != other:
        raise UsageError(f"the run in {paths.shown} tunes {what}, not {other}", tip)
    old, now = (
        {entry["name"]: entry for entry in config.space.describe()["param_list"]}  # type: ignore[attr-defined]
        for config in (recorded, new)
    )
    names = [name for name in {**old, **now} if old.get(name) != now.get(name)]
    if names or list(old) != list(now):
        where = ", ".join(names) or "the order of the hyperparameters"
        raise UsageError(
            f"the run in {paths.shown} has another search space; they differ in: {where}", tip
        )


def _script(config: Config) -> str:
    return str(config.script_path.resolve()) if config.script else config.called


def _with_changes(
    recorded: Config, new: Config, options: Mapping[str, Any], paths: RunPaths
) -> Config:
    """Return the recorded config with the given options, and record lasting changes.

    Raise UsageError for a change that is not possible after the start.
    """
    found = {name: options[name] for name in described_changes(recorded, new) if name in options}
    for name in found:
        if name not in (*CHANGEABLE, *_OF_A_SESSION):
            was = recorded.option(name)
            why = f"cannot change in a run that was started with {getattr(was, 'value', was)}"
            raise UsageError(
                Mistake(name, why, found[name]), "leave it out, or choose another output_dir"
            )
    lasting = {name: value for name, value in found.items() if name not in _OF_A_SESSION}
    if lasting:
        apply_here(paths, new_request(SET, options=lasting))
    own = {name: new.option(name) for name in found if name in _OF_A_SESSION}
    return changed(known_config(paths), own)

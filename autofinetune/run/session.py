"""A run from its configuration to its result. Nothing here prints, handles signals or exits."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from autofinetune.assessors import ASSESSORS
from autofinetune.config.build import Names, build_config
from autofinetune.config.config import Config
from autofinetune.errors import AutofinetuneError, EnvironmentProblem
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import EXECUTORS, Engine, Executor, make_engine
from autofinetune.run.directories import locked, refuse_used_directory
from autofinetune.run.parts import Parts, make_parts
from autofinetune.run.preflight import check_script
from autofinetune.run.preload import imports_of
from autofinetune.run.prior import with_prior
from autofinetune.run.recognition import recognized, with_declared_options, without_asking
from autofinetune.run.result import Result, broken_inside
from autofinetune.run.tuner import Tuner
from autofinetune.run.whereabouts import new_name, own_name
from autofinetune.sinks import BestModel, KeepModels, Sink, SinkGuard, Tables, VisualDL
from autofinetune.store.journal import SqliteJournal, deleted
from autofinetune.store.paths import RunPaths, opened_run
from autofinetune.strategies import SCHEDULES, known_name
from autofinetune.world import World

Tell = Callable[[str], None]
MakeSinks = Callable[[Config, RunPaths, int], Sequence[Sink]]


def no_sinks(config: Config, paths: RunPaths, slots: int) -> Sequence[Sink]:
    """Return no sinks besides those that belong to every run."""
    return ()


class Session:
    """A run that is ready to go: its directory is locked and its script is checked.

    `begin` and `resumed` make one.

    Args:
        parts: its configuration, and what that names.
        paths: its files, which no other tuner writes.
        executor: where its trials run.
        sinks: those that are told first, before the tables, models and pages of every run.
        tell: takes sentences for people.
        is_new: whether its journal is still empty.
    """

    def __init__(
        self,
        parts: Parts,
        paths: RunPaths,
        executor: Executor,
        sinks: MakeSinks,
        tell: Tell,
        *,
        is_new: bool,
    ) -> None:
        config = parts.config
        self.config = config
        self.paths = paths
        self.is_new = is_new
        self.slots = len(parts.slots.places)
        self._executor = executor
        own = sinks(config, paths, self.slots)
        self._guard = SinkGuard([*own, *views(config, paths)], lambda why: tell(f"WARNING: {why}"))
        world = World(
            now=time.time,
            free_gb=lambda: shutil.disk_usage(paths.place.root).free / 2**30,
            notice=tell,
            sleep=time.sleep,
        )
        is_empty = not paths.journal.exists() or paths.journal.stat().st_size == 0
        self._journal = SqliteJournal(paths.journal, create=is_empty, notice=tell)
        self._tuner = Tuner(
            config,
            paths,
            self._journal,
            parts.strategy,
            EVALUATORS[config.evaluator](config, paths),
            executor,
            self._guard,
            world,
            parts.assessor,
        )

    def run(self) -> Result:
        """Work until the run is done, out of time, or interrupted.

        Raises:
            EnvironmentProblem: the machine does not allow it to continue; it can be resumed.
            InternalError: a part of it failed; the trace is in the output directory.
        """
        tuner, paths = self._tuner, self.paths
        try:
            if self.is_new:
                tuner.start(new_name())
            else:
                tuner.resume(functools.partial(own_name, paths))
            return Result(paths, tuner.run())
        except AutofinetuneError as error:
            tuner.fail(error.message)
            raise
        except OSError as error:
            tuner.fail(str(error))
            if paths.place.root.stat().st_nlink == 0:
                raise deleted(paths.at) from None
            raise EnvironmentProblem(
                f"the run stopped: {error}; running trials continue",
                f"mend it, then: autofinetune resume {paths.shown}",
            ) from error
        except Exception as error:
            tuner.fail(f"{type(error).__name__}: {error}")
            raise broken_inside(error, paths) from error

    def interrupt(self) -> None:
        """Once: start no more trials. Twice: ask running ones to end. Again: kill them.

        It may be called by a signal handler or another thread.
        """
        self._tuner.interrupt()

    @property
    def is_interrupted(self) -> bool:
        return self._tuner.interrupted

    def kill_all(self) -> None:
        """Kill what runs at once, without recording it; another thread may call it."""
        self._executor.kill_all()

    def close(self) -> None:
        """Close the journal and the views; trials that run go on running."""
        self._guard.close()
        self._journal.close()


def views(config: Config, paths: RunPaths) -> list[Sink]:
    """Return the sinks of every run, which follow from its journal.

    Old models go after best_model is safe.
    """
    return [
        BestModel(paths),
        KeepModels(config, paths, continues_models=EVALUATORS[config.evaluator].continues_models),
        Tables(config, paths),
        VisualDL(config, paths),
    ]


def configured(options: Mapping[str, Any]) -> Config:
    """Check the options of a new run.

    Args:
        options: by their names on the command line; absent ones have their defaults.

    Raises:
        ConfigError: all mistakes in the options, or in the search space.
        UsageError: a file that they name cannot be read.
    """
    return build_config(
        options,
        Names(known_name, EVALUATORS, SCHEDULES, ASSESSORS, EXECUTORS),
        working_dir=options.get("working_dir") or str(Path.cwd()),
        python=sys.executable,
        random_seed=secrets.randbelow(2**31),
    )


def engine_for(options: Mapping[str, Any]) -> Engine:
    """Return the engine that options ask for, before they are checked.

    It may ask its devices already, which takes a while.
    """
    name = str(options.get("executor") or "local").lower()
    return make_engine(name if name in EXECUTORS else "local", str(options.get("gpu") or ""))


def examined(config: Config, options: Mapping[str, Any], tell: Tell) -> Config:
    """Return the config as its script, read and not run, wants it, with what the run knows.

    Raises:
        UsageError: the script, or what `enqueue` and `warm_start` name, cannot be used.
    """
    may_change = options.get("evaluator") is None
    config = recognized(config, os.environ, tell, may_change_evaluator=may_change)
    config = with_prior(config, options, tell)
    if config.nni_wire and not config.program.command:
        config = with_declared_options(config)
    return config


def new_paths(output_dir: str | os.PathLike[str] | None) -> RunPaths:
    """Return where a new run lies: by default in a directory named after the time."""
    stamp = datetime.now().strftime("%Y%m%d_%H%M%S")
    return RunPaths(Path(output_dir or f"output_{stamp}").absolute())


@contextlib.contextmanager
def begin(
    parts: Parts,
    paths: RunPaths,
    *,
    sinks: MakeSinks = no_sinks,
    tell: Tell,
    preflight: bool = True,
) -> Iterator[Session]:
    """Prepare a new run; the session that is yielded has not started it yet.

    Args:
        parts: of `make_parts`.
        paths: its files, see `new_paths`.
        sinks: makes those that are told besides the ones of every run.
        tell: takes sentences for people.
        preflight: whether the script is asked for its options first.

    Raises:
        UsageError: the directory holds a run, or the script lacks options.
        DirectoryBusy: another tuner is at work there.
        EnvironmentProblem: the directory cannot be used.
    """
    config, engine, slots = parts.config, parts.engine, parts.slots
    with opened_run(paths.at) as found:
        refuse_used_directory(found)
    for note in slots.notes:
        tell(note)
    with _executor(config, parts, tell) as executor:  # it imports while the script is asked
        if preflight and not config.nni_wire:
            config = check_script(config, {**os.environ, **slots.places[0].env}, tell)
        elif config.script_options is None:
            config = without_asking(config, os.environ)
        ready = Parts(config, engine, slots, parts.strategy, parts.assessor)
        with locked(paths.at) as found:
            refuse_used_directory(found)  # again: another run may have been faster
            session = Session(ready, found, executor, sinks, tell, is_new=True)
            with contextlib.closing(session):
                yield session


@contextlib.contextmanager
def resumed(
    config: Config,
    paths: RunPaths,
    engine: Engine,
    *,
    sinks: MakeSinks = no_sinks,
    tell: Tell,
) -> Iterator[Session]:
    """Prepare to continue a run whose directory is locked already.

    Args:
        config: as recorded, with what is different from here on.
        paths: its files, of `locked`.
        engine: where its trials run.
        sinks, tell: as for `begin`.
    """
    parts = make_parts(config, engine)
    for note in parts.slots.notes:
        tell(note)
    with _executor(config, parts, tell) as executor:
        session = Session(parts, paths, executor, sinks, tell, is_new=False)
        with contextlib.closing(session):
            yield session


@contextlib.contextmanager
def _executor(config: Config, parts: Parts, tell: Tell) -> Iterator[Executor]:
    imports, note = imports_of(config)
    if note:
        tell(f"preload: {note}")
    with parts.engine.opened(config, parts.slots, imports, tell) as executor:
        yield executor

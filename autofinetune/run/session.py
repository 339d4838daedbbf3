"""A run from its configuration to its result, without printing, signal handling or exits."""

from __future__ import annotations

import contextlib
import dataclasses
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

from autofinetune.config.build import build_config
from autofinetune.config.config import Config, engine_of
from autofinetune.errors import AutofinetuneError, EnvironmentProblem
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import EXECUTORS, Engine, Executor, engine_called
from autofinetune.run.control import Control
from autofinetune.run.directories import KNOWN, locked, refuse_used_directory
from autofinetune.run.parts import Parts, imports_of
from autofinetune.run.preflight import check_script
from autofinetune.run.prior import with_prior
from autofinetune.run.recognition import recognized, with_declared_options, without_asking
from autofinetune.run.result import Result, broken_inside
from autofinetune.run.tuner import Tuner
from autofinetune.run.whereabouts import new_name, own_name
from autofinetune.sinks import (
    BestModel,
    KeepModels,
    Notify,
    Sink,
    SinkGuard,
    Tables,
    Waits,
    log_sinks,
    store_sinks,
)
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.journal_files import deleted
from autofinetune.store.paths import RunPaths, opened_run
from autofinetune.strategies import known_name
from autofinetune.world import World

Tell = Callable[[str], None]
MakeSinks = Callable[[Config, RunPaths, int], Sequence[Sink]]


class Session:
    """A run that is ready to start: its directory is locked and its script is checked.

    `begin` and `resumed` create one. `sinks` makes those that come before the tables, models and
    pages of every run.
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
        own = [*sinks(config, paths, self.slots), Waits(paths)]

        def warn(why: str) -> None:
            tell(f"WARNING: {why}")

        hooks = [Notify(config, paths, warn)] if config.on_end or config.on_best else []
        self._guard = SinkGuard([*own, *views(config, paths, warn), *hooks], warn)
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
            EVALUATORS[config.evaluator](config),
            executor,
            self._guard,
            world,
            parts.assessor,
            Control(paths, parts.engine, executor, time.time, tell),
        )

    def run(self) -> Result:
        """Work until the run is done, out of time, or interrupted.

        Raise EnvironmentProblem if the machine prevents it from continuing, so that it has to be
        resumed; InternalError if a part of it failed, with the traceback in the output directory.
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
                f"fix the cause, then run: autofinetune resume {paths.shown}",
            ) from error
        except Exception as error:
            tuner.fail(f"{type(error).__name__}: {error}")
            raise broken_inside(error, paths) from error
        finally:
            self._guard.close()  # what sinks show is complete when the result is

    def interrupt(self) -> None:
        """First call: start no more trials. Second: ask running ones to end. Third: kill them.

        Safe to call from a signal handler or another thread.
        """
        self._tuner.interrupt()

    @property
    def is_interrupted(self) -> bool:
        return self._tuner.interrupted

    def kill_all(self) -> None:
        """Kill all running trials immediately, unrecorded; safe to call from another thread."""
        self._executor.kill_all()

    def close(self) -> None:
        """Close the journal and the sinks; running trials continue."""
        self._guard.close()
        self._journal.close()


def views(config: Config, paths: RunPaths, warn: Callable[[str], None]) -> list[Sink]:
    """Return the sinks of every run, of `--log_to` and of `--store`, all derived from its journal.

    Old models are removed only after best_model is complete.
    """
    return [
        BestModel(paths),
        KeepModels(config, paths, EVALUATORS[config.evaluator](config).possible_parents),
        Tables(config, paths),
        *log_sinks(config, paths),
        *store_sinks(config, paths, warn),
    ]


def configured(options: Mapping[str, Any]) -> Config:
    """Check the options of a new run; absent ones get their defaults.

    Raise ConfigError with all mistakes, UsageError if a file named by an option cannot be read.
    """
    return build_config(
        options,
        KNOWN,
        known_name,
        working_dir=options.get("working_dir") or str(Path.cwd()),
        python=sys.executable,
        random_seed=secrets.randbelow(2**31),
    )


def engine_for(options: Mapping[str, Any]) -> Engine:
    """Return the engine for options, which may not be checked yet.

    It may already start to query its devices, which takes a while.
    """
    name = str(options.get("executor") or "local").lower()
    is_known = engine_of(name) in EXECUTORS
    return engine_called(name if is_known else "local", str(options.get("gpu") or ""))


def examined(config: Config, options: Mapping[str, Any], tell: Tell) -> Config:
    """Return the config adapted to its script, which is read and not run, with prior knowledge.

    Raise UsageError if the script, or a file or run in `enqueue` or `warm_start`, cannot be used.
    """
    may_change = options.get("evaluator") is None
    config = recognized(config, os.environ, tell, may_change_evaluator=may_change)
    config = with_prior(config, options, tell)
    if config.nni_wire and not config.program.command:
        config = with_declared_options(config)
    return config


def new_paths(output_dir: str | os.PathLike[str] | None) -> RunPaths:
    """Return the paths of a new run, by default in a directory named after the time."""
    stamp = datetime.now().strftime("%Y%m%d_%H%M%S")
    return RunPaths(Path(output_dir or f"output_{stamp}").absolute())


@contextlib.contextmanager
def begin(
    parts: Parts,
    paths: RunPaths,
    *,
    sinks: MakeSinks,
    tell: Tell,
    preflight: bool,
    prepare: Callable[[RunPaths], None] | None = None,
) -> Iterator[Session]:
    """Prepare a new run; the session that is yielded has not started it yet.

    With `preflight` the options of the script are checked with `--help` first. `prepare` writes
    what the run needs into its directory, which is locked then.

    Raises:
        UsageError: the directory holds a run, or the script lacks options.
        DirectoryBusy: another tuner is using the directory.
        EnvironmentProblem: the directory cannot be used.
    """
    config = parts.config
    with opened_run(paths.at) as found:
        refuse_used_directory(found)
    with _executor(parts, tell) as executor:  # it preloads during the preflight
        if preflight and not config.nni_wire:
            config = check_script(config, {**os.environ, **parts.slots.places[0].env}, tell)
        elif config.script_options is None:
            config = without_asking(config, os.environ)
        ready = dataclasses.replace(parts, config=config)
        with locked(paths.at) as found:
            refuse_used_directory(found)  # again: another run may have started meanwhile
            if prepare is not None:
                prepare(found)
            session = Session(ready, found, executor, sinks, tell, is_new=True)
            with contextlib.closing(session):
                yield session


@contextlib.contextmanager
def resumed(parts: Parts, paths: RunPaths, *, sinks: MakeSinks, tell: Tell) -> Iterator[Session]:
    """Prepare to continue a run whose directory is already locked."""
    with _executor(parts, tell) as executor:
        session = Session(parts, paths, executor, sinks, tell, is_new=False)
        with contextlib.closing(session):
            yield session


@contextlib.contextmanager
def _executor(parts: Parts, tell: Tell) -> Iterator[Executor]:
    for note in parts.slots.notes:
        tell(note)
    imports, note = imports_of(parts.config)
    if note:
        tell(f"preload: {note}")
    with parts.engine.opened(parts.config, parts.slots, imports, tell) as executor:
        yield executor

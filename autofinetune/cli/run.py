"""`autofinetune run`, `resume` and `rebuild`: start a run, resume it, or rebuild its files."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune import terminal
from autofinetune.cli.detach import Background, fork
from autofinetune.cli.options import Parser, add_option, parse_run
from autofinetune.cli.words import announce, conclude, note, show_plan
from autofinetune.config.changed import changed
from autofinetune.config.config import Config
from autofinetune.config.options import OPTIONS
from autofinetune.core.run_state import INTERRUPTED
from autofinetune.core.state import State
from autofinetune.errors import UsageError
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import engine_called
from autofinetune.run.directories import known_config, locked_run
from autofinetune.run.function import at_home
from autofinetune.run.parts import Parts, make_parts
from autofinetune.run.preflight import check_is_there
from autofinetune.run.requests import CONTINUE, new_request
from autofinetune.run.session import (
    MakeSinks,
    Session,
    begin,
    configured,
    engine_for,
    examined,
    new_paths,
    resumed,
    views,
)
from autofinetune.run.signals import SIGNALS, signals_to
from autofinetune.run.sources import Source, source_of_run
from autofinetune.run.steering import is_paused, steer
from autofinetune.sinks import Sink, SinkGuard
from autofinetune.sinks.live.sink import on_console
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from autofinetune.store.standing import read_standing
from autofinetune.visible import visible


def run_command(argv: Sequence[str]) -> int:
    """Start a new run and return the exit code."""
    given = parse_run(argv)
    background = fork() if given.pop("detach", False) else None
    if isinstance(background, int):
        return background
    return run_source(source_of_run(given, note), background)


def run_source(source: Source, background: Background | None) -> int:
    """Start a run with these options and return the exit code."""
    options = source.options
    with engine_for(options) as engine, source.mistakes():
        config = configured(options)
        _note_idle_options(config, source)
        for sentence in () if source.is_told else config.space.notes:
            terminal.tell(f"note: {sentence}")
        paths = new_paths(options.get("output_dir"))
        config = examined(config, options, terminal.tell)
        parts = make_parts(config, engine)
        if options.get("dry_run"):
            show_plan(parts, paths)
            return 0
        asks, is_plain = not options.get("skip_preflight"), bool(options.get("plain"))
        return start(parts, paths, preflight=asks, is_plain=is_plain, background=background)


def _note_idle_options(config: Config, source: Source) -> None:
    """Print a note for each option that matters only when trials continue models."""
    if EVALUATORS[config.evaluator].continues_models:
        return
    for name in ("warm_args", "exploit"):
        if name in source.options and name not in source.origins:
            terminal.tell(f"note: --{name} has no effect with --evaluator={config.evaluator}, "
                          "which does not continue models")  # fmt: skip


def add_new_run(parser: Parser) -> None:
    """Add the options of a command that trains trials of a run again in a new run."""
    parser.add_argument("--output_dir", "--output-dir", dest="to", metavar="DIR",
                        help="where results go (default output_<time>)")  # fmt: skip
    parser.add_argument("--gpu", metavar="IDS", help="slots to use (default: as recorded)")


def start_again(config: Config, gpu: str | None, output_dir: str | None) -> tuple[int, RunPaths]:
    """Start a run with a recorded configuration; return the exit code and the paths of the run.

    The store of the recorded run stays its own.
    """
    config = dataclasses.replace(config, store="")
    if gpu:
        config = dataclasses.replace(config, gpu=gpu)
    check_is_there(config)
    paths = new_paths(output_dir)
    with engine_called(config.executor, config.gpu) as engine:
        return start(make_parts(config, engine), paths, preflight=False), paths


def start(
    parts: Parts,
    paths: RunPaths,
    *,
    preflight: bool,
    is_plain: bool = False,
    background: Background | None = None,
) -> int:
    """Start a run and return the exit code."""
    sinks = _shown_on_console(is_plain=is_plain, background=background)
    with begin(parts, paths, sinks=sinks, tell=terminal.tell, preflight=preflight) as session:
        return _work(session)


def resume_command(argv: Sequence[str]) -> int:
    """Resume the run in a directory and return the exit code."""
    parser = Parser(
        "resume",
        description="Continue a run that was stopped, was killed, or is paused.",
    )
    parser.add_argument("output_dir", help="the directory of the run")
    for name in ("gpu", "trials_per_gpu", "cpus_per_trial", "max_parallel", "max_seconds",
                 "store", "store_wait", "secrets"):  # fmt: skip
        add_option(parser, OPTIONS[name], f"{OPTIONS[name].text} (default: as recorded)")
    add_option(parser, OPTIONS["plain"])
    add_option(parser, OPTIONS["detach"])
    options = vars(parser.parse_args(argv))
    directory = options.pop("output_dir")
    is_plain, detaches = options.pop("plain"), options.pop("detach")
    given = {name: value for name, value in options.items() if value is not None}
    if _continue_paused(directory, given):
        return 0
    background = fork() if detaches else None
    if isinstance(background, int):
        return background
    sinks = _shown_on_console(is_plain=is_plain, background=background)
    with locked_run(directory) as paths:
        config = at_home(changed(known_config(paths), given), paths)
        check_is_there(config)
        with (
            engine_for(vars(config)) as engine,
            resumed(make_parts(config, engine), paths, sinks=sinks, tell=terminal.tell) as session,
        ):
            return _work(session)


def _continue_paused(directory: str, given: Mapping[str, Any]) -> bool:
    """Continue the run if its tuner is paused; return whether it was."""
    if not is_paused(Path(directory)):
        return False
    if given:
        raise UsageError(
            f"{directory} is paused and its tuner is running, so --{next(iter(given))} has no "
            "effect here",
            f"use: autofinetune set {directory} KEY=VALUE, then: autofinetune resume {directory}",
        )
    steer(Path(directory), new_request(CONTINUE))
    terminal.out(f"{directory} continues: trials start again")
    return True


def rebuild_command(argv: Sequence[str]) -> int:
    """Rewrite everything that is derived from the journal and return the exit code."""
    parser = Parser("rebuild")
    parser.add_argument("output_dir", help="the directory of a run")
    add_option(parser, OPTIONS["store"], "also bring what is missing into this store")
    add_option(parser, OPTIONS["secrets"])
    options = parser.parse_args(argv)
    with locked_run(options.output_dir) as paths:
        # Only to a store that the user names: the directory may come from somebody else.
        given = {"store": options.store or ""}
        if options.secrets is not None:
            given["secrets"] = options.secrets
        config = changed(known_config(paths), given)
        # Who rebuilds wants the rest in the store.
        seconds = max(config.store_wait, OPTIONS["store_wait"].default)
        config = dataclasses.replace(config, store_wait=seconds)
        state = State(config.direction)

        def warn(why: str) -> None:
            terminal.tell(f"WARNING: {why}")

        guard = SinkGuard(views(config, paths, warn), warn)
        with contextlib.closing(SqliteJournal(paths.journal)) as journal:
            for event in journal.events():
                state.apply(event)
                guard.replay(event, state)
        guard.finish(state)
        guard.close()
        stored = read_standing(paths) if options.store else None
    logs = ["visualization" if log == "visualdl" else log for log in config.log_to]
    what = ", ".join(["tables", "best_model", *logs])
    terminal.out(f"rebuilt from {state.ended} finished trials: {what}")
    if stored is not None:
        terminal.out(f"store {visible(stored.sentence())}")
    return 0


def _shown_on_console(*, is_plain: bool, background: Background | None) -> MakeSinks:
    def sinks(config: Config, paths: RunPaths, slots: int) -> Sequence[Sink]:
        shown = on_console(config, paths, sys.stdout, slots, is_plain=is_plain)
        return [*shown, *([background.sink(paths)] if background else [])]

    return sinks


def _work(session: Session) -> int:
    """Run a session until it ends or a signal stops it, and return the exit code."""
    with signals_to(session.interrupt, session.kill_all) as arrived:
        if session.is_new:
            announce(session.config, session.paths, session.slots)
        state = session.run().history
    # A signal that arrived after the last trial ended did not stop the run.
    is_stopped = session.is_interrupted and state.end_reason in (INTERRUPTED, None)
    by = signal.Signals(arrived[-1]) if arrived else signal.SIGINT  # or by `autofinetune stop`
    stopped = SIGNALS[by] if is_stopped else 0
    return conclude(state, session.paths, stopped)

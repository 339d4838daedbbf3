"""`autofinetune run` and `autofinetune resume`: builds the parts of a run and lets it work."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from autofinetune.assessors import ASSESSORS, NO_ASSESSOR, Assessor
from autofinetune.cli.options import Parser, parse_run
from autofinetune.cli.signals import SIGNALS, signals_to
from autofinetune.cli.sources import Source, source_of_run
from autofinetune.config.build import Names, build_config
from autofinetune.config.config import DESCRIBED_IN, Config
from autofinetune.config.placement import read_placement
from autofinetune.core.run_state import INTERRUPTED
from autofinetune.core.state import State
from autofinetune.errors import (
    AutofinetuneError,
    ConfigError,
    EnvironmentProblem,
    UsageError,
)
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import CardProbe, ForkServer, LocalExecutor, Slots
from autofinetune.run.directories import (
    holds_run,
    locked,
    of_the_journal,
    recorded_config,
    refuse_used_directory,
)
from autofinetune.run.parts import make_assessor, make_strategy, slots_of
from autofinetune.run.preflight import check_is_there, check_script
from autofinetune.run.preload import described_steps, fork_server, trial_environment
from autofinetune.run.prior import read_earlier, read_enqueued
from autofinetune.run.recognition import recognized, with_declared_options, without_asking
from autofinetune.run.tuner import Tuner
from autofinetune.run.whereabouts import new_name, own_name
from autofinetune.run.words import (
    announce,
    broken_inside,
    conclude,
    say,
    say_all,
    show_plan,
    shown,
    warn,
)
from autofinetune.sinks import (
    BestModel,
    Console,
    KeepModels,
    Sink,
    SinkGuard,
    Tables,
    VisualDL,
)
from autofinetune.store.journal import SqliteJournal, deleted
from autofinetune.store.paths import RunPaths, opened_run
from autofinetune.strategies import SCHEDULES, Strategy, known_name
from autofinetune.world import World


def run_command(argv: Sequence[str]) -> int:
    """Start a new run; returns the exit code."""
    source = source_of_run(parse_run(argv))
    # The driver is asked at once and wakes up while we go on.
    with CardProbe(str(source.options.get("gpu") or "")) as probe:
        return _start(source, probe)


def _start(source: Source, probe: CardProbe) -> int:
    options = source.options
    with source.mistakes():
        config = build_config(
            options,
            Names(known_name, EVALUATORS, SCHEDULES, {*ASSESSORS, NO_ASSESSOR}),
            working_dir=options.get("working_dir") or str(Path.cwd()),
            python=sys.executable,
            random_seed=secrets.randbelow(2**31),
        )
        _note_idle_options(config, source)
        say_all([] if source.is_told else [f"note: {note}" for note in config.space.notes])
        paths = new_paths(options.get("output_dir"))
        config = recognized(
            config, os.environ, may_change_evaluator=options.get("evaluator") is None
        )
        return start_config(
            _with_prior(config, options),
            paths,
            probe,
            dry_run=bool(options.get("dry_run")),
            preflight=not options.get("skip_preflight"),
        )


def _note_idle_options(config: Config, source: Source) -> None:
    """Of what was typed and is for the continuing of models only."""
    if EVALUATORS[config.evaluator].continues_models:
        return
    for name in ("warm_args", "exploit"):
        if name in source.options and name not in source.origins:
            say_all([f"note: --{name} has no effect with --evaluator={config.evaluator}, which "
                     "continues no models"])  # fmt: skip


def new_paths(output_dir: str | None) -> RunPaths:
    """Where a new run lies; in a directory named after the time by default."""
    stamp = datetime.now().strftime("%Y%m%d_%H%M%S")
    return RunPaths(Path(output_dir or f"output_{stamp}").absolute())


def start_config(
    config: Config,
    paths: RunPaths,
    probe: CardProbe,
    *,
    dry_run: bool = False,
    preflight: bool = True,
) -> int:
    """Begin the run of a checked configuration; returns the exit code."""
    if config.nni_wire and not config.program.command:
        config = with_declared_options(config)
    # Their options are checked before anything is written.
    strategy, assessor = make_strategy(config), make_assessor(config)
    slots = slots_of(config, config.gpu, probe)
    if dry_run:
        show_plan(config, paths, slots, strategy, described_steps(config))
        return 0
    with opened_run(paths.at) as found:
        refuse_used_directory(found)
    say_all(slots.notes)
    with fork_server(config, slots) as forks:  # it imports while the script is asked
        if preflight and not config.nni_wire:
            config = check_script(config, {**os.environ, **slots.places[0].env})
        elif config.script_options is None:
            config = without_asking(config, os.environ)
        with locked(paths.at) as found:
            refuse_used_directory(found)  # again: another run may have been faster
            return _work(config, found, slots, probe, forks, strategy, assessor, is_new=True)


def resume_command(argv: Sequence[str]) -> int:
    """Go on with the run in a directory; returns the exit code."""
    parser = Parser(prog="autofinetune resume", description=__doc__, allow_abbrev=False)
    parser.add_argument("output_dir", help="the directory of the run")
    parser.add_argument("--gpu", metavar="IDS", help="other slots than the run began with")
    for name in ("trials_per_gpu", "cpus_per_trial", "max_parallel"):
        spellings = (f"--{name}", f"--{name.replace('_', '-')}")
        parser.add_argument(*spellings, metavar="N", help="another number than the run began with")
    parser.add_argument(
        "--max_seconds", "--max-seconds", metavar="SECONDS", type=float,
        help="another limit than the run began with, all its work so far included",
    )  # fmt: skip
    options = parser.parse_args(list(argv))
    directory = Path(options.output_dir).absolute()
    with opened_run(directory) as paths:
        if not holds_run(paths):
            raise UsageError(
                f"{options.output_dir} holds no run (there is no {paths.journal.name} with "
                "events)",
                "give the output directory of a run, or start one: autofinetune train.py "
                "--param_file=hparam.yaml --gpu=0,1 --output_dir=result",
            )
    with locked(directory) as paths:
        with of_the_journal(paths):
            config = _known(recorded_config(paths))
        config = _with_placement(config, vars(options))
        check_is_there(config)
        if options.max_seconds is not None:
            if not 0 < options.max_seconds < math.inf:
                raise UsageError(
                    f"--max_seconds={options.max_seconds:g} must be a number of seconds above 0"
                )
            config = dataclasses.replace(config, max_seconds=options.max_seconds)
        gpu = options.gpu or config.gpu
        with CardProbe(gpu) as probe:
            slots = slots_of(config, gpu, probe)
            say_all(slots.notes)
            with fork_server(config, slots) as forks:
                strategy, assessor = make_strategy(config), make_assessor(config)
                return _work(config, paths, slots, probe, forks, strategy, assessor, is_new=False)


def rebuild_command(argv: Sequence[str]) -> int:
    """Write everything that follows from the journal anew; returns the exit code."""
    parser = Parser(prog="autofinetune rebuild", allow_abbrev=False)
    parser.add_argument("output_dir", help="the directory of a run")
    directory = Path(parser.parse_args(list(argv)).output_dir).absolute()
    with opened_run(directory) as paths:
        if not holds_run(paths):
            raise UsageError(f"{shown(paths)} holds no run", "give the output directory of a run")
    with locked(directory) as paths:
        with of_the_journal(paths):
            config = _known(recorded_config(paths))
        state = State(config.direction)
        guard = SinkGuard(_views(config, paths), warn)
        with contextlib.closing(SqliteJournal(paths.journal)) as journal:
            for event in journal.events():
                state.apply(event)
                guard.replay(event, state)
        guard.flush(state)
        guard.close()
    say(f"rebuilt from {state.ended} finished trials: tables, best_model, visualization")
    return 0


# --- before the run -----------------------------------------------------------------------------


def _known(config: Config) -> Config:
    """The same; raises ConfigError where it names parts that there are not."""
    for what, found, known in (
        ("evaluator", config.evaluator, EVALUATORS),
        ("schedule", config.schedule, SCHEDULES),
        ("assessor", config.assessor, {*ASSESSORS, NO_ASSESSOR}),
    ):
        if found not in known:
            mistake = f"{what}: {found!r:.60} is unknown; use one of: {', '.join(known)}"
            raise ConfigError(DESCRIBED_IN, [mistake])
    return config


def _with_placement(config: Config, options: Mapping[str, Any]) -> Config:
    """What a resumed run is given otherwise than it began."""
    given = {name: value for name, value in options.items() if value is not None}
    mistakes: list[str] = []
    placement = read_placement({**config.placement.describe(), **given}, mistakes.append)
    if mistakes:
        raise ConfigError("the command line", mistakes)
    return dataclasses.replace(config, placement=placement)


def _with_prior(config: Config, options: Mapping[str, Any]) -> Config:
    """What `--enqueue` and `--warm_start` name becomes a part of the run."""
    if options.get("enqueue"):
        file = Path(config.working_dir, str(options["enqueue"]))
        config = dataclasses.replace(config, enqueued=tuple(read_enqueued(file, config.space)))
    runs = []
    for name in filter(None, str(options.get("warm_start") or "").split(",")):
        earlier = read_earlier(Path(config.working_dir, name), config.space, config.direction)
        say(f"warm start: {len(earlier)} trials of {name} fit this space")
        runs.append(tuple({"params": k.params, "merit": k.merit} for k in earlier))
    return dataclasses.replace(config, earlier=tuple(runs)) if runs else config


# --- the run ------------------------------------------------------------------------------------


def _work(
    config: Config,
    paths: RunPaths,
    slots: Slots,
    probe: CardProbe,
    forks: ForkServer | None,
    strategy: Strategy,
    assessor: Assessor | None,
    *,
    is_new: bool,
) -> int:
    evaluator = EVALUATORS[config.evaluator](config, paths)
    executor = LocalExecutor(
        slots.places,
        trial_environment(),
        trials_outlive_us=config.safety.on_tuner_death == "adopt",
        look_at_cards=probe.look,
        min_free_gpu_gb=config.safety.min_free_gpu_gb,
        lease_dir=str(Path(config.working_dir, config.safety.lease_dir))
        if config.safety.lease_dir
        else "",
        forks=forks,
        notice=lambda sentence: say_all([sentence]),
    )
    console = Console(config, paths, sys.stdout, len(slots.places))
    guard = SinkGuard([console, *_views(config, paths)], warn)
    world = World(
        now=time.time,
        free_gb=lambda: shutil.disk_usage(paths.place.root).free / 2**30,
        notice=lambda sentence: say_all([sentence]),
        sleep=time.sleep,
    )
    is_empty = not paths.journal.exists() or paths.journal.stat().st_size == 0
    journal = SqliteJournal(paths.journal, create=is_empty, notice=say)
    tuner = Tuner(config, paths, journal, strategy, evaluator, executor, guard, world, assessor)
    with contextlib.ExitStack() as stack:
        for part in (journal, executor, guard):
            stack.callback(part.close)
        arrived = stack.enter_context(signals_to(tuner.interrupt, executor.kill_all))
        try:
            if is_new:
                announce(config, paths, len(slots.places))
                tuner.start(new_name())
            else:
                tuner.resume(functools.partial(own_name, paths))
            state = tuner.run()
        except AutofinetuneError as error:
            tuner.fail(error.message)
            raise
        except OSError as error:
            tuner.fail(str(error))
            if paths.place.root.stat().st_nlink == 0:
                raise deleted(paths.at) from None
            raise EnvironmentProblem(
                f"the run stopped: {error}; running trials continue",
                f"mend it, then: autofinetune resume {shown(paths)}",
            ) from error
        except Exception as error:
            tuner.fail(f"{type(error).__name__}: {error}")
            raise broken_inside(error, paths) from error
    # A signal that came when the last trial was over has stopped nothing.
    is_stopped = tuner.interrupted and state.end_reason in (INTERRUPTED, None)
    stopped = SIGNALS[signal.Signals(arrived[-1])] if is_stopped else 0
    return conclude(state, paths, stopped)


def _views(config: Config, paths: RunPaths) -> list[Sink]:
    """The sinks that follow from the journal; old models go after best_model is safe."""
    return [
        BestModel(paths),
        KeepModels(config, paths, continues_models=EVALUATORS[config.evaluator].continues_models),
        Tables(config, paths),
        VisualDL(config, paths),
    ]

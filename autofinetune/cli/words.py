"""Console messages of a run: its plan, its start, and its outcome."""

from __future__ import annotations

import contextlib
import shlex

from autofinetune.config.commands import MODEL_OPTIONS, is_shell_line
from autofinetune.config.config import MOST_TRIALS, Config
from autofinetune.config.described import described_values, planned
from autofinetune.config.program import masked
from autofinetune.core.lineage import chain_of
from autofinetune.core.run_state import TIMEOUT
from autofinetune.core.state import State, Trial
from autofinetune.evaluators import Commands
from autofinetune.run.parts import Parts, imports_of
from autofinetune.run.result import problem_of
from autofinetune.sinks import LOGS
from autofinetune.space import as_text
from autofinetune.store.paths import RunPaths
from autofinetune.terminal import err, out, tell
from autofinetune.trial.report import PARAMS_VARIABLE
from autofinetune.visible import visible, visible_lines

EXIT_TIMEOUT = 6


def announce(config: Config, paths: RunPaths, slots: int) -> None:
    """Print what the run is about to do, and on how many slots."""
    many = config.repeats > 1
    each = f"{config.popsize} configurations, each {config.repeats} times," if many else ""
    whole = f"{config.round} rounds of {each or f'{config.popsize} trials'}"
    if config.max_trials is not None:
        whole = f"{config.max_trials} trial{'s' if config.max_trials != 1 else ''}"
        if config.max_trials == MOST_TRIALS:
            whole = "an unlimited number of trials"
    if config.name:
        out(f"run {config.name}")
    out(
        f"{whole} by {config.tuning_strategy}, {config.evaluator}, seed {config.seed}, "
        f"on {slots} slot{'s' if slots != 1 else ''}; "
        f"output in {paths.shown}/"
    )
    trials = config.popsize * config.repeats
    idle = -trials % slots  # at the end of a round: 2 for six trials on four slots
    if idle and config.schedule == "round":
        out(
            f"note: {trials} trials on {slots} slots leave {idle} "
            f"slot{'s' if idle != 1 else ''} idle at the end of each round; "
            "choose a --popsize that is a multiple of the slots"
        )


def note(sentence: str) -> None:
    """Print a note about an input file to standard error."""
    err(f"note: {visible_lines(sentence)}")


def show_plan(parts: Parts, paths: RunPaths) -> None:
    """Print the search space, the slots and the first commands, for `--dry_run`."""
    config, slots = parts.config, parts.slots
    out("search space:")
    for part in (*config.space, *config.space.constants):
        entry = config.space.describe_one(part)
        name, kind = entry.pop("name"), entry.pop("type")
        out(f"  {name}: {kind}, " + ", ".join(f"{key} {value}" for key, value in entry.items()))
    announce(config, paths, len(slots.places))
    for line in (*slots.notes, *slots.describe()):
        tell(line)
    imports, left_out = imports_of(config)
    steps = ", ".join(imports.steps) if imports else ""
    if steps or left_out:
        out(f"preload: {'; '.join(filter(None, [steps, left_out]))}")
    commands = Commands(config, paths)
    out("first commands:")
    for c in parts.strategy.ask(min(config.popsize * config.repeats, config.planned)):
        trial = Trial(c.id, c.round, c.member, c.params, parent=None)
        command = shlex.join(masked(commands.command(trial, None)))
        if config.nni_wire:
            params = commands.environment(trial, None)[PARAMS_VARIABLE]
            command = f"{PARAMS_VARIABLE}={shlex.quote(params)} {command}"
        out(f"  {command}")
    if any(MODEL_OPTIONS in c and not is_shell_line(c) for c in config.program.commands):
        out("note: a trial gets only those of these options that --help of its command lists")


def conclude(state: State, paths: RunPaths, stopped: int) -> int:
    """Print the outcome of the run and return the exit code.

    `stopped` is the exit code for the signal that stopped the run, or 0. If the run failed, raise
    the error of `problem_of`.
    """
    directory = paths.shown
    if state.best is not None:
        out("The final best hyperparameters:")
        for name, value in state.best.params.items():
            out(f"{name}={visible(as_text(value))}")
        out(f"The final best eval score is {state.best.score!r}.")
        if state.best.has_model and not paths.best_model.is_dir():
            out("The model of the best trial could not be copied to best_model; see above.")
        elif state.best.has_model:
            out(f"The final best model parameters are saved as {directory}/best_model .")
        else:
            out("The best trial saved no model, so there is no best_model.")
        if (trials := len(chain_of(state, state.best))) > 1:
            out(f"Its model was trained by {trials} successive trials with different "
                f"hyperparameters: autofinetune lineage {directory}")  # fmt: skip
            out(f"To train them again from scratch: autofinetune replay {directory}")
        if paths.visualization.is_dir():
            out(f"To see the whole run: autofinetune dashboard {directory}")
    if saved := state.spent.in_words():
        out(f"Early stopping: {saved}; {state.spent.stopped} trials were stopped.")
    _show_next_steps(state, paths)
    if stopped:
        out(f"Stopped. To continue: autofinetune resume {directory}")
        return stopped
    if state.end_reason == TIMEOUT:
        out(
            f"Time limit reached after {state.active_seconds:.0f} s; {state.ended} of "
            f"{planned(described_values(state.config))} trials finished. "
            f"To continue: autofinetune resume {directory} --max_seconds=<more>"
        )
        return EXIT_TIMEOUT
    if error := problem_of(state, paths):
        raise error
    return 0


def _show_next_steps(state: State, paths: RunPaths) -> None:
    """Print how to look at the run in each tool that it was logged to."""
    for log in described_values(state.config)["log_to"]:
        if (paths.root / log).is_dir():
            with contextlib.suppress(KeyError):  # a tool of a package that is gone
                if line := LOGS.load(log).next_step(log, paths.shown):
                    out(line)

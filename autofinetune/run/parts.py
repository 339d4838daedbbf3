"""Create the parts of a run that its configuration names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from autofinetune.assessors import AUTO, NO_ASSESSOR, Assessor, create_assessor
from autofinetune.config.config import Config
from autofinetune.errors import AutofinetuneError, InternalError, Mistake, UsageError
from autofinetune.evaluators import EVALUATORS, start_of_command
from autofinetune.executors import THREAD_VARIABLES, Engine, Imports, Slots
from autofinetune.preload.steps import NONE, steps_of
from autofinetune.sinks import check_libraries
from autofinetune.strategies import (
    Known,
    Repeated,
    Replay,
    Strategy,
    create_strategy,
    strategy_class,
)

_KNOW_CURVES = (
    "use --tuning_strategy=pshe2, hazero or gp with --evaluator=fulltrail and without --repeats; "
    "or another --assessor"
)
_EPOCHS = ("epochs", "num_epochs", "num_epoch", "n_epochs", "max_epochs", "num_train_epochs")


@dataclass(frozen=True)
class Parts:
    """The parts of a run, created and checked before anything is written."""

    config: Config
    engine: Engine
    slots: Slots
    strategy: Strategy
    assessor: Assessor | None


def make_parts(config: Config, engine: Engine) -> Parts:
    """Make the parts that a configuration names.

    Raise UsageError if an option of a part is invalid, or a device does not exist;
    EnvironmentProblem if a package that a part needs is not installed.
    """
    check_libraries(config)
    strategy = make_strategy(config)
    with one_thread(), _about("assessor"):
        assessor = make_assessor(config, strategy)
    with _about("gpu"):
        slots = engine.slots(config)
    return Parts(config, engine, slots, strategy, assessor)


def make_assessor(config: Config, strategy: Strategy) -> Assessor | None:
    """Make the assessor of a run; raise UsageError if it does not suit the strategy."""
    name, options = config.assessor, config.assessor_options
    if name == AUTO:
        name = "surrogate" if strategy.knows_curves else NO_ASSESSOR
        options = options if strategy.knows_curves else {}
    assessor = create_assessor(name, config.direction.value, options)
    if assessor is None or not assessor.asks_strategy:
        return assessor
    if not strategy.knows_curves:
        problem = Mistake("assessor", "needs a strategy that learns from reports", name)
        raise UsageError(problem, _KNOW_CURVES)
    if "max_steps" in assessor.options and not assessor.options["max_steps"]:
        assessor.options["max_steps"] = _epochs(config)
    return assessor


def _epochs(config: Config) -> int:
    """Return the number of epochs on the command line, which all trainings take, or 0."""
    for word in config.args:
        name, _, value = word.lstrip("-").partition("=")
        if name.replace("-", "_") in _EPOCHS and value.isdecimal():
            return int(value)
    return 0


def make_strategy(config: Config) -> Strategy:
    """Make the search; its linear algebra uses one core and leaves the others to the trials.

    Raise UsageError if an option is not allowed, InternalError if the strategy fails to start.
    """
    try:
        with one_thread(), _about("tuning_strategy"):
            return make_search(config)
    except AutofinetuneError:
        raise
    except Exception as error:
        raise InternalError(
            f"the strategy {config.tuning_strategy} failed to start: "
            f"{type(error).__name__}: {error}",
            "no trial was started; fix the strategy, or choose another --tuning_strategy",
        ) from error


def make_search(config: Config) -> Strategy:
    """Return a new search that includes the prior knowledge of the run.

    `--tuning_strategy`, `--repeats` and, if the evaluator continues models, `--exploit` determine
    which strategy it is and what wraps it. Raise UsageError if an option of it is wrong.
    """
    if config.replayed:
        replay = Replay(config.space, config.replayed)
        return Repeated(replay, config.repeats) if config.repeats > 1 else replay
    options = dict(config.strategy_options)
    kind = strategy_class(config.tuning_strategy)
    if "optimize_mode" in kind.OPTIONS:
        options["optimize_mode"] = config.direction.value
    continues = EVALUATORS[config.evaluator].continues_models
    is_training = continues and config.members_have_models
    if is_training and kind.names_parents:
        is_training = False  # the strategy already trains a population
        if config.safety.kept_models is not None:
            why = f"the strategy {config.tuning_strategy}, which may continue any model"
            raise UsageError(
                Mistake("keep_models", f"cannot be used with {why}", config.safety.keep_models),
                "keep all models: --keep_models=all",
            )
    strategy = create_strategy(
        config.tuning_strategy,
        config.space,
        popsize=1 if is_training else config.popsize,
        seed=config.seed,
        allow_repeats=continues,
        options=options,
        schedule="async" if is_training else config.schedule,
        rounds=None if is_training else config.round,
    )
    strategy.enqueue(config.enqueued)
    for run in config.earlier:
        strategy.remember([Known(known["params"], known["merit"]) for known in run])
    if is_training:
        # Imported late: it needs numpy, which a command with a mistake never uses.
        from autofinetune.strategies.continuing import ContinuedTraining
        from autofinetune.strategies.training import PopulationTraining

        training = ContinuedTraining if config.exploit == "surrogate" else PopulationTraining
        return training(strategy, config.popsize, config.schedule, config.round)
    return Repeated(strategy, config.repeats) if config.repeats > 1 else strategy


def imports_of(config: Config) -> tuple[Imports | None, str]:
    """Return what is imported once for all trials, and what of it is left out and why."""
    if config.preload == NONE:
        return None, ""
    if start_of_command(config) != (config.python, config.script):
        kind = "not a Python script" if config.script else "a custom command"
        return None, f"{config.called} is {kind}; its trials start without preloading"
    steps, note = steps_of(config.preload, config.script_path)
    if not steps:
        return None, note
    return Imports(config.python, config.script, config.working_dir, steps), note


@contextlib.contextmanager
def _about(option: str) -> Iterator[None]:
    """Attribute a UsageError raised inside to an option, unless it already names one."""
    try:
        yield
    except UsageError as error:
        error.about(option)
        raise


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit linear algebra libraries that are loaded inside to one core; more are not needed.

    The libraries read the environment when they are loaded. Afterwards it is restored, so trials
    are not affected.
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

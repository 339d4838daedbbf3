"""Create the parts of a run that its configuration names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from autofinetune.assessors import Assessor, create_assessor
from autofinetune.config.config import Config
from autofinetune.errors import AutofinetuneError, InternalError, UsageError
from autofinetune.executors import THREAD_VARIABLES, Engine, Slots
from autofinetune.run.search import make_search
from autofinetune.strategies import Strategy


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

    Raises:
        UsageError: an option of a part is invalid, or a device does not exist.
        EnvironmentProblem: a package that a part needs is not installed.
    """
    strategy, assessor = make_strategy(config), make_assessor(config)
    with _about("gpu"):
        slots = engine.slots(config)
    return Parts(config, engine, slots, strategy, assessor)


def make_strategy(config: Config) -> Strategy:
    """Make the search; its linear algebra uses one core and leaves the others to the trials.

    Raises:
        UsageError: an option of the strategy is unknown or out of range.
        InternalError: the strategy failed to start.
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


def make_assessor(config: Config) -> Assessor | None:
    """Make the assessor; None if no trial is to be stopped early."""
    with one_thread(), _about("assessor"):
        return create_assessor(config.assessor, config.direction.value, config.assessor_options)


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

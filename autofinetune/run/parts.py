"""The parts of a run that its configuration names, made as a run needs them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from autofinetune.assessors import Assessor, create_assessor
from autofinetune.config.config import Config
from autofinetune.errors import AutofinetuneError, InternalError, UsageError
from autofinetune.executors import THREAD_VARIABLES, CardProbe, Slots, find_slots
from autofinetune.run.search import make_search
from autofinetune.strategies import Strategy


def slots_of(config: Config, gpu: str, probe: CardProbe) -> Slots:
    """The places for trials on the devices `gpu`."""
    cores = sorted(os.sched_getaffinity(0))
    with _about("gpu"):
        return find_slots(gpu, os.environ, probe.first_cards(), config.placement, cores)


def make_strategy(config: Config) -> Strategy:
    """New; its linear algebra leaves the other cores to the trials."""
    try:
        with one_thread(), _about("tuning_strategy"):
            return make_search(config)
    except AutofinetuneError:
        raise
    except Exception as error:
        raise InternalError(
            f"the strategy {config.tuning_strategy} cannot begin: {type(error).__name__}: {error}",
            "nothing was started; mend the strategy, or choose another --tuning_strategy",
        ) from error


def make_assessor(config: Config) -> Assessor | None:
    """New; None for a run in which nothing is stopped."""
    with one_thread(), _about("assessor"):
        return create_assessor(config.assessor, config.direction.value, config.assessor_options)


@contextlib.contextmanager
def _about(option: str) -> Iterator[None]:
    """A mistake found inside is one in this option, unless it names another."""
    try:
        yield
    except UsageError as error:
        error.option = option
        raise


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra that is loaded inside uses one core: it is small, the others are the trials'.

    The libraries look at the environment when they are loaded; the trials get it as it was.
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

"""What makes the executor of a run, by the name in `--executor`."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable

from autofinetune.config.config import Config

from .base import Executor
from .devices.slots import Slots
from .local.forks import Imports


class Engine(ABC):
    """Knows the slots of a run before anything is started, and then runs its executor.

    Args:
        gpu: as typed, which may be wrong; a device may be asked already while it is checked.
    """

    def __init__(self, gpu: str = "") -> None:
        return

    @abstractmethod
    def slots(self, config: Config) -> Slots:
        """Find the places for trials; to be called once.

        Raises:
            UsageError: there are no such devices, or they cannot be divided so.
            EnvironmentProblem: the devices do not answer.
        """

    @abstractmethod
    def opened(
        self,
        config: Config,
        slots: Slots,
        imports: Imports | None,
        tell: Callable[[str], None],
    ) -> contextlib.AbstractContextManager[Executor]:
        """Return the executor as a context; what it holds is let go at its end.

        Args:
            config: of the run.
            slots: those that were found.
            imports: what trials may share in memory, if the engine can.
            tell: takes sentences for people.

        Raises:
            EnvironmentProblem: something that it needs cannot be made.
        """

    def close(self) -> None:
        """Let go of the devices."""
        return

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

"""The interface that makes the executor of a run; `--executor` names the engine."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable

from autofinetune.config.config import Config

from .base import Executor
from .devices.slots import Slots
from .local.forks import Imports


class Engine(contextlib.AbstractContextManager["Engine"]):
    """Finds the slots of a run before anything starts, then opens its executor.

    `gpu` is the value of `--gpu`; an engine may query devices while that is still being checked.
    """

    def __init__(self, gpu: str = "") -> None:
        return

    @abstractmethod
    def slots(self, config: Config) -> Slots:
        """Find the slots, again after options were changed if its executor can change slots.

        Raise UsageError if the devices do not exist or cannot be divided as asked,
        EnvironmentProblem if they do not answer.
        """

    @abstractmethod
    def opened(
        self,
        config: Config,
        slots: Slots,
        imports: Imports | None,
        tell: Callable[[str], None],
    ) -> contextlib.AbstractContextManager[Executor]:
        """Return the executor as a context manager, which releases it at the end.

        Trials may share the `imports` in memory, if the engine supports that; `tell` is called
        with messages for the user. Raise EnvironmentProblem if something cannot be created.
        """

    def close(self) -> None:
        """Release the devices."""
        return

    def __exit__(self, *error: object) -> None:
        self.close()

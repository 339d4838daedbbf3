"""The interface that makes the executor of a run; `--executor` names the engine."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable

from autofinetune.config.config import Config

from .base import Executor
from .devices.slots import Slots
from .local.forks import Imports


class Engine(ABC):
    """Finds the slots of a run before anything starts, then opens its executor.

    Args:
        gpu: the value of `--gpu`, not yet checked. An engine may already query devices while the
            value is being checked.
    """

    def __init__(self, gpu: str = "") -> None:
        return

    @abstractmethod
    def slots(self, config: Config) -> Slots:
        """Find the slots; call it once.

        Raises:
            UsageError: the devices do not exist, or cannot be divided as asked.
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
        """Return the executor as a context manager, which releases it at the end.

        Args:
            slots: what `slots` returned.
            imports: modules that trials may share in memory, if the engine supports that.
            tell: called with messages for the user.

        Raises:
            EnvironmentProblem: something that the executor needs cannot be created.
        """

    def close(self) -> None:
        """Release the devices."""
        return

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

"""No executor: the trials of the run are handed out by `autofinetune ask`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from autofinetune.config.config import Config
from autofinetune.errors import UsageError
from autofinetune.executors.base import Executor
from autofinetune.executors.devices.slots import Slots
from autofinetune.executors.engine import Engine
from autofinetune.executors.local.forks import Imports

_WHY = "the trials of this run are handed out by `autofinetune ask`; no tuner runs them"
_TIP = "use: autofinetune ask OUTPUT_DIR, and: autofinetune tell OUTPUT_DIR TRIAL SCORE"


class AskedEngine(Engine):
    """Refuses to run trials."""

    def slots(self, config: Config) -> Slots:
        raise UsageError(_WHY, _TIP)

    def opened(
        self,
        config: Config,
        slots: Slots,
        imports: Imports | None,
        tell: Callable[[str], None],
    ) -> contextlib.AbstractContextManager[Executor]:
        raise UsageError(_WHY, _TIP)

"""Trials on this machine: its cards and cores as slots, its processes as attempts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from autofinetune.config.config import Config
from autofinetune.executors.base import Executor
from autofinetune.executors.devices.cards import Card, CardProbe
from autofinetune.executors.devices.slots import Slots, find_slots
from autofinetune.executors.engine import Engine
from autofinetune.executors.files.hand_over import trial_environment
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.executors.local.forks import ForkServer, Imports, common_environment


class LocalEngine(Engine):
    """Queries the driver for the cards of this machine while it is open."""

    def __init__(self, gpu: str = "") -> None:
        self._probe = CardProbe(gpu)  # the driver initialises while we continue
        self._is_asked = False

    def slots(self, config: Config) -> Slots:
        cores = sorted(os.sched_getaffinity(0))
        cards = self._cards_again(config.gpu) if self._is_asked else self._probe.first_cards()
        self._is_asked = True
        return find_slots(config.gpu, os.environ, cards, config.placement, cores)

    def _cards_again(self, gpu: str) -> list[Card] | None:
        """Return all cards; the run may have begun without any."""
        seen = list(self._probe.look().values())
        if not seen:
            self._probe.close()
            self._probe = CardProbe(gpu)
            return self._probe.first_cards()
        return seen

    @contextlib.contextmanager
    def opened(
        self,
        config: Config,
        slots: Slots,
        imports: Imports | None,
        tell: Callable[[str], None],
    ) -> Iterator[Executor]:
        environ = trial_environment()
        safety = config.safety
        with contextlib.ExitStack() as stack:
            forks = None
            if imports is not None:
                common = common_environment(environ, [slot.env for slot in slots.places])
                forks = ForkServer(imports, common, tell)
                stack.callback(forks.close)
            executor = LocalExecutor(
                slots.places,
                environ,
                trials_outlive_us=safety.on_tuner_death == "adopt",
                look_at_cards=lambda: self._probe.look(),
                min_free_gpu_gb=safety.min_free_gpu_gb,
                lease_dir=str(Path(config.working_dir, safety.lease_dir))
                if safety.lease_dir
                else "",
                forks=forks,
                notice=tell,
            )
            stack.callback(executor.close)
            yield executor

    def close(self) -> None:
        self._probe.close()

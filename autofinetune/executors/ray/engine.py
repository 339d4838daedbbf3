"""Makes the executor of `--executor=ray`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.config.config import RAY, Config
from autofinetune.config.passing import CALLS
from autofinetune.core.slot import Slot
from autofinetune.errors import EnvironmentProblem, Mistake, UsageError
from autofinetune.executors.base import Executor
from autofinetune.executors.devices.slots import LocalSlot, Slots
from autofinetune.executors.engine import Engine
from autofinetune.executors.local.forks import Imports
from autofinetune.executors.ray import trees
from autofinetune.executors.ray.client import Away, Client
from autofinetune.executors.ray.executor import RayExecutor
from autofinetune.executors.ray.room import Share, shared
from autofinetune.executors.ray.shipment import Shipment
from autofinetune.space.fields import one_line

_CPU, _GPU = "CPU", "GPU"
_MOST_SLOTS = 100_000
_MOST_TOLD = 4  # names in a sentence


class RayEngine(Engine):
    """A slot is an actor that Ray places, with the resources that the options ask for."""

    def __init__(self, gpu: str = "") -> None:
        self._client: Client | None = None
        self._gpu = ""
        self._nodes: Sequence[Mapping[str, Any]] = ()
        self._most: int | None = None
        self._opened: Share | None = None  # of the trials, once their executor is there

    def slots(self, config: Config) -> Slots:
        if self._client is None:
            python = config.placement.ray_python or sys.executable
            self._client = Client(python, config.executor.partition(":")[2])
            self._client.connect()
        try:
            self._nodes = self._client.ask("nodes", {})[0]["nodes"]
        except Away as error:
            raise EnvironmentProblem(f"Ray does not answer: {error}", "try again") from None
        share = self._share(config)
        count = share.room(self._nodes, most_of(config) or _MOST_SLOTS)
        if self._opened is not None:
            self._check_change(share)
        elif not count:
            has = "; ".join(_listed(node["resources"]) for node in self._nodes)
            raise UsageError(
                Mistake("", f"no node of the cluster has {share}; its nodes have: {has or '?'}",
                        is_sentence=True),
                "change --gpus_per_trial, --cpus_per_trial, --resources or --gpu=cpu",
            )  # fmt: skip
        self._most = most_of(config)
        places = tuple(
            LocalSlot(Slot(RAY, number), ranks=config.placement.ranks, what=f"{share} by Ray")
            for number in range(1, count + 1)
        )
        return Slots(places)

    def _check_change(self, share: Share) -> None:
        if share != self._opened:
            raise UsageError(
                f"what a trial needs ({self._opened}) cannot change while the run proceeds",
                "stop the run, and set it before `autofinetune resume`; max_parallel may change",
            )

    def _share(self, config: Config) -> Share:
        """Return what a trial needs; without a card it needs a core."""
        if self._opened is not None and config.gpu == self._gpu:
            return self._opened
        placement = config.placement
        has_cards = any(node["resources"].get(_GPU, 0) for node in self._nodes)
        is_on_cards = not config.gpu.startswith("cpu") and (
            has_cards or placement.gpus_per_trial > 1
        )
        gpus = placement.gpus_per_trial / placement.trials_per_gpu if is_on_cards else 0.0
        cpus = placement.cpus_per_trial or (0 if is_on_cards else 1)
        found = {_GPU: gpus, _CPU: float(cpus), **amounts(placement.resources)}
        wanted = {name: need for name, need in found.items() if need}
        return shared(wanted, config.placement.ranks, self._nodes)

    def opened(
        self,
        config: Config,
        slots: Slots,
        imports: Imports | None,
        tell: Callable[[str], None],
    ) -> contextlib.AbstractContextManager[Executor]:
        assert self._client is not None  # the slots were found by it
        share = self._share(config)
        executor = RayExecutor(
            self._client, shipment_of(config, share, tell), share, most=lambda: self._most,
            nodes=self._nodes, notice=tell,
        )  # fmt: skip
        self._opened, self._gpu = share, config.gpu
        return contextlib.closing(executor)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def most_of(config: Config) -> int | None:
    """Return how many trials may run at once: `--max_parallel`, or the number in `--gpu=cpu:4`."""
    number = config.gpu.partition(":")[2]
    found = [config.placement.max_parallel, int(number) if number.isdigit() else None]
    return min((one for one in found if one), default=None)


def amounts(resources: Mapping[str, str]) -> dict[str, float]:
    """Return the amounts of `--resources`; raise UsageError if one is no number above 0."""
    found = {}
    for name, text in resources.items():
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = 0.0
        if not 0 < found[name] < 1e6 or name in (_CPU, _GPU):
            raise UsageError(
                Mistake("resources", f": {name}={text} must be a number above 0 of a resource "
                        "that is neither CPU nor GPU", dict(resources)),
                "use --gpus_per_trial and --cpus_per_trial for these",
            )  # fmt: skip
    return found


def shipment_of(
    config: Config, share: Share, tell: Callable[[str], None] = lambda sentence: None
) -> Shipment:
    """Return what is sent to the nodes; raise EnvironmentProblem if that is too large."""
    code, files, left_out = trees.code_of(Path(config.working_dir))
    if left_out:
        tell(_told_of(left_out))
    script = Path(config.working_dir, config.script or ".")
    way = os.path.relpath(script, config.working_dir)
    if config.script and way not in code and config.passing != CALLS:
        raise EnvironmentProblem(
            f"{script} is not among the files that are sent to the nodes: those below "
            f"{config.working_dir}, without what .gitignore and .autofinetuneignore name",
            "set --working_dir to its directory, or name it there with a leading '!'",
        )
    package, more = trees.package()
    each = share.each
    named = {"num_gpus": each.get(_GPU, 0), "num_cpus": each.get(_CPU, 0)}
    others = {name: need for name, need in each.items() if name not in (_GPU, _CPU)}
    return Shipment(
        code=config.working_dir,
        python=config.python,
        ranks=config.placement.ranks,
        resources={**named, "resources": others},
        members=share.members,
        trees={"package": package, "code": code},
        files={**files, **more},
    )


def _told_of(left_out: Sequence[str]) -> str:
    shown = [one_line(name) for name in left_out[:_MOST_TOLD]]
    others = len(left_out) - len(shown)
    return (
        f"note: not sent to the nodes, as .gitignore or .autofinetuneignore names it: "
        f"{', '.join(shown)}{f' and {others} more' if others else ''}; a line such as "
        f"!{shown[0]} in .autofinetuneignore takes it back"
    )


def _listed(resources: Mapping[str, float]) -> str:
    plain = {n: v for n, v in resources.items() if ":" not in n and "memory" not in n}
    return ", ".join(f"{need:g} {name}" for name, need in sorted(plain.items())) or "nothing"

"""How trials are placed on the devices and cores of a machine: the options for it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.config.defaults import DEFAULTS

MOST = 1024  # of anything: more is a slip of the pen


@dataclass(frozen=True)
class Placement:
    """What a trial gets of the machine.

    `trials_per_gpu` trials run at once on each device, or on each group of `gpus_per_trial`
    devices. A trial is `ranks_per_trial` processes (None: one a device) and keeps to
    `cpus_per_trial` cores of its own (None: it may use all). At most `max_parallel` trials run at
    once (None: as many as there is room for).
    """

    trials_per_gpu: int = DEFAULTS["trials_per_gpu"]
    gpus_per_trial: int = DEFAULTS["gpus_per_trial"]
    ranks_per_trial: int | None = None
    cpus_per_trial: int | None = None
    max_parallel: int | None = None

    @property
    def ranks(self) -> int:
        """How many processes of train.py a trial is."""
        return self.ranks_per_trial or self.gpus_per_trial

    def describe(self) -> dict[str, Any]:
        """The options that `read_placement` reads back."""
        return dataclasses.asdict(self)


def read_placement(options: Mapping[str, Any], mistake: Callable[[str], None]) -> Placement:
    """The Placement that options give, by their long names; mistakes are told one by one."""
    read: dict[str, int] = {}
    for field in dataclasses.fields(Placement):
        value = options.get(field.name)
        if value is None:
            continue
        text = str(value)
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        if is_number and 1 <= int(text) <= MOST:
            read[field.name] = int(text)
        else:
            mistake(f"--{field.name}={value} must be a whole number from 1 to {MOST}")
    return Placement(**read)

"""How trials are placed on the devices and cores of a machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from autofinetune.config.option import PLACES, option, whole

_PART = whole(1, 1024)  # more is a typing error


@dataclass(frozen=True)
class Placement:
    """What a trial gets of the machine; None for what is not limited."""

    trials_per_gpu: int = option("K", PLACES, "trials that share each device", _PART, 1)
    gpus_per_trial: int = option(
        "N", PLACES,
        "devices of one trial, in the order of --gpu, with a process of train.py for each",
        _PART, 1,
    )  # fmt: skip
    ranks_per_trial: int | None = option(
        "R", PLACES,
        "processes of train.py in a trial, with the environment of torchrun; 1 for a script that "
        "uses several cards itself",
        _PART, unset="one for each device",
    )  # fmt: skip
    cpus_per_trial: int | None = option(
        "C", PLACES, "cores reserved for each trial, with as many threads",
        _PART, unset="any core; on CPU slots a share of the threads",
    )  # fmt: skip
    max_parallel: int | None = option(
        "N", PLACES, "maximum number of trials that run at once",
        _PART, unset="the number of slots",
    )  # fmt: skip

    @property
    def ranks(self) -> int:
        """How many processes of train.py a trial is."""
        return self.ranks_per_trial or self.gpus_per_trial

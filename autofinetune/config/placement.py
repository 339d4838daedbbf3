"""The placement of trials on the devices and cores of a machine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autofinetune.config.option import PLACES, command, option, pairs, text, whole

_PART = whole(1, 1024)  # a larger number is a typing error


@dataclass(frozen=True)
class Placement:
    """The share of the machine that a trial gets; None means no limit."""

    trials_per_gpu: int = option("K", PLACES, "trials that share each device", _PART, 1)
    gpus_per_trial: int = option(
        "N", PLACES,
        "devices per trial, in the order of --gpu, with one process of train.py for each",
        _PART, 1,
    )  # fmt: skip
    ranks_per_trial: int | None = option(
        "R", PLACES,
        "processes of train.py per trial, with the environment of torchrun; 1 for a script that "
        "uses several cards itself",
        _PART, unset="one for each device",
    )  # fmt: skip
    cpus_per_trial: int | None = option(
        "C", PLACES, "cores reserved for each trial; also its number of threads",
        _PART, unset="any core; on CPU slots, a share of the threads",
    )  # fmt: skip
    max_parallel: int | None = option(
        "N", PLACES,
        "maximum number of trials running at once; with --executor=slurm, of jobs, waiting ones "
        "included",
        _PART, unset="the number of slots; with slurm, 4",
    )  # fmt: skip
    sbatch: str = option(
        "OPTIONS", PLACES,
        "with --executor=slurm, options of sbatch for each trial, such as '--partition=gpu "
        "--gres=gpu:1 -t 4:00:00'",
        command, "", unset="none",
    )  # fmt: skip
    resources: Mapping[str, str] = option(
        "NAME=N,...", PLACES,
        "with --executor=ray, resources of its nodes that a trial needs besides cards and cores, "
        "such as a100=1",
        pairs, {}, unset="none",
    )  # fmt: skip
    ray_python: str = option(
        "PATH", PLACES,
        "with --executor=ray, the Python that speaks with the cluster, with its versions of Ray "
        "and Python",
        text, "", unset="the Python that runs autofinetune",
    )  # fmt: skip

    @property
    def ranks(self) -> int:
        """The number of processes of train.py in a trial."""
        return self.ranks_per_trial or self.gpus_per_trial

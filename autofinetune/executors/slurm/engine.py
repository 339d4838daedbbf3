"""Makes the executor of `--executor=slurm`."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable

from autofinetune.config.config import SLURM, Config
from autofinetune.core.slot import Slot
from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.base import Executor
from autofinetune.executors.devices.slots import LocalSlot, Slots
from autofinetune.executors.engine import Engine
from autofinetune.executors.files.hand_over import trial_environment
from autofinetune.executors.local.forks import Imports
from autofinetune.executors.slurm.batch import options_of
from autofinetune.executors.slurm.commands import PROGRAMS
from autofinetune.executors.slurm.executor import SlurmExecutor

USUAL_JOBS = 4  # without --max_parallel


class SlurmEngine(Engine):
    """A slot is a job that Slurm places, with the resources that `--sbatch` asks for."""

    def slots(self, config: Config) -> Slots:
        options_of(config.placement.sbatch)
        count = config.placement.max_parallel or USUAL_JOBS
        what = f"a job of: sbatch {config.placement.sbatch}".rstrip()
        places = tuple(
            LocalSlot(Slot(SLURM, number), ranks=config.placement.ranks, what=what)
            for number in range(1, count + 1)
        )
        unused = (
            "note: --gpu has no effect with --executor=slurm; --sbatch='--gres=gpu:1' asks for a "
            "card, and --max_parallel sets how many jobs there are"
        )
        is_usual = config.gpu.partition(":")[0] in (SLURM, "auto")  # as of a file of another tool
        return Slots(places, () if is_usual else (unused,))

    def opened(
        self,
        config: Config,
        slots: Slots,
        imports: Imports | None,
        tell: Callable[[str], None],
    ) -> contextlib.AbstractContextManager[Executor]:
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise EnvironmentProblem(
                f"--executor=slurm needs {', '.join(missing)}, which PATH does not have",
                "run it where jobs are submitted, such as on a login node of the cluster",
            )
        executor = SlurmExecutor(
            slots, options_of(config.placement.sbatch), trial_environment(), notice=tell
        )
        return contextlib.closing(executor)

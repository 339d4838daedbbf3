"""PaddleHub 1.x: its own `report_final_result` reports to us, and its scripts save as they do.

`paddlehub.report_final_result` appends to a file below the user's home, under the name in the
variable `PaddleHub_AutoDL_Trial_ID` (PaddleHub 1.3 to 1.8, autofinetune/evaluator.py).
"""

from __future__ import annotations

import os

from autofinetune.trial.directory import admit_move
from autofinetune.trial.hooks import in_trial
from autofinetune.trial.report import report_final_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def environment() -> dict[str, str]:
    """Return the variable by which scripts of PaddleHub know that they are tuned."""
    return {"PaddleHub_AutoDL_Trial_ID": os.environ.get("AUTOFINETUNE_TRIAL", "0")}


def on_package(module: ModuleType) -> None:
    """Take the place of the function in a trial; outside of one it stays."""
    in_trial(module, "report_final_result", report_final_result)


def on_shutil(module: ModuleType) -> None:
    """Let scripts move their best model into the directory that they were given."""
    admit_move(module)

"""PaddleHub 1.x: its `report_final_result` reports to us, and its scripts save models unchanged.

The original `paddlehub.report_final_result` appends to a file in the user's home, named by the
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
    """Return the variable that tells PaddleHub scripts that they are being tuned."""
    return {"PaddleHub_AutoDL_Trial_ID": os.environ.get("AUTOFINETUNE_TRIAL", "0")}


def on_package(module: ModuleType) -> None:
    """Replace the function in a trial; leave it unchanged elsewhere."""
    in_trial(module, "report_final_result", report_final_result)


def on_shutil(module: ModuleType) -> None:
    """Let scripts move their best model to the model directory."""
    admit_move(module)

"""PaddleHub 1.x: its `report_final_result` reports to us, and its scripts save models unchanged.

The original `paddlehub.report_final_result` appends to a file in the user's home, named by the
variable `PaddleHub_AutoDL_Trial_ID` (PaddleHub 1.3 to 1.8, autofinetune/evaluator.py).
"""

from __future__ import annotations

import os

from autofinetune.trial.directory import is_awaited
from autofinetune.trial.hooks import around, in_trial
from autofinetune.trial.report import report_final_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def environment() -> dict[str, str]:
    """Return the variable that tells PaddleHub scripts that they are being tuned."""
    return {"PaddleHub_AutoDL_Trial_ID": os.environ.get("AUTOFINETUNE_TRIAL", "0")}


def on_package(module: ModuleType) -> None:
    """Replace the function in a trial; leave it unchanged elsewhere."""
    in_trial(module, "report_final_result", report_final_result)


def on_shutil(module: ModuleType) -> None:
    """Let `shutil.move` replace the empty model directory instead of moving into it."""
    around(module, "move", _move)


def _move(original: Any, src: Any, dst: Any, *args: Any, **kwargs: Any) -> Any:
    if not (is_awaited(dst) and os.path.isdir(src)):
        return original(src, dst, *args, **kwargs)
    os.rmdir(dst)
    try:
        return original(src, dst, *args, **kwargs)
    except BaseException:
        os.makedirs(dst, exist_ok=True)
        raise

"""Hydra: the script's main function returns the score, as for Hydra's own sweepers."""

from __future__ import annotations

import os
from numbers import Real
from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import around, quietly
from autofinetune.trial.report import REPORT_FILE_VARIABLE, report_final_result

RETURN_VALUE = "return_value"  # its name as a metric


def on_utils(module: ModuleType) -> None:
    """Report the result of each job; do nothing outside a trial."""
    around(module, "run_job", _run_job)


def _run_job(original: Any, *args: Any, **kwargs: Any) -> Any:
    job = original(*args, **kwargs)
    if os.environ.get(REPORT_FILE_VARIABLE):
        quietly(_returned, job)
    return job


def _returned(job: Any) -> None:
    if getattr(job.status, "name", "") != "COMPLETED":
        return
    value = job.return_value
    is_number = (isinstance(value, Real) and not isinstance(value, bool)) or hasattr(value, "item")
    if not is_number:
        return
    if logged.wanted() in ("", RETURN_VALUE):
        report_final_result(value)
    else:
        logged.note(RETURN_VALUE)

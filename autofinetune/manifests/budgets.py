"""Hyperband and BOHB, which in NNI are a tuner and an assessor in one.

Their trials train for the budget that they read from the parameter `TRIAL_BUDGET`. In NNI a
configuration is trained with a small budget first and, if it is among the best, again from scratch
with a larger one. Here every trial gets the whole budget once, and the assessor `hyperband` stops
it at the same rungs by its intermediate reports.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.assessors import assessor_class

from .arguments import Arguments
from .reader import CONSTANTS, NO_EFFECT, Section

BUDGET = "TRIAL_BUDGET"


@dataclass(frozen=True)
class Budgets:
    """An advisor: its strategy, its largest budget, and its arguments by our option names."""

    name: str
    strategy: str
    longest: int
    names: Mapping[str, str]


ADVISORS = {
    "hyperband": Budgets("Hyperband", "random", 60, {"max_steps": "R", "eta": "eta"}),
    "bohb": Budgets(
        "BOHB", "tpe", 3, {"max_steps": "max_budget", "min_steps": "min_budget", "eta": "eta"}
    ),
}


def read_budgets(
    section: Section, name_field: str, budgets: Budgets, args: Arguments
) -> dict[str, Any]:
    """Return the options of a run that searches like the advisor, except the strategy."""
    args.no_effect("exec_mode", f"{NO_EFFECT}: no bracket waits for another one")
    known = assessor_class("hyperband").OPTIONS
    options = {
        name: dataclasses.replace(known[ours], also=()) for ours, name in budgets.names.items()
    }
    given = args.checked(budgets.name, options)
    found = {ours: given[name] for ours, name in budgets.names.items() if name in given}
    found.setdefault("max_steps", str(budgets.longest))
    try:
        longest, first = (int(float(found.get(k, "1"))) for k in ("max_steps", "min_steps"))
    except (ValueError, OverflowError):  # already reported
        return {}
    if first > longest >= 1:
        least, most = budgets.names["min_steps"], budgets.names["max_steps"]
        args.mistake(least, f"must not be above {most}, which is {longest}")
    budget = {CONSTANTS: {BUDGET: longest}}
    if "assessor" in section.file.given:
        section.note(name_field, f"every trial gets {BUDGET}={longest}")
        return budget
    section.gives("assessor", name_field)
    strategy = section.file.given.get("tuning_strategy", budgets.strategy)
    section.note(name_field, _difference(budgets, strategy, longest))
    return {"assessor": "hyperband", "assessor_options": found, **budget}


def _difference(budgets: Budgets, strategy: str, longest: int) -> str:
    return (
        f"{budgets.name} is the strategy {strategy} with the assessor hyperband: every "
        f"trial gets {BUDGET}={longest}, and the assessor stops it early at the budgets at which "
        f"{budgets.name} of NNI would compare it. It counts one intermediate report per unit of "
        "budget; use --assessor_options=max_steps=N for a script with N reports in total. Trials "
        "of a script without intermediate reports use the whole budget"
    )

"""Evaluators choose whose model a candidate continues; `Commands` writes what its trial is given.

To add an evaluator, add a file here and a line in `EVALUATORS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from .base import Evaluator
from .command import Commands, option_names, start_of_command
from .fulltrail import FullTrail
from .populationbased import PopulationBased

EVALUATORS: Mapping[str, type[Evaluator]] = {
    "fulltrail": FullTrail,
    "populationbased": PopulationBased,
}

__all__ = ["EVALUATORS", "Commands", "Evaluator", "option_names", "start_of_command"]

"""Evaluators turn candidates into commands; add one as a file here and a line in `EVALUATORS`."""

from __future__ import annotations

from collections.abc import Mapping

from .base import Evaluator, option_names, start_of_command
from .fulltrail import FullTrail
from .populationbased import PopulationBased

EVALUATORS: Mapping[str, type[Evaluator]] = {
    "fulltrail": FullTrail,
    "populationbased": PopulationBased,
}

__all__ = ["EVALUATORS", "Evaluator", "option_names", "start_of_command"]

"""Evaluators choose whose model a candidate continues; `Commands` writes what its trial is given.

To add an evaluator, add a class to parents.py and a line in `EVALUATORS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from .command import Commands, option_names, start_of_command, words_of_script
from .parents import Evaluator, PopulationBased

EVALUATORS: Mapping[str, type[Evaluator]] = {
    "fulltrail": Evaluator,
    "populationbased": PopulationBased,
}

__all__ = [
    "EVALUATORS",
    "Commands",
    "Evaluator",
    "option_names",
    "start_of_command",
    "words_of_script",
]

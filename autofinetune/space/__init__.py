"""The search space: parameters, the unit cube, and readers of file formats."""

from .choices import ChoiceParameter, Constant
from .formats import load_space, read_space
from .parameters import Condition, DiscreteParameter, Parameter, Value, as_text
from .space import Space
from .yaml_file import Document, dump_yaml, parse_yaml, read_yaml

__all__ = [
    "ChoiceParameter",
    "Condition",
    "Constant",
    "DiscreteParameter",
    "Document",
    "Parameter",
    "Space",
    "Value",
    "as_text",
    "dump_yaml",
    "load_space",
    "parse_yaml",
    "read_space",
    "read_yaml",
]

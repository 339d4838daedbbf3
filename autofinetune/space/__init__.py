"""The search space: parameters, the unit cube, and the readers of its file formats."""

from .hparam_file import load_space, read_space
from .parameters import ChoiceParameter, Parameter, Value, as_text
from .space import Space
from .yaml_file import Document, dump_yaml, parse_yaml, read_yaml

__all__ = [
    "ChoiceParameter",
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

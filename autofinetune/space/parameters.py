"""All kinds of parameters, for import from one module."""

from .base import Condition, DiscreteParameter, Parameter, Value, as_text
from .choices import ChoiceParameter, Constant
from .drawn import DrawnParameter, QuantizedParameter
from .ranges import FloatParameter, IntParameter, SteppedFloatParameter

__all__ = [
    "ChoiceParameter",
    "Condition",
    "Constant",
    "DiscreteParameter",
    "DrawnParameter",
    "FloatParameter",
    "IntParameter",
    "Parameter",
    "QuantizedParameter",
    "SteppedFloatParameter",
    "Value",
    "as_text",
]

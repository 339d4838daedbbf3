"""Hyperparameters whose values have no order, and constants."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from .base import DiscreteParameter, Value, as_text


def label_of(value: Any) -> Value:
    """Return the label of a choice: a word or number itself, the text of anything else."""
    return value if value is None or isinstance(value, (str, int, float)) else as_text(value)


LAYER, INPUT = "layer_choice", "input_choice"


@dataclass(frozen=True)
class ChoiceParameter(DiscreteParameter):
    """One of a list of values without an order.

    Args:
        choices: the values as words or numbers.
        weights: the probabilities of the choices, with sum 1; if empty, all are equally likely.
        written: the choices as written, if some are lists, mappings or equal words.
        kind: `choice`, or for architecture search `layer_choice`, which takes one of several
            layers, or `input_choice`, which takes one of several inputs. None as an additional
            last choice, which is not in `written`, takes no input.
    """

    name: str
    choices: tuple[Value, ...]
    init: Value
    weights: tuple[float, ...] = ()
    written: tuple[Any, ...] = ()
    kind: str = "choice"
    type_name = "choice"

    @property
    def size(self) -> int:
        return len(self.choices)

    def at(self, index: int) -> Value:
        return self.choices[index]

    def index(self, value: Value) -> int:
        for index, choice in enumerate(self.choices):
            if choice == value and type(choice) is type(value):  # 1, 1.0 and True are three values
                return index
        raise self._reject(value)

    @cached_property
    def _inner_edges(self) -> list[float]:
        return list(accumulate(self.weights))[:-1]

    def edge(self, index: int) -> float:
        if not self.weights or index in (0, self.size):
            return super().edge(index)
        return self._inner_edges[index - 1]

    def cell(self, u: float) -> int:
        return bisect_right(self._inner_edges, u) if self.weights else super().cell(u)

    def middle(self, index: int) -> float:
        if not self.weights:
            return super().middle(index)
        return (self.edge(index) + self.edge(index + 1)) / 2

    def neighbours(self, u: float) -> list[float]:
        here = self.cell(u)
        return [self.middle(index) for index in range(self.size) if index != here]

    def as_number(self, value: Value) -> float:
        return float(self.index(value))

    def parse(self, text: str) -> Value:
        for choice in self.choices:
            if as_text(choice) == text:
                return choice
        raise self._reject(text)

    def given(self, value: Value) -> Any:
        index = self.index(value)
        written = self.written or self.choices
        if self.kind == LAYER:
            return {"_value": written[index], "_idx": index}
        if self.kind == INPUT:
            chosen = [index] if index < len(written) else []
            return {"_value": [written[i] for i in chosen], "_idx": chosen}
        return written[index]

    def describe(self) -> Mapping[str, object]:
        entry: dict[str, object] = {"name": self.name, "type": self.kind}
        entry["choices"] = list(self.written or self.choices)
        if self.weights:
            entry["probabilities"] = list(self.weights)
        if self.kind == INPUT:
            entry["n_chosen"] = [0, 1] if len(self.choices) > len(self.written) else 1
        return entry | {"init_value": self.init}


@dataclass(frozen=True)
class Constant:
    """A value that every trial gets; it is not part of the search."""

    name: str
    value: Any
    path: tuple[str, ...] = ()

    def as_choice(self) -> ChoiceParameter:
        """Return the constant as a choice with one value, which is part of the search."""
        label = label_of(self.value)
        written = () if label is self.value else (self.value,)
        return ChoiceParameter(self.name, (label,), label, written=written, path=self.path)

    def describe(self) -> Mapping[str, object]:
        """Return the entry of `param_list` for this constant, without the path."""
        return {"name": self.name, "type": "constant", "value": self.value}

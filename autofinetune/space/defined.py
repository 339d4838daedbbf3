"""A space defined in Python, whose choices may be objects; in the space, labels stand for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .choices import Constant
from .fields import one_line
from .parameters import Parameter
from .space import Space

SOURCE = "the search space"
Objects = Mapping[tuple[str, ...], Mapping[str, Any]]
_PLAIN = (type(None), bool, int, float, str)
_LONGEST_LABEL = 60


@dataclass(frozen=True)
class Defined:
    """A space, and what a trial needs to know of it besides.

    Args:
        objects: the values that are no plain data, by the path of the argument that gets them and
            the label that stands for them.
        compute: if not None, called with a `Replayed` trial it returns the arguments of the
            function; they are among `computed`, and those in `always` are there in every trial.
    """

    space: Space
    objects: Objects = field(default_factory=dict)
    compute: Callable[[Any], Mapping[str, Any]] | None = None
    computed: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()

    @property
    def arguments(self) -> frozenset[str]:
        """The names of the arguments that trials get, each at least some of them."""
        if self.compute is not None:
            return self.computed
        return frozenset(map(_argument, (*self.space, *self.space.constants)))

    @property
    def in_every_trial(self) -> frozenset[str]:
        """The names of the arguments that every trial gets."""
        if self.compute is not None:
            return self.always
        found = set(map(_argument, self.space.constants))
        covered: dict[tuple[str, str], set[int]] = {}  # by argument and choice: with which values
        for parameter in self.space:
            condition, name = parameter.condition, _argument(parameter)
            if condition is None:
                found.add(name)
                continue
            parent = self.space.parents[condition.parent]
            indices = covered.setdefault((name, parent.name), set())
            indices.update(condition.indices)
            if len(indices) == parent.size and _argument(parent) in found:
                found.add(name)
        return frozenset(found)


def _argument(part: Parameter | Constant) -> str:
    return part.path[0] if part.path else part.name


class Labels:
    """Replaces objects by labels, unique among the values of an argument."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, ...], dict[str, Any]] = {}

    def in_entry(self, path: tuple[str, ...], fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a choice or constant with labels; choices become a list."""
        found = dict(fields)
        if "value" in fields:
            (found["value"],) = self.of(path, [fields["value"]])
        if not isinstance(fields.get("choices"), (list, tuple, Mapping)):
            return found
        choices = list(fields["choices"])
        found["choices"] = labels = self.of(path, choices)
        if "init_value" in fields:
            init = fields["init_value"]
            same = [at for at, one in enumerate(choices) if are_same(one, init)]
            found["init_value"] = labels[same[0]] if same else label_of(init)
        return found

    def of(self, path: tuple[str, ...], values: Sequence[Any]) -> list[Any]:
        """Return the values of the argument at `path` with labels in place of objects."""
        values = [plain(value) for value in values]
        known = self.objects.get(path, {})
        words = {value for value in values if isinstance(value, str)}
        found = []
        for value in values:
            if is_plain(value) and not (isinstance(value, str) and value in known):
                found.append(value)
                continue
            stem = label = label_of(value)
            number = 2
            while label in words or (label in known and known[label] is not value):
                label, number = f"{stem}#{number}", number + 1
            known[label] = value
            found.append(label)
        if known:
            self.objects[path] = known
        return found


def plain(value: Any) -> Any:
    """Return a scalar of numpy as the Python value that it stands for, anything else as it is."""
    is_scalar = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if is_scalar else value


def is_plain(value: Any) -> bool:
    """Return whether JSON gives a value back as it is."""
    if type(value) is list:
        return all(map(is_plain, value))
    if type(value) is dict:
        return all(type(key) is str for key in value) and all(map(is_plain, value.values()))
    return type(value) in _PLAIN


def label_of(value: Any) -> str:
    """Return a readable word for an object: its name if it has one, else what it looks like."""
    name = getattr(value, "__name__", None)
    if isinstance(name, str):
        return one_line(name)[:_LONGEST_LABEL]
    try:
        text = one_line(repr(value))
    except Exception:  # a class of the user's
        text = ""
    is_readable = text and " at 0x" not in text and len(text) <= _LONGEST_LABEL
    return text if is_readable else type(value).__name__


def are_same(one: Any, other: Any) -> bool:
    """Return whether two values are one object, or equal and of one type."""
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # arrays cannot tell
        return False

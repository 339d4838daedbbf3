"""Features in which the numbers of a choice are ordered by value."""

from __future__ import annotations

from autofinetune.space import Space

from .features import ONE_HOT, Array, Features


class OrderedFeatures(Features):
    """Features that represent a choice among three or more numbers by its rank, between 0 and 1.

    Ranks are used instead of values because most such lists are geometric: their small values
    differ as much as their large ones. The other columns of the choice are 0.
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self._ranked = []
        for place, parameter in enumerate(space):
            values = parameter.values() if parameter.type_name == "choice" else []
            numbers = [
                v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)
            ]
            if len(numbers) == len(values) > 2:
                ordered = sorted(numbers)
                ranks = [(ordered.index(number) + 0.5) / len(numbers) for number in numbers]
                self._ranked.append((int(self.columns[place]), ranks))
                self._is_range[self.columns[place]] = True

    def __call__(self, points: Array) -> Array:
        found = super().__call__(points)
        for first, ranks in self._ranked:
            block = found[:, first : first + len(ranks)]
            rank = block @ ranks / ONE_HOT
            block[:] = 0.0
            block[:, 0] = rank
        return found

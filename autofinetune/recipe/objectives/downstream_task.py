"""`downstream_task`: the accuracy on held-out texts of a classifier trained on the data.

The processed samples need a field with the label (`--label`), the held-out ones (`--held_out`,
JSON lines) the same two fields.
"""

from __future__ import annotations

from collections import Counter

from autofinetune.errors import Mistake, UsageError

from .base import Objective, Processed, Settings
from .linear import LinearClassifier
from .texts import read_fields


class DownstreamTask(Objective):
    """The share of held-out texts whose label is predicted, 0 to 1; 0 of no samples."""

    imports = ("scipy.optimize", "scipy.sparse")

    @classmethod
    def check(cls, settings: Settings) -> None:
        _held_out(settings)

    def score(self, processed: Processed) -> float:
        settings = self.settings
        texts = processed.texts(settings.text_key)
        if not texts:
            return 0.0
        try:
            labels = [str(label) for label in processed.column(settings.label)]
        except KeyError:
            why = f"the processed data has no field {settings.label!r} with the label"
            raise UsageError(why, "name the field: --label=KEY") from None
        held_out = _held_out(settings)
        wanted = Counter(labels)
        if len(wanted) == 1:
            guessed = [labels[0]] * len(held_out)
        else:
            classifier = LinearClassifier(texts, labels)
            guessed = classifier.predict([text for text, _ in held_out])
        right = sum(guess == label for guess, (_, label) in zip(guessed, held_out, strict=True))
        return right / len(held_out)


def _held_out(settings: Settings) -> list[tuple[str, ...]]:
    if settings.held_out is None:
        mistake = Mistake("held_out", "is missing: downstream_task is measured on labelled texts")
        raise UsageError(mistake, "give JSON lines with a text and a label: --held_out=FILE")
    found = read_fields(settings.held_out, settings.text_key, settings.label)
    if not found:
        raise UsageError(f"{settings.held_out} has no samples")
    return found

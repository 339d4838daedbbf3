"""`quality_score`: the mean probability that a text is good, by a classifier trained offline.

By default good texts are paragraphs of Python's documentation and bad ones the junk of
`made_text`, so the classifier knows damaged English text when it sees it, and not what is worth
reading. `--good` and `--bad` give texts of the user's own instead.
"""

from __future__ import annotations

import functools
import math
import random
import re
from pathlib import Path

import numpy as np

from autofinetune.errors import UsageError

from .. import made_text
from .base import Objective, Processed, Settings
from .linear import LinearClassifier, codes_of
from .texts import read_texts

GOOD, BAD = "good", "bad"
_JUNK_OF_EACH_KIND = 80
_BITS = 13
_GRAM = 10  # bytes
_MOST_CHARACTERS = 10_000


class QualityScore(Objective):
    """The mean quality of the texts, 0 to 1; 0 of no texts."""

    imports = ("scipy.optimize", "scipy.sparse")

    @classmethod
    def check(cls, settings: Settings) -> None:
        if (settings.good is None) != (settings.bad is None):
            raise UsageError("--good and --bad must be given together", "give both, or neither")
        for path in filter(None, (settings.good, settings.bad)):
            read_texts(path, settings.text_key)

    def score(self, processed: Processed) -> float:
        texts = processed.texts(self.settings.text_key)
        if not texts:
            return 0.0
        classifier = self._classifier()
        place = classifier.labels.index(GOOD)
        return float(classifier.probabilities(texts)[:, place].mean())

    def _classifier(self) -> LinearClassifier:
        settings = self.settings
        return trained(settings.good, settings.bad, settings.text_key)


@functools.cache
def trained(good: Path | None, bad: Path | None, key: str) -> LinearClassifier:
    """Return the classifier of the labels `GOOD` and `BAD`."""
    if good is not None and bad is not None:
        texts, junk = read_texts(good, key), read_texts(bad, key)
    else:
        texts, rng = made_text.manual(), random.Random(0)
        junk = [
            damage(rng, rng.choice(texts))
            for damage in made_text.JUNK.values()
            for _ in range(_JUNK_OF_EACH_KIND)
        ]
    labels = [GOOD] * len(texts) + [BAD] * len(junk)
    return LinearClassifier([*texts, *junk], labels, shape_of, _BITS)


def shape_of(text: str) -> list[float]:
    """Return features of a text that its n-grams do not show.

    They are its length, the share of letters, of capital letters and of spaces, the mean length
    of words, the share of distinct words, and the share of runs of 10 bytes that occur again.
    """
    text = text[:_MOST_CHARACTERS]
    words = re.findall(r"\w+", text.lower())
    size, count = max(len(text), 1), max(len(words), 1)
    grams = codes_of(text, _GRAM)
    return [
        math.log1p(len(text)) / 10.0,
        max(0.0, math.log(60.0 / (len(text) + 1.0))),  # below 60 characters
        max(0.0, math.log((len(text) + 1.0) / 2000.0)),
        sum(map(str.isalpha, text)) / size,
        sum(map(str.isupper, text)) / size,
        text.count(" ") / size,
        min(sum(map(len, words)) / count / 10.0, 2.0),
        len(set(words)) / count,
        1.0 - len(np.unique(grams)) / max(len(grams), 1),
    ]

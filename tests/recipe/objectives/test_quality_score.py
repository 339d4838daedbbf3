"""The classifier of text quality, and texts that it learns from."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from autofinetune.errors import UsageError
from autofinetune.recipe import made_text
from autofinetune.recipe.objectives import Processed, Settings
from autofinetune.recipe.objectives.quality_score import QualityScore
from autofinetune.recipe.objectives.texts import read_texts

# From elsewhere than what the classifier learns from.
GOOD = [
    "The harbour was quiet when we arrived, and the last boat had left an hour before.",
    "Most of the cost of a search is spent on candidates that could have been stopped early.",
    "Water boils at a lower temperature in the mountains, because the air is thinner there.",
]


def of(texts: list[str], **settings: Path) -> float:
    processed = Processed(Path("x"), lambda name: texts, 9, len(texts))
    return QualityScore(Settings(**settings)).score(processed)  # type: ignore[arg-type]


def test_good_text_scores_above_each_kind_of_junk() -> None:
    rng = random.Random(1)
    good = of(GOOD)
    assert good > 0.8
    for damage in made_text.JUNK.values():
        assert of([damage(rng, text) for text in GOOD * 5]) < 0.5
    assert of([]) == 0.0


def test_own_texts_decide_what_is_good(tmp_path: Path) -> None:
    code = ["def f(x): return x + 1", "for k in range(9): print(k)", "import os, sys"] * 9
    (tmp_path / "code.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in code))
    (tmp_path / "prose.txt").write_text("\n\n".join(GOOD * 9))
    files = {"good": tmp_path / "code.jsonl", "bad": tmp_path / "prose.txt"}
    QualityScore.check(Settings(**files))  # type: ignore[arg-type]
    prose = "The ship left early in the morning, before the wind had changed its direction."
    assert of(["for name in names: print(name)"], **files) > 0.5 > of([prose], **files)


def test_files_that_are_of_no_use_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be given together"):
        QualityScore.check(Settings(good=tmp_path))
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n{"body": "y"}\n')
    with pytest.raises(UsageError, match=r"a.jsonl:2 has no field 'text'"):
        read_texts(tmp_path / "a.jsonl", "text")
    (tmp_path / "b.jsonl").write_text("{\n")
    with pytest.raises(UsageError, match=r"b.jsonl:1 is not a line of JSON"):
        read_texts(tmp_path / "b.jsonl", "text")
    (tmp_path / "c.txt").write_text("\n\n")
    with pytest.raises(UsageError, match="has no text"):
        read_texts(tmp_path / "c.txt", "text")
    (tmp_path / "d.txt").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is not UTF-8"):
        read_texts(tmp_path / "d.txt", "text")
    with pytest.raises(UsageError, match="cannot read"):
        read_texts(tmp_path / "none.txt", "text")

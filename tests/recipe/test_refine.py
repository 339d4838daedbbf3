"""Which thresholds get which bounds, and why others stay as they are."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autofinetune.errors import UsageError
from autofinetune.recipe.installed import known_of
from autofinetune.recipe.refine import How, changes_of, refine
from autofinetune.recipe.rules import RULES
from autofinetune.recipe.statistics import read_statistics

from .making import recipe_of, refined

_RANDOM = random.Random(0)
LENGTHS = [round(_RANDOM.gauss(500, 50)) for _ in range(300)]
HEAVY = [round(_RANDOM.lognormvariate(4, 1.5)) for _ in range(300)]
RATIOS = [min(1.0, abs(_RANDOM.gauss(0.02, 0.02))) for _ in range(300)]
WIDTHS = [round(_RANDOM.gauss(300, 20)) for _ in range(300)]
HEIGHTS = [round(_RANDOM.gauss(900, 20)) for _ in range(300)]


def sigma(values: list[Any], k: float) -> float:
    return float(np.mean(values) + k * np.std(values, ddof=1))


LOW, HIGH = math.floor(sigma(LENGTHS, -3)), math.ceil(sigma(LENGTHS, 3))
TEXT = "- text_length_filter: {min_len: 10, max_len: 10000}\n"
SAME = "unchanged"

# the case, `process`, the statistics, more, and what each argument becomes or why it stays
CASES: list[tuple[str, str, dict[str, list[Any]], dict[str, Any], dict[str, Any]]] = [
    ("integers are rounded outwards", TEXT, {"text_len": LENGTHS}, {},
     {"min_len": LOW, "max_len": HIGH}),
    ("a ratio stays between 0 and 1",
     "- special_characters_filter: {min_ratio: 0.0, max_ratio: 1.0}\n",
     {"special_char_ratio": [0.9 * (i % 2) for i in range(300)]}, {},
     {"min_ratio": "it is that already", "max_ratio": "it is that already"}),
    ("an argument of a closed unit interval stays in it",
     "- text_pair_similarity_filter: {min_score: 0.1}\n",
     {"text_pair_similarity": [[0.9 * (-1) ** i] for i in range(300)]}, {"may_widen": True},
     {"min_score": 0.0, "max_score": "it is that already"}),
    ("a heavy tail does not widen a bound", TEXT, {"text_len": HEAVY}, {},
     {"min_len": "it is tighter than 0 already", "max_len": math.ceil(sigma(HEAVY, 3))}),
    ("a heavy tail may widen it to the end of the domain", TEXT, {"text_len": HEAVY},
     {"may_widen": True}, {"min_len": 0, "max_len": math.ceil(sigma(HEAVY, 3))}),
    ("a constant", TEXT, {"text_len": [7] * 300}, {},
     {"min_len": "all samples have the same value 7", "max_len": "all samples have the same"}),
    ("a constant that no float holds", "- special_characters_filter:\n",
     {"special_char_ratio": [0.1] * 300}, {},
     {"min_ratio": "the same value 0.1", "max_ratio": "the same value 0.1"}),
    ("one sample", TEXT, {"text_len": [7]}, {},
     {"min_len": "1 samples with a value are too few", "max_len": "30 are needed"}),
    ("too many samples without a value", TEXT, {"text_len": [*LENGTHS, *([None] * 100)]}, {},
     {"min_len": "25% of the samples have no value", "max_len": "25% of the samples"}),
    ("a few without a value, and infinite ones", TEXT,
     {"text_len": [*LENGTHS, None, math.nan, math.inf, -math.inf]}, {},
     {"min_len": LOW, "max_len": HIGH}),
    ("two statistics of one operator", "- image_shape_filter:\n",
     {"image_width": [[w] for w in WIDTHS], "image_height": [[h] for h in HEIGHTS]}, {},
     {"min_width": math.floor(sigma(WIDTHS, -3)), "max_width": math.ceil(sigma(WIDTHS, 3)),
      "min_height": math.floor(sigma(HEIGHTS, -3)), "max_height": math.ceil(sigma(HEIGHTS, 3))}),
    ("one of two statistics, which a flag chooses",
     "- alphanumeric_filter: {tokenization: true, min_ratio: 0.1}\n",
     {"alnum_ratio": RATIOS, "alpha_token_ratio": [5 + r for r in RATIOS]}, {},
     {"min_ratio": sigma([5 + r for r in RATIOS], -3),
      "max_ratio": sigma([5 + r for r in RATIOS], 3)}),
    ("arguments that only sound like thresholds",
     "- text_length_filter: {min_closed_interval: false, max_closed_interval: false}\n",
     {"text_len": LENGTHS}, {}, {"min_len": LOW, "max_len": HIGH}),
    ("an argument that is not written", "- text_length_filter: {min_len: 10}\n",
     {"text_len": LENGTHS}, {}, {"min_len": LOW, "max_len": HIGH}),
    ("an operator without arguments", "- text_length_filter:\n", {"text_len": LENGTHS}, {},
     {"min_len": LOW, "max_len": HIGH}),
    ("a sample with a list passes if all pass",
     "- audio_duration_filter: {any_or_all: all}\n",
     {"audio_duration": [[w, w + 100] for w in WIDTHS]}, {},
     {"min_duration": math.floor(sigma(WIDTHS, -3)),
      "max_duration": math.ceil(sigma([w + 100 for w in WIDTHS], 3))}),
    ("a sample with a list passes if one passes", "- audio_duration_filter:\n",
     {"audio_duration": [[w, 5000.0] if i % 3 else [w] for i, w in enumerate(WIDTHS)]}, {},
     {"min_duration": math.floor(sigma(WIDTHS, -3)),
      "max_duration": math.ceil(sigma(WIDTHS, 3))}),
    ("samples without images always pass", "- image_shape_filter: {max_height: 900}\n",
     {"image_width": [*([w] for w in WIDTHS), *([[]] * 500)],
      "image_height": [*([7] for w in WIDTHS), *([[]] * 500)]}, {},
     {"min_width": math.floor(sigma(WIDTHS, -3)), "max_width": math.ceil(sigma(WIDTHS, 3)),
      "min_height": "the same value 7", "max_height": "the same value 7"}),
    ("a reversed range", "- text_length_filter: {min_len: 10, reversed_range: true}\n",
     {"text_len": LENGTHS}, {},
     {"min_len": "reversed_range keeps what is outside", "max_len": "reversed_range keeps"}),
    ("text instead of numbers", TEXT, {"text_len": ["en"] * 300}, {},
     {"min_len": "text_len is text", "max_len": "text_len is text"}),
    ("mappings instead of numbers", TEXT, {"text_len": [{"a": 1}] * 300}, {},
     {"min_len": "text_len is a mapping", "max_len": "text_len is a mapping"}),
    ("a threshold that is text", "- audio_size_filter: {max_size: 1GB}\n",
     {"audio_sizes": [[n] for n in LENGTHS]}, {},
     {"min_size": "it takes text such as 0", "max_size": "it takes text such as 1GB"}),
    ("a field of the data", "- specified_numeric_field_filter: {field_key: a, min_value: 1}\n",
     {"text_len": LENGTHS}, {},
     {"min_value": "it bounds a field of the data", "max_value": "it bounds a field"}),
    ("no such statistic", TEXT, {"num_words": LENGTHS}, {},
     {"min_len": "the statistics have no text_len", "max_len": "the statistics have no text_len"}),
    ("a bound that is no number", "- text_length_filter: {min_len: many}\n",
     {"text_len": LENGTHS}, {}, {"min_len": "'many' is not a number", "max_len": HIGH}),
    ("a bound that leaves nothing", "- text_length_filter: {min_len: 5000}\n",
     {"text_len": LENGTHS}, {},
     {"min_len": f"it is tighter than {LOW} already", "max_len": "would leave nothing"}),
    ("an upper bound that is no max", "- image_watermark_filter:\n",
     {"image_watermark_prob": [[r] for r in RATIOS]}, {},
     {"prob_threshold": sigma(RATIOS, 3)}),
    ("exact: raw numbers, also of written bounds", TEXT, {"text_len": HEAVY}, {"exact": True},
     {"min_len": sigma(HEAVY, -3), "max_len": sigma(HEAVY, 3)}),
    ("exact: over the numbers of all lists", "- audio_duration_filter: {any_or_all: all}\n",
     {"audio_duration": [[w, 2 * w] for w in WIDTHS]}, {"exact": True},
     {"min_duration": sigma([*WIDTHS, *(2 * w for w in WIDTHS)], -3),
      "max_duration": sigma([*WIDTHS, *(2 * w for w in WIDTHS)], 3)}),
    ("exact: one sample", TEXT, {"text_len": [7]}, {"exact": True},
     {"min_len": "standard deviation is not known", "max_len": "standard deviation"}),
    ("exact: a constant", TEXT, {"text_len": [7] * 5}, {"exact": True},
     {"min_len": 7.0, "max_len": 7.0}),
    ("exact: neither min nor max", "- image_watermark_filter:\n",
     {"image_watermark_prob": [[r] for r in RATIOS]}, {"exact": True},
     {"prob_threshold": "neither min nor max"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "process", "columns", "more", "expected"), CASES, ids=[one[0] for one in CASES]
)
def test_edge_cases(
    tmp_path: Path,
    case: str,
    process: str,
    columns: dict[str, list[Any]],
    more: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    recipe, found = refined(tmp_path, process, columns, **more)
    assert [one.threshold.argument for one in found] == list(expected)
    for one in found:
        wanted = expected[one.threshold.argument]
        if isinstance(wanted, str):
            assert wanted in one.reason
            assert one.after == one.before
        else:
            assert one.after == pytest.approx(wanted, rel=1e-5)
            assert more.get("exact") or type(one.after) is type(wanted)
    recipe.edited(changes_of(found))


def test_an_operator_that_stands_twice_is_refined_twice(tmp_path: Path) -> None:
    process = "- text_length_filter: {max_len: 99999}\n- text_length_filter: {min_len: 495}\n"
    recipe, found = refined(tmp_path, process, {"text_len": LENGTHS})
    assert recipe.edited(changes_of(found)).endswith(
        f"- text_length_filter: {{max_len: {HIGH}, min_len: {LOW}}}\n"
        f"- text_length_filter: {{min_len: 495, max_len: {HIGH}}}\n"
    )


def test_floats_are_rounded_outwards(tmp_path: Path) -> None:
    for seed in range(50):
        values = [random.Random(seed).gauss(0.3, 0.05) * 10.0**-seed for _ in range(3)]
        many = [values[i % 3] * (1 + i / 1000) for i in range(90)]
        _, (low, high) = refined(tmp_path, "- perplexity_filter:\n", {"perplexity": many}, "iqr")
        first, third = np.quantile(many, [0.25, 0.75])
        bounds = max(0.0, first - 1.5 * (third - first)), third + 1.5 * (third - first)
        assert low.after <= bounds[0] <= low.after * (1 + 1e-4) + 1e-300
        assert high.after * (1 - 1e-4) <= bounds[1] <= high.after
        assert all(len(f"{one.after:e}".rstrip("0")) <= 14 for one in (low, high))


@pytest.mark.parametrize(
    ("rule", "k", "low", "high"),
    [
        ("sigma", 1, sigma(LENGTHS, -1), sigma(LENGTHS, 1)),
        ("iqr", None, None, None),
        ("quantile", 0.1, np.quantile(LENGTHS, 0.1), np.quantile(LENGTHS, 0.9)),
        ("mad", 2, None, None),
    ],
)
def test_rules(tmp_path: Path, rule: str, k: float | None, low: Any, high: Any) -> None:
    if rule == "iqr":
        first, third = np.quantile(LENGTHS, [0.25, 0.75])
        low, high = first - 1.5 * (third - first), third + 1.5 * (third - first)
    if rule == "mad":
        middle = np.median(LENGTHS)
        spread = 2 * 1.4826 * np.median(np.abs(np.array(LENGTHS) - middle))
        low, high = middle - spread, middle + spread
    _, found = refined(tmp_path, TEXT, {"text_len": LENGTHS}, rule, k)
    assert [one.after for one in found] == [math.floor(low), math.ceil(high)]


@pytest.mark.parametrize(
    ("rule", "why"), [("mad", "its MAD is 0"), ("iqr", "its IQR is 0"), ("quantile", "")]
)
def test_mostly_equal_values(tmp_path: Path, rule: str, why: str) -> None:
    _, found = refined(tmp_path, TEXT, {"text_len": [50] * 290 + [900] * 10}, rule, 0.1)
    assert [why in one.reason for one in found] == [True, True]
    if not why:
        assert [one.after for one in found] == [50, 50]


@pytest.mark.parametrize("k", [0.0, -1.0, math.nan, math.inf])
def test_a_factor_must_be_positive(k: float) -> None:
    with pytest.raises(UsageError, match="must be a number above 0"):
        RULES["sigma"].checked(k)


def test_a_quantile_must_be_below_a_half() -> None:
    with pytest.raises(UsageError, match=r"below 0\.5"):
        RULES["quantile"].checked(0.5)


OVERALL = """\
,text_len,lang
count,400.0,400
mean,500.0,
std,50.0,
unique,,3
top,,en
min,300.0,
25%,470.0,
50%,501.0,
75%,530.0,
max,700.0,
"""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("sigma", [350, 650]), ("iqr", [380, 620]), ("mad", "needs the statistics of each sample"),
     ("quantile", "needs the statistics of each sample")],
)  # fmt: skip
def test_a_summary_is_enough_for_some_rules(tmp_path: Path, rule: str, expected: Any) -> None:
    path = tmp_path / "overall.csv"
    path.write_text(OVERALL)
    recipe = recipe_of(tmp_path, TEXT)
    statistics = read_statistics(path, ["text_len"])
    how = How(RULES[rule], RULES[rule].k)
    found = refine(recipe, known_of(recipe), statistics, how)
    if isinstance(expected, list):
        assert [one.after for one in found] == expected
        assert [one.count for one in found] == [400, 400]
    else:
        assert all(expected in one.reason for one in found)

"""The data about a run that the page contains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core import events as e
from autofinetune.core.slot import Slot
from autofinetune.report.content import content_of
from autofinetune.report.history import read_history
from autofinetune.report.page import as_json
from autofinetune.run.directories import existing_run
from tests.helpers import conditional_space, drawn_space
from tests.report.made import bowl, floats, make_run, making


def content(run: Path) -> dict[str, Any]:
    with existing_run(run) as paths:
        found: dict[str, Any] = json.loads(
            as_json(content_of(read_history(paths), run / "report.html"))
        )
        return found


def test_a_run_without_trials(tmp_path: Path) -> None:
    found = content(make_run(tmp_path / "run", 0, is_over=False))
    assert found["trials"]["id"] == []
    assert found["best"] is None
    assert found["progress"]["best"] == []
    assert found["surrogate"]["why"].startswith("The surrogate needs 4 trials")


def test_columns_and_logs(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 40, failing=8, stopping=7, losing=9)
    found = content(run)
    trials = found["trials"]
    assert trials["id"] == [*range(40)]
    assert trials["state"][7] == "FAILED"
    assert trials["score"][7] is None
    assert trials["attempts"][8] == 2
    assert sorted(trials["order"]) == [*range(1, 41)]
    assert all((run / log).is_file() for log in trials["log"])
    assert found["logs"] == "./."
    assert found["lost"] == [["runner_died", 4]]
    assert found["counts"]["STOPPED"] == 5


def test_best_so_far_never_gets_worse(tmp_path: Path) -> None:
    for direction, sign in (("maximize", 1), ("minimize", -1)):
        found = content(make_run(tmp_path / direction, 40, direction=direction))
        best = [sign * score for score in found["progress"]["best"]]
        assert best == sorted(best)
        assert sign * best[-1] == found["best"]["score"]
        assert found["progress"]["trials"][-1] == 40
        assert found["progress"]["steps"][-1] == 400
        assert found["progress"]["seconds"] == sorted(found["progress"]["seconds"])


def test_with_repeats_a_configuration_counts_by_its_mean(tmp_path: Path) -> None:
    with making(tmp_path / "run", repeats=2, popsize=2) as made:
        for score in (0.9, 0.1, 0.4, 0.8):
            trial = made.create({"lr": 0.01, "units": 40, "optimizer": "adam"})
            place, at = made.start(trial)
            made.end(trial, place, at, score=score)
    assert content(tmp_path / "run")["progress"]["best"][-1] == pytest.approx(0.6)


def test_failures_are_grouped_with_the_last_line(tmp_path: Path) -> None:
    found = content(make_run(tmp_path / "run", 12, failing=1))
    assert [(one["count"], one["reason"]) for one in found["failures"]] == [
        (6, "oom"), (6, "exit:1")
    ]  # fmt: skip
    assert found["failures"][1]["line"] == "ValueError: bad <b>value</b>"
    assert "why" in found["surrogate"]


def test_a_log_behind_a_link_is_not_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 1, failing=1)
    secret = tmp_path / "secret"
    secret.write_text("secret line\n")
    log = run / "round0" / "log-0.info"
    log.unlink()
    log.symlink_to(secret)
    found = content(run)
    assert found["failures"][0]["line"] == ""
    assert found["trials"]["log"] == [None]


def test_the_timeline_has_gaps_losses_and_times_without_a_tuner(tmp_path: Path) -> None:
    with making(tmp_path / "run", slots=2) as made:
        trial = made.create()
        place, at = made.start(trial)
        made.events.append(e.AttemptLost(at + 5.0, trial, 1, "suspect_slot"))
        made.events.append(e.SlotQuarantined(at + 6.0, Slot("0"), "it is <hot>"))
        made.events.append(e.RunResumed(at + 26.0, "0"))
        made.free = [at + 27.0] * 2
        place, at = made.start(trial, 2, place=1)
        made.end(trial, place, at, 2, score=1.0, seconds=10.0)
    found = content(tmp_path / "run")["timeline"]
    assert [(bar["outcome"], bar["slot"]) for bar in found["bars"]] == [
        ("LOST", 0), ("COMPLETED", 1)
    ]  # fmt: skip
    assert found["idle"] == [[7.0, 27.0]]
    assert found["marks"] == [{"slot": 0, "at": 7.0, "reason": "it is <hot>"}]
    assert found["busy"] == pytest.approx([5 / 18, 10 / 18])


@pytest.mark.slow
def test_short_attempts_share_a_bar(tmp_path: Path) -> None:
    found = content(make_run(tmp_path / "run", 3000, logs=False, reports=1))
    assert len(found["timeline"]["bars"]) < 2200  # at most two bars in each of 1,500 places
    assert sum(bar["count"] for bar in found["timeline"]["bars"]) == 3000
    assert found["surrogate"]["used"] == 600
    assert found["surrogate"]["known"] == 3000


def test_the_surrogate_finds_what_matters(tmp_path: Path) -> None:
    surrogate = content(make_run(tmp_path / "run", 60))["surrogate"]
    main = surrogate["importance"]["main"]
    assert main[0] > 0.6 > main[1]
    low, high = surrogate["importance"]["low"], surrogate["importance"]["high"]
    assert all(a <= b <= c for a, b, c in zip(low, main, high, strict=True))
    slice_ = surrogate["slices"][0]
    assert slice_["at"][slice_["mean"].index(max(slice_["mean"]))] == pytest.approx(0.01, rel=1.5)
    band = zip(slice_["low"], slice_["mean"], slice_["high"], strict=True)
    assert all(a <= b <= c for a, b, c in band)
    assert [one["share"] for one in surrogate["contours"]] == sorted(
        (one["share"] for one in surrogate["contours"]), reverse=True
    )


def test_conditions_leave_gaps_in_slices_and_contours(tmp_path: Path) -> None:
    def score(params: Any) -> float:
        base = {"sgd": 0.5, "lamb": 0.6, "adam": 0.7}[params["optimizer"]]
        return base - abs(float(params.get("momentum", 0.3)) - 0.3)

    found = content(make_run(tmp_path / "run", 60, conditional_space(), score))
    axes = found["params"]
    assert axes[1]["only_if"] == "optimizer = sgd"
    assert axes[2]["labels"] == ["True", "1"]
    assert None in found["trials"]["values"][1]
    pair = next(one for one in found["surrogate"]["contours"] if (one["x"], one["y"]) == (0, 1))
    assert [row[1:] for row in pair["z"]] == [[None, None]] * 12  # lamb and adam
    assert all(row[0] is not None for row in pair["z"])


def test_axes_of_any_distribution(tmp_path: Path) -> None:
    space = drawn_space()
    made = make_run(tmp_path / "run", 12, space, lambda params: float(params["depth"]))  # type: ignore[arg-type]
    scales = {axis["name"]: axis["scale"] for axis in content(made)["params"]}
    assert scales == {
        "decay": "log", "share": "linear", "width": "log", "depth": "linear", "kind": "choice"
    }  # fmt: skip


@pytest.mark.parametrize("count", [1, 30])
def test_one_parameter_and_thirty(tmp_path: Path, count: int) -> None:
    found = content(make_run(tmp_path / "run", 20, floats(count), bowl))
    assert len(found["surrogate"]["slices"]) == count
    assert len(found["surrogate"]["contours"]) == (0 if count == 1 else 6)


def test_equal_scores_have_no_importance(tmp_path: Path) -> None:
    with making(tmp_path / "run") as made:
        for _ in range(6):
            trial = made.create()
            place, at = made.start(trial)
            made.end(trial, place, at, score=0.5)
    assert "equal" in content(tmp_path / "run")["surrogate"]["why"]


def test_lineage_has_the_chain_and_the_roots(tmp_path: Path) -> None:
    with making(tmp_path / "run", popsize=2) as made:
        parents = (None, None, 0, 0, 2, 3)
        for number, parent in enumerate(parents):
            lr = 0.01 * (number + 1) / 2
            trial = made.create({"lr": lr, "units": 9, "optimizer": "sgd"}, parent)
            place, at = made.start(trial)
            made.end(trial, place, at, score=number / 10)
    lineage = content(tmp_path / "run")["lineage"]
    assert [step["trial"] for step in lineage["chain"]] == [0, 3, 5]
    assert lineage["chain"][1]["changes"] == [["lr", "0.02"]]
    assert lineage["of"] == [0, 1, 0, 0, 0, 0]
    assert lineage["roots"] == {"0": 2}

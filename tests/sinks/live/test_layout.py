"""The live view fits into every terminal, whatever it shows."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from autofinetune.core.slot import Slot
from autofinetune.sinks.live.figures import Signs
from autofinetune.sinks.live.layout import view
from autofinetune.sinks.live.paint import painted_view
from autofinetune.sinks.live.snapshot import Best, Row, Snapshot
from autofinetune.sinks.live.usage import Use

NOW = 10_000.0
PLAIN = Signs(is_plain=True)


def row(trial: int = 0, **fields: object) -> Row:
    given = {"params": {"lr": 0.001}, "since": 9_990.0 + trial, "slot": Slot(f"cpu:{trial}")}
    return Row(trial, 1, **{**given, **fields})  # type: ignore[arg-type]


def text(snapshot: Snapshot, width: int = 100, height: int = 40, uses: object = None) -> list[str]:
    lines = view(snapshot, uses or {}, NOW, width, height, Signs())  # type: ignore[arg-type]
    return ["".join(piece for piece, _ in line) for line in lines]


MANY = {f"hyperparameter_{number}": number / 7 for number in range(30)}
WIDE = {"学習率": 0.1, "na\x1b[31mme\n": "値" * 40, "a\u202eb": True, "😀": "👍🏽"}
NESTED = {"model": "tree", "depth": 3}
SCENES = {
    "nothing yet": Snapshot(),
    "nothing finished": Snapshot(total=50, counts={"RUNNING": 2}, rows=(row(), row(1))),
    "one parameter": Snapshot(total=3, counts={"RUNNING": 1, "COMPLETED": 1}, rows=(row(1),),
                              best=Best(0, 0.5, {"lr": 0.1}), best_scores=((1, 0.5),), busy_s=9.0),
    "thirty": Snapshot(total=50, counts={"RUNNING": 1, "FAILED": 3}, rows=(row(3, params=MANY),),
                       best=Best(0, 0.5, MANY), best_scores=((1, 0.5),), busy_s=9.0),
    "wide": Snapshot(total=None, counts={"RUNNING": 1}, rows=(
        row(0, params=WIDE, slot=Slot("GPU-aaaa\x1b[2J-bb"), reports=(1.0,) * 64, score=1.0),
    ), best=Best(0, 1e300, WIDE), best_scores=((1, -1e300), (2, 1e300)),
        waits=("slot 1 waits: \x1b]0;title\x07 値" * 9, "paused")),
    "nested": Snapshot(total=9, counts={"RUNNING": 2, "QUEUED": 1}, rows=(
        row(0, params=NESTED, base=NESTED, parent=4),
        row(1, params={"model": "line"}, base=NESTED),
        row(2, is_waiting=True), row(3, stop_reason="assessor: hopeless"),
    )),
    "64 slots": Snapshot(total=1000, counts={"RUNNING": 64, "COMPLETED": 800, "STOPPED": 30},
                         rows=tuple(row(n, score=n / 3, step=n) for n in range(64)), busy_s=1e6),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("signs", [Signs(), PLAIN])
def test_it_fits_into_every_size(name: str, signs: Signs) -> None:
    use = Use(123.4, 5 << 30, 99.0, 70 << 30)
    for width in (1, 5, 20, 39, 40, 60, 79, 80, 120, 199):
        for height in (1, 2, 5, 15, 23, 60):
            for uses in ({}, dict.fromkeys(range(64), use)):
                lines = view(SCENES[name], uses, NOW, width, height, signs)
                assert len(lines) <= height
                for line in lines:
                    shown = "".join(piece for piece, _ in line)
                    assert cell_len(shown) <= width, (width, height, shown)
                    assert shown.isprintable()
                    own = shown.isascii() or name == "wide"
                    assert own or signs is not PLAIN


def test_each_figure_has_a_column() -> None:
    one = row(5, step=7, score=0.25, reports=(0.1, 0.2, 0.25))
    snapshot = Snapshot(total=10, counts={"RUNNING": 1}, rows=(one,))
    head, line, *_ = text(snapshot, uses={5: Use(98.7, 1 << 30, 87.0, 3 << 30)})
    assert head.split() == [
        "trial", "slot", "hyperparameters", "step", "last", "reports", "time", "CPU", "mem",
        "GPU", "GPU", "mem",
    ]  # fmt: skip
    assert line.split() == ["5", "cpu:5", "lr=0.001", "7", "0.25", "▁▆█", "5", "s", "99%", "1.0G",
                            "87%", "3.0G"]  # fmt: skip


def test_a_narrow_terminal_has_the_most_important_columns() -> None:
    one = row(5, step=7, score=0.25, reports=(0.1, 0.25))
    snapshot = Snapshot(total=10, counts={"RUNNING": 1}, rows=(one,))
    head, line, *_ = text(snapshot, width=39, uses={5: Use(98.7, 1 << 30)})
    assert head.split() == ["trial", "slot", "hyperparamet…", "last", "time"]
    assert line.split() == ["5", "cpu:5", "lr=0.001", "0.25", "5", "s"]


def test_the_oldest_trials_are_shown_and_the_others_counted() -> None:
    lines = text(SCENES["64 slots"], height=14)
    trials = [line.split()[0] for line in lines[1:] if line[:5].strip().isdigit()]
    assert trials == [str(n) for n in range(len(trials))]
    assert f"and {64 - len(trials)} more running trials" in lines
    assert len(lines) == 14


def test_changes_and_states_are_told() -> None:
    lines = text(SCENES["nested"])
    assert lines[0].split()[2] == "changed"
    assert "as trial 4" in lines[1]
    assert "model=line" in lines[2]
    assert "stopping lr=0.001" in lines[3]
    assert "in the queue lr=0.001" in lines[4]
    assert "2 running  1 waiting" in "\n".join(lines)


def test_what_has_no_room_is_counted_and_long_names_keep_their_value() -> None:
    lines = text(SCENES["thirty"], width=79)
    assert "hyperparameter_0=0 +" not in lines[1]
    assert "as the best" in lines[1]
    other = row(4, params={**MANY, "hyperparameter_3": 9.0, "hyperparameter_4": 9.0})
    snapshot = Snapshot(rows=(other,), best=Best(0, 0.5, MANY))
    assert "hyperparameter_3=9 +1" in text(snapshot, width=50)[1]
    assert "hyperpara…=9" in text(snapshot, width=25)[1]


def test_the_bar_and_the_counts() -> None:
    counts = {"COMPLETED": 10, "FAILED": 5, "STOPPED": 5, "RUNNING": 2, "QUEUED": 1}
    snapshot = Snapshot(total=40, counts=counts, slots=2, busy_s=200.0)
    lines = view(snapshot, {}, NOW, 100, 40, Signs())
    assert [(len(piece), style) for piece, style in lines[0]] == [
        (15, "green"), (7, "magenta"), (8, "red"), (30, "dim"),
    ]  # fmt: skip
    shown = text(snapshot)[1]
    assert shown.startswith("20/40 done  10 finished  5 failed  5 stopped  2 running  1 waiting")
    assert "about 2 min left, until " in text(snapshot)[1]
    assert text(Snapshot(counts=counts))[0].startswith("20 done  ")


def test_the_history_of_the_best_score_is_a_curve() -> None:
    changes = ((1, 0.0), (2, 0.5), (6, 1.0))
    snapshot = Snapshot(
        counts={"COMPLETED": 8}, best=Best(5, 1.0, {"lr": 0.1}), best_scores=changes
    )
    assert text(snapshot)[-2:] == ["best 1 by trial 5  ▁▅▅▅▅███", "lr=0.1"]


def test_colours_are_the_codes_of_any_terminal() -> None:
    counts = {"COMPLETED": 10, "FAILED": 5}
    snapshot = Snapshot(total=40, counts=counts, rows=(row(),), best=Best(0, 0.5, {}))
    lines = painted_view(snapshot, {}, NOW, 79, 20, Signs())
    codes = "".join(line for line, _ in lines)
    assert "\x1b[32m" in codes
    assert "\x1b[31m" in codes
    assert "38;" not in codes  # the colours of the user's theme only
    assert all(width <= 79 for _, width in lines)

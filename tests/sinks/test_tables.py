"""log_file.txt in PaddleHub's format, trials.csv for pandas, config.yaml to run again."""

from __future__ import annotations

import csv
from pathlib import Path

from autofinetune.config.config import Config
from autofinetune.config.described import from_description
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks import Tables
from autofinetune.sinks.tables import CSV_COLUMNS
from autofinetune.space import load_space, read_yaml
from autofinetune.store.paths import RunPaths
from tests.helpers import conditional_space, config_of, play, tuner_in_memory


def run(root: Path, config: Config, program: object = play) -> list[dict[str, str]]:
    tuner = tuner_in_memory(
        root,
        config,
        sinks=[Tables(config, RunPaths(root))],
        program=program,  # type: ignore[arg-type]
    )
    tuner.start("run")
    tuner.run()
    with (root / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_log_file_has_the_lines_of_the_original(tmp_path: Path) -> None:
    config = config_of()
    rows = run(tmp_path, config)
    lines = (tmp_path / "log_file.txt").read_text().splitlines()
    best = max(rows, key=lambda row: float(row["score"]))
    assert lines[:6] == [
        "The final best hyperparameters:",
        f"lr\t:\t{best['lr']}",
        f"units\t:\t{best['units']}",
        f"optimizer\t:\t{best['optimizer']}",
        f"The final best eval score is {best['score']}.",
        "The final best model parameters are saved as ./best_model .",
    ]
    assert lines[6].split("\t")[:4] == ["lr", "units", "optimizer", "saved_params_dir"]
    assert len(lines) == 7 + 9
    assert lines[7].split("\t")[3:6] == ["round0/model-0", "0", rows[0]["score"]]


def test_the_csv_has_a_row_per_trial_with_every_column(tmp_path: Path) -> None:
    rows = run(tmp_path, config_of())
    assert list(rows[0]) == [*CSV_COLUMNS, "lr", "units", "optimizer"]
    assert [row["trial"] for row in rows] == [str(trial) for trial in range(9)]
    assert {row["state"] for row in rows} == {"COMPLETED"}
    assert [row["parent"] for row in rows[:3]] == ["", "", ""]
    assert all(row["parent"] for row in rows[3:])


def test_a_failed_trial_has_an_empty_score_and_a_reason(tmp_path: Path) -> None:
    rows = run(tmp_path, config_of(), lambda attempt: Played(None, returncode=9))
    assert {(row["state"], row["reason"], row["score"]) for row in rows} == {
        ("FAILED", "exit:9", "")
    }
    text = (tmp_path / "log_file.txt").read_text()
    assert text.startswith("The final best hyperparameters:\nnone: no trial has completed\n")


def test_scores_and_values_read_back_exactly(tmp_path: Path) -> None:
    wanted: dict[int, float] = {}

    def program(attempt: Attempt) -> Played:
        wanted[attempt.trial] = -1e-300 / (attempt.trial + 3)
        return Played(wanted[attempt.trial])

    rows = run(tmp_path, config_of(), program)
    assert {int(row["trial"]): float(row["score"]) for row in rows} == wanted


def test_a_hyperparameter_named_like_a_column_keeps_its_own(tmp_path: Path) -> None:
    entry = {"type": "int", "init_value": 2, "greater_than": 1, "lower_than": 9}
    space = load_space({"param_list": [{"name": "round", **entry}, {"name": "x", **entry}]})
    rows = run(tmp_path, config_of(space), lambda attempt: Played(0.5))
    assert rows[0]["round"] == "0"
    assert rows[0]["hparam.round"] == "2"
    assert rows[0]["x"] == "2"


def test_what_is_not_active_is_an_empty_cell(tmp_path: Path) -> None:
    config = config_of(conditional_space(), popsize=2, round=6)
    rows = run(tmp_path, config, lambda attempt: Played(float(attempt.trial)))
    lines = (tmp_path / "log_file.txt").read_text().splitlines()
    head = lines.index(next(line for line in lines if line.startswith("optimizer\tmomentum")))
    names = lines[head].split("\t")
    best = [line.split("\t")[0] for line in lines[1 : head - 2]]
    assert best == [name for name in names[:6] if rows[-1][name]]
    for row, line in zip(rows, lines[head + 1 :], strict=True):
        assert (row["momentum"] != "") == (row["optimizer"] == "sgd")
        assert (row["bias"] != "") == (row["optimizer"] == "lamb")
        assert line.split("\t")[:6] == [row[name] for name in names[:6]]
    assert {row["optimizer"] for row in rows} == {"sgd", "lamb", "adam"}


def test_words_with_commas_quotes_and_line_breaks_survive(tmp_path: Path) -> None:
    odd = 'a,"b"\nc'
    space = load_space({"param_list": [{"name": "x", "type": "choice", "choices": [odd, "d"]}]})
    rows = run(tmp_path, config_of(space), lambda attempt: Played(0.5))
    assert rows[0]["x"] == odd


def test_the_config_file_makes_the_same_run(tmp_path: Path) -> None:
    config = config_of(script_args=("--a=1e-5",), warm_args=("--epochs=2",))
    run(tmp_path, config)
    assert from_description(read_yaml(tmp_path / "config.yaml").value) == config


def test_the_tables_are_there_from_the_first_trial_on(tmp_path: Path) -> None:
    seen: list[bool] = []

    def program(attempt: Attempt) -> Played:
        seen.append((tmp_path / "trials.csv").exists() and (tmp_path / "log_file.txt").exists())
        return play(attempt)

    run(tmp_path, config_of(), program)
    assert all(seen[2:])  # they are written while the first two trials run

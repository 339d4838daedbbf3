"""A loop of others: trials are asked and told, one command each."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.conftest import Workplace

FIRST = ("--param_file=hparam.yaml", "--popsize=2", "--round=2", "--schedule=round", "--seed=1")


def ask(workplace: Workplace, *words: str) -> dict[str, Any]:
    done = workplace.run("ask", "result", "--json", *words)
    found: dict[str, Any] = json.loads(done.out)
    assert done.code == (0 if found["trial"] is not None else 7)
    return found


def test_a_run_without_a_script_is_asked_and_told(workplace: Workplace) -> None:
    done = workplace.run("ask", "result", *FIRST)
    assert (done.code, done.out) == (0, "trial 0: lr=0.001 units=16\n")
    second = ask(workplace, *FIRST)  # the same words begin nothing again
    assert (second["trial"], second["round"], second["state"]) == (1, 0, "RUNNING")
    done = workplace.run("ask", "result")
    assert (done.code, done.out.split(":")[0]) == (7, "no trial")
    assert "results are needed first" in done.out
    done = workplace.run("tell", "result", "0", "0.5")
    assert done.out == "trial 0: COMPLETED score 0.5; best 0.5 by trial 0\n"
    done = workplace.run("tell", "result", "1", "failed", "--json")
    assert json.loads(done.out) == {
        "trial": 1, "status": "FAILED", "reason": "told", "score": None, "state": "RUNNING",
        "best": 0,
    }  # fmt: skip
    assert workplace.run("status", "result").out.startswith("RUNNING\n2 of 4 trials created")
    assert [ask(workplace)["trial"] for _ in range(2)] == [2, 3]
    assert "FAILED nan" in workplace.run("tell", "result", "2", "nan").out
    assert json.loads(workplace.run("tell", "result", "3", "0.7", "--json").out)["state"] == "DONE"
    assert ask(workplace) == {"trial": None, "state": "DONE", "reason": "all trials ended"}

    assert workplace.run("set", "result", "round=3").out == "round=3 once the run goes on\n"
    assert workplace.run("enqueue", "result", "lr=0.01", "units=41").code == 0
    assert ask(workplace)["params"] == {"lr": 0.01, "units": 41}
    rows = (workplace.root / "result/trials.csv").read_text().splitlines()
    assert rows[1].startswith("0,0,0,1,COMPLETED,,0.5,,ask,")
    assert workplace.run("rebuild", "result").code == 0

    for words, why in (
        (("tell", "result", "9", "1"), "trial 9 was not handed out"),
        (("tell", "result", "3", "1"), "trial 3 has ended: COMPLETED"),
        (("tell", "result", "4", "good"), "'good' is not a score"),
        (("ask", "result", "--popsize=3"), "--popsize is for the first `ask` of a run"),
        (("ask", "."), "holds no run"),
        (("ask", "new", "--param_file=none.yaml"), "none.yaml"),
        (("resume", "result"), "handed out by `autofinetune ask`"),
        (("pause", "result"), "handed out by `autofinetune ask`"),
    ):
        done = workplace.run(*words)
        assert done.code == 2, words
        assert why in done.err, words


def test_the_loop_finds_what_the_same_search_finds_and_ends_with_the_space(
    workplace: Workplace,
) -> None:
    space = {"param_list": [{"name": "a", "type": "choice", "choices": [1, 2, 3]}]}
    (workplace.root / "hparam.yaml").write_text(json.dumps(space))
    seen = []
    first = ("--param_file=hparam.yaml", "--tuning_strategy=grid", "--direction=minimize")
    while (found := ask(workplace, *first))["trial"] is not None:
        seen.append(found["params"]["a"])
        assert workplace.run("tell", "result", str(found["trial"]), str(found["params"]["a"]))
    assert seen == [1, 2, 3]
    assert found["reason"] == "every configuration of the search space was tried"
    assert "best: 1.0 by trial 0: a=1" in workplace.run("status", "result").out


def test_a_run_with_a_tuner_is_not_asked(workplace: Workplace) -> None:
    assert workplace.tune("--popsize=1", "--round=1", "--gpu=cpu").code == 0
    done = workplace.run("ask", "result")
    assert done.code == 2
    assert "the trials of result are run by a tuner" in done.err

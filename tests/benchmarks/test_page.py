"""The commands on pages that benchmarks write contain no paths of this machine."""

from __future__ import annotations

import shlex

from benchmarks.page import command


def test_a_command_names_no_place_of_this_machine() -> None:
    words = ["overhead", "--optuna=/here/bin/python", "--data=/there", "--page=docs/x.md", "--n=3"]
    assert shlex.split(command("throughput", words)) == [
        "benchmarks.throughput", "overhead", "--optuna=optuna/bin/python", "--data=yahpo_data",
        "--n=3",
    ]  # fmt: skip

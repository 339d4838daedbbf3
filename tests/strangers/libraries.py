"""One run for libraries with a loop: a trial that ends, and a hopeless one that is stopped."""

from __future__ import annotations

import json

import pytest

from .helpers import STOP, Place, states

# The second learns nothing. A script makes it slow, so that there is something to stop.
RATES = """\
param_list:
 - name : lr
   type : choice
   choices : [0.1, 0.000001]
"""
# Data that a line divides, and how a script goes about a rate that teaches nothing.
DATA = """
import argparse, os, time
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
args = parser.parse_args()
EPOCHS = 3 if args.lr > 1e-3 else 3000
x = np.random.RandomState(0).randn(64, 4).astype("float32")
y = (x.sum(1) > 0).astype("int64")

def wait():
    time.sleep(0.0 if args.lr > 1e-3 else 0.02)

def done(value, epochs):
    print(float(value), epochs, file=open(os.environ["LEDGER"], "a"))
"""


def check(place: Place, script: str, *words: str) -> None:
    """Run the script, which tells its own last value and its epochs by `done` at its end."""
    place.write(hparam_yaml=RATES, train_py=DATA + script)
    trials = place.tune("--direction=minimize", *STOP, *words)
    assert states(trials) == ["COMPLETED", "STOPPED"], place.log(0) + place.log(1)
    told = [tuple(map(float, line.split())) for line in place.ledger()]
    assert float(trials[0]["score"]) == pytest.approx(told[0][0], rel=1e-5)
    assert told[0][1] == 3
    assert len(told) < 2 or told[1][1] < 3000
    assert exit_code(place, 1) == 0, place.log(1)


def exit_code(place: Place, trial: int) -> object:
    return json.loads((place.attempt(trial) / "exit.json").read_text()).get("returncode")

"""What a trial costs besides its own script, here and with peers, on the same script.

    overhead = slots x (length of a run of 20 + n trials - length of one of 20) / n
               - length of the script alone

The difference leaves out how a tool itself starts and ends. Peers run in environments of their
own (peers.txt says which versions) and start the script as their users do: Optuna by
`subprocess.run` in an objective of two threads, Ray Tune by `subprocess.run` in a function of two
concurrent trials, NNI by its local training service. All choose at random, and take turns so that
a machine that changes its speed changes it for all.
"""

from __future__ import annotations

import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .runs import machine, tune

SLOTS = 2
FIRST = 20  # trials that are in both lengths
TRAIN = """
import os, sys
with open(os.environ.get("AUTOFINETUNE_REPORT_FILE", os.devnull), "a") as file:
    file.write('{"final": 0.5}\\n')
"""
OPTUNA = """
import subprocess, sys, time
import optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
def objective(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    subprocess.run([sys.argv[1], sys.argv[2], f"--x={x}"], check=True)
    return 0.5
study = optuna.create_study(
    sampler=optuna.samplers.RandomSampler(seed=0), storage="sqlite:///optuna.db"
)
began = time.perf_counter()
study.optimize(objective, n_trials=int(sys.argv[3]), n_jobs=2)
print(time.perf_counter() - began)
"""
RAY = """
import os, subprocess, sys, time
import ray
from ray import tune
python, script, trials = sys.argv[1], os.path.abspath(sys.argv[2]), int(sys.argv[3])
def objective(config):
    subprocess.run([python, script, f"--x={config['x']}"], check=True)
    return {"score": 0.5}
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
tuner = tune.Tuner(
    objective,
    param_space={"x": tune.uniform(0.0, 1.0)},
    tune_config=tune.TuneConfig(
        num_samples=trials, max_concurrent_trials=2, metric="score", mode="max"
    ),
    run_config=tune.RunConfig(verbose=0, storage_path=os.path.abspath("ray")),
)
began = time.perf_counter()
tuner.fit()
print(time.perf_counter() - began)
"""
NNI = """
import sys, time
from nni.experiment import Experiment
experiment = Experiment("local")
experiment.config.trial_command = f"{sys.argv[1]} {sys.argv[2]}"
experiment.config.trial_code_directory = "."
experiment.config.search_space = {"x": {"_type": "uniform", "_value": [0, 1]}}
experiment.config.tuner.name = "Random"
experiment.config.max_trial_number = int(sys.argv[3])
experiment.config.trial_concurrency = 2
began = time.perf_counter()
experiment.run(8089)
print(time.perf_counter() - began)
"""
OURS: Mapping[str, Sequence[str]] = {
    "autofinetune, preload": ("--tuning_strategy=random", "--preload=json"),
    "autofinetune": ("--tuning_strategy=random",),
    "autofinetune, pshe2": (),
}
PEERS: Mapping[str, str] = {"optuna": OPTUNA, "ray": RAY, "nni": NNI}


def alone(root: Path, times: int = 30) -> float:
    """Seconds of the script by itself, the median."""
    (root / "train.py").write_text(TRAIN)
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([sys.executable, "train.py", "--x=0.5"], cwd=root, check=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def ours(root: Path, trials: int, words: Sequence[str]) -> float:
    """Seconds from the first start to the last end."""
    ran = tune(root, "train.py", TRAIN, f"--gpu=cpu:{SLOTS}", "--popsize=5",
               f"--max_trials={trials}", "--min_free_gb=0", *words)  # fmt: skip
    return max(one.ended_at for one in ran) - min(one.planned_at for one in ran)


def theirs(root: Path, trials: int, python: str, program: str) -> float:
    """Seconds as the peer's program measured them."""
    (root / "train.py").write_text(TRAIN)
    (root / "peer.py").write_text(program)
    done = subprocess.run(
        [python, "peer.py", sys.executable, "train.py", str(trials)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-1000:])
    return float(done.stdout.split()[-1])


def overhead(root: Path, trials: int, script: float, span: Callable[[Path, int], float]) -> float:
    """Seconds of slot a trial, from the `span` of a short and of a long run in new folders.

    The folders stay: on ext4 files are made slowly for minutes after many were deleted.
    """
    spans = [span(Path(tempfile.mkdtemp(dir=root)), n) for n in (FIRST, FIRST + trials)]
    return SLOTS * (spans[1] - spans[0]) / trials - script


def measure(trials: int, pythons: Mapping[str, str], repeats: int) -> str:
    """The table; a peer without an interpreter, or that fails, says so."""
    with tempfile.TemporaryDirectory() as directory:
        return _measure(Path(directory), trials, pythons, repeats)


def _measure(root: Path, trials: int, pythons: Mapping[str, str], repeats: int) -> str:
    before = machine()
    found: dict[str, list[float]] = {}
    troubles: dict[str, str] = {}
    for _ in range(repeats):
        script = alone(Path(tempfile.mkdtemp(dir=root)))
        for name, words in OURS.items():
            span = functools.partial(ours, words=words)
            found.setdefault(name, []).append(overhead(root, trials, script, span))
        for name, program in PEERS.items():
            if name not in pythons or name in troubles:
                troubles.setdefault(name, f"not measured: give --{name}=its python")
                continue
            span = functools.partial(theirs, python=pythons[name], program=program)
            try:
                found.setdefault(name, []).append(overhead(root, trials, script, span))
            except RuntimeError as error:
                troubles[name] = f"failed: {error}"
    base = statistics.median(found[next(iter(OURS))])
    lines = [
        f"{trials} trials on {SLOTS} slots, {repeats} times ({before}); ms of slot a trial, "
        "medians with the lowest and the highest"
    ]
    for name, overheads in found.items():
        low, middle, high = (
            f"{1000 * pick(overheads):.0f}" for pick in (min, statistics.median, max)
        )
        ratio = statistics.median(overheads) / base
        lines.append(f"    {name}: {middle} [{low}, {high}] ms, {ratio:.1f} times the first")
    return "\n".join([*lines, *(f"    {name}: {why}" for name, why in troubles.items())])

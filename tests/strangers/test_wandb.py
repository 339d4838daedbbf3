"""Scripts and sweeps for Weights & Biases, with the package itself and without its server."""

from __future__ import annotations

import json
import textwrap

import pytest

from .helpers import BOTH, STOP, Place, scores, states

TOOL = "Weights & Biases"
SWEEP = """\
program: train.py
method: {method}
metric:
  name: val_acc
  goal: maximize
parameters:
  lr:
    values: [0.25, 0.5]
  epochs:
    value: 3
  optimizer:
    parameters:
      name: {{values: [sgd, adam]}}
      lr: {{min: 0.0, max: 0.125}}
"""
PLAIN = """
import wandb

defaults = {"lr": 9.0, "epochs": 2, "dropout": 0.5}
run = wandb.init(project="digits", config=defaults)
config = wandb.config
assert config["lr"] == config.lr and config.dropout == 0.5
for epoch in range(config.epochs):
    wandb.log({"epoch": epoch, "val_acc": config.lr + epoch / 8, "loss": 1.0}, step=epoch)
wandb.finish()
"""


def stranger(what: str) -> pytest.MarkDecorator:
    return pytest.mark.stranger(TOOL, what, "wandb")


def binaries(place: Place, trial: int) -> list[str]:
    """The offline files of a trial's runs."""
    return [p.name for p in place.attempt(trial).glob("wandb/offline-run-*/run-*.wandb")]


@stranger("`wandb.init(config=defaults)`, `wandb.config`, `wandb.log(..., step=)`")
def test_a_script_reads_its_configuration_and_logs(place: Place) -> None:
    place.write(train_py=PLAIN)
    assert scores(place.tune("--metric=val_acc")) == [0.375, 0.625]
    assert len(binaries(place, 0)) == len(binaries(place, 1)) == 1
    assert place.names() == {"train.py", "hparam.yaml", "result"}
    # W&B keeps its cache, with the logs of its own service, where it is without a run of ours.
    places = {str(path.relative_to(place.home)) for path in place.home.rglob("*.*")}
    own = (".visualdl", ".cache/wandb/logs/")
    assert not {name for name in places if not name.startswith(own)}


@stranger("a sweep file by `autofinetune run`: grid, random, bayes; nested parameters")
@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_a_sweep_runs(place: Place, method: str) -> None:
    text = SWEEP.format(method=method)
    if method == "grid":
        text = text.replace("{min: 0.0, max: 0.125}", "{value: 0.0625}")
    place.write(
        sweep_yaml=text,
        train_py="""
            import wandb

            def main():
                with wandb.init() as run:
                    rate = run.config["optimizer"]["lr"]
                    assert wandb.config.optimizer["name"] in ("sgd", "adam")
                    assert run.config["epochs"] == 3
                    for epoch in range(run.config.epochs):
                        accuracy = wandb.config.lr + rate
                        run.log({"val_acc": accuracy, "train": {"loss": 1 / (epoch + 1)}})

            if __name__ == "__main__":
                main()
        """,
    )
    done = place.run(
        "run", "sweep.yaml", "--gpu=cpu:1", "--popsize=2", "--round=1", "--output_dir=result",
    )  # fmt: skip
    assert done.code == 0, place.explain(done)
    trials = place.trials()
    assert len(trials) == 2
    for trial, score in zip(trials, scores(trials), strict=True):
        rate = float(trial.get("optimizer.lr", 0.0625))
        assert score == pytest.approx(float(trial["lr"]) + rate)


@stranger("an argparse script by `${args}` and a sweep as `--param_file`")
def test_a_sweep_with_arguments(place: Place) -> None:
    sweep = textwrap.dedent("""\
        command: ["${env}", python, "${program}", "${args}"]
    """)
    script = """
        import argparse
        import wandb

        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float, default=1e-3)
        parser.add_argument("--epochs", type=int, default=10)
        args = parser.parse_args()
        run = wandb.init(project="p", config=vars(args), mode="online")
        for epoch in range(args.epochs):
            wandb.log({"val/acc": args.lr * epoch})
    """
    space = (
        "program: train.py\nmethod: grid\nmetric: {name: val/acc, goal: maximize}\n"
        "parameters:\n  lr: {values: [0.25, 0.5]}\n  epochs: {value: 3}\n"
    )
    place.write(train_py=script, sweep_yaml=space + sweep, hparam_yaml=space)
    words = ("--gpu=cpu:2", "--popsize=2", "--round=1", "--output_dir=result")
    done = place.run("run", "sweep.yaml", *words)
    assert done.code == 0, place.explain(done)
    assert sorted(scores(place.trials())) == [0.5, 1.0]
    (place.root / "result").rename(place.root / "first")
    assert sorted(scores(place.tune("--preload=wandb"))) == [0.5, 1.0]


@stranger('`run.summary["best"] =`, `define_metric(summary="max")`, names nested by `.` and `/`')
@pytest.mark.parametrize(
    ("metric", "found"), [("best", 2.25), ("val.acc", 0.5), ("val/acc", 0.5), ("top", 2.25)]
)
def test_where_a_value_stands(place: Place, metric: str, found: float) -> None:
    place.write(
        train_py="""
        import wandb

        wandb.login()
        run = wandb.init()
        run.define_metric("top", summary="max")
        for value in (1, 2, 0.25):
            run.log({"val": {"acc": value}, "top": value + run.config.lr})
        run.log({"val": {"acc": run.config["lr"] * 2}})
        run.summary["best"] = 2 + run.config.lr
        run.finish()
    """
    )
    assert scores(place.tune(f"--metric={metric}", "--preload=wandb"))[0] == found


@stranger("`wandb.sweep(config)` with `wandb.agent(sweep_id, function=main, count=5)`")
def test_a_script_that_starts_its_own_sweep(place: Place) -> None:
    place.write(
        train_py="""
        import os
        import wandb

        sweep = {"method": "random", "metric": {"name": "acc", "goal": "maximize"},
                 "parameters": {"lr": {"min": 0.0, "max": 1.0}}}

        def main():
            with wandb.init(project="p"):
                print("calls", wandb.config.lr, file=open(os.environ["LEDGER"], "a"))
                wandb.log({"acc": wandb.config.lr})

        sweep_id = wandb.sweep(sweep, project="p")
        wandb.agent(sweep_id, function=main, count=5)
    """
    )
    assert scores(place.tune("--metric=acc", "--preload=wandb")) == [0.25, 0.5]
    assert place.ledger() == ["calls 0.25", "calls 0.5"]


@stranger("`WANDB_API_KEY` set and no network: the user's `WANDB_MODE` wins")
def test_what_the_user_says_of_the_mode_stays(place: Place) -> None:
    place.variables = {"WANDB_API_KEY": "0" * 40, "WANDB_MODE": "offline"}
    place.write(train_py=PLAIN)
    assert scores(place.tune("--metric=val_acc", "--preload=wandb")) == [0.375, 0.625]
    assert len(binaries(place, 0)) == 1


@stranger("`wandb.init(mode='disabled')`")
def test_a_disabled_run_has_its_configuration(place: Place) -> None:
    place.write(train_py=PLAIN.replace("config=defaults", 'config=defaults, mode="disabled"'))
    assert scores(place.tune("--metric=val_acc", "--preload=wandb")) == [0.375, 0.625]
    assert place.names() == {"train.py", "hparam.yaml", "result"}


@stranger("values such as 0.00005 stay numbers; `run.link_artifact` without a server")
def test_small_values_and_a_registry(place: Place) -> None:
    place.write(
        train_py="""
        import wandb

        run = wandb.init()
        open("model.txt", "w").write("model")
        artifact = wandb.Artifact(name="model", type="model")
        artifact.add_file("model.txt")
        run.log_artifact(artifact)
        run.link_artifact(artifact=artifact, target_path="registry/models", aliases=["latest"])
        run.log({"acc": run.config.weight_decay * 20000.0})
        """,
        sweep_yaml="""
        program: train.py
        method: grid
        metric: {name: acc, goal: maximize}
        parameters:
          weight_decay: {values: [0.00005, 0.000025]}
        """,
    )
    done = place.run("run", "sweep.yaml", "--gpu=cpu:1", "--output_dir=result")
    assert done.code == 0, place.explain(done)
    assert scores(place.trials()) == [1.0, 0.5]


STOPPED = """
import time
import wandb

with wandb.init() as run:
    for epoch in range(3 if run.config.lr < 0.3 else 5000):
        run.log({"loss": run.config.lr, "epoch": epoch})
        time.sleep(0.02)
"""


@stranger("early stopping; the offline files are complete")
def test_a_hopeless_trial_ends_with_code_0(place: Place) -> None:
    place.write(train_py=STOPPED)
    trials = place.tune("--metric=loss", "--direction=minimize", *STOP)
    assert states(trials) == ["COMPLETED", "STOPPED"]
    ended = json.loads((place.attempt(1) / "exit.json").read_text())
    assert ended["returncode"] == 0, ended
    assert len(binaries(place, 1)) == 1
    assert "asked to stop" in place.log(1)
    assert "Traceback" not in place.log(1)


@stranger("`early_terminate` of a sweep ends a script with code 0")
def test_a_sweep_ends_a_trial_early(place: Place) -> None:
    place.write(
        train_py=STOPPED,
        sweep_yaml="""
        program: train.py
        method: grid
        metric: {name: loss, goal: minimize}
        parameters: {lr: {values: [0.25, 0.5]}}
        early_terminate: {type: hyperband, min_iter: 1, eta: 2}
        """,
    )
    words = ("--gpu=cpu:1", "--popsize=2", "--round=1", "--output_dir=result")
    done = place.run("run", "sweep.yaml", *words)
    assert done.code == 0, place.explain(done)
    assert states(place.trials()) == ["COMPLETED", "STOPPED"]
    ended = json.loads((place.attempt(1) / "exit.json").read_text())
    assert ended["returncode"] == 0, ended


@stranger("`autofinetune resume` after `kill -9` of the tuner")
def test_a_killed_run_goes_on(place: Place) -> None:
    place.write(
        hparam_yaml="parameters: {lr: {values: [0.25, 0.5, 0.75, 1.0]}}",
        train_py="""
        import os
        import wandb

        with wandb.init() as run:
            print(run.config.lr, file=open(os.environ["LEDGER"], "a"))
            wandb.log({"acc": run.config.lr})
    """,
    )
    words = (*BOTH, "--popsize=4", "--metric=acc", "--output_dir=result", "--gpu=cpu:1")
    place.kill_when(
        lambda: len(place.ledger()) == 2, "train.py", "--param_file=hparam.yaml", *words
    )
    done = place.run("resume", "result")
    assert done.code == 0, place.explain(done)
    assert scores(place.trials()) == [0.25, 0.5, 0.75, 1.0]
    assert place.ledger() == ["0.25", "0.5", "0.75", "1.0"]

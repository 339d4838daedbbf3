"""Scripts that only print, and metrics that never come."""

from __future__ import annotations

import pytest

from .helpers import BOTH, LR, STOP, Place, scores, states

PRINTS = r"""
import argparse, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
args = parser.parse_args()
for epoch in range(3):
    for batch in range(20):
        sys.stderr.write("\repoch %d: %3d%%|####   | loss=%.3f" % (epoch, batch * 5, 9.0))
    sys.stdout.write("\r\x1b[32mval_acc\x1b[0m=\x1b[1m%s\x1b[0m\r" % (args.lr * (3 - epoch)))
    sys.stdout.flush()
sys.stdout.write("test acc=%s" % args.lr)
"""


@pytest.mark.stranger("printed text", "progress bars, colours, a last line without a line break")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--metric_pattern=val_acc=([0-9.]+)"], [0.25, 0.5]),
        (["--metric_pattern=val_acc=([0-9.]+)", "--final=best"], [0.75, 1.5]),
        (["--metric_pattern=test acc=([0-9.]+)"], [0.25, 0.5]),
    ],
    ids=["last", "best", "last line"],
)
def test_a_pattern_finds_the_score(place: Place, words: list[str], found: list[float]) -> None:
    place.write(train_py=PRINTS)
    assert scores(place.tune(*words)) == found


@pytest.mark.stranger("printed text", "early stopping")
def test_a_printing_script_is_stopped(place: Place) -> None:
    place.write(
        train_py=PRINTS.replace(
            'sys.stdout.write("test',
            "while args.lr > 0.3:\n"
            "    print('val_acc=0.0', flush=True)\n"
            "    time.sleep(0.02)\n"
            'sys.stdout.write("test',
        ).replace("args.lr * (3 - epoch)", "0.25 - args.lr")
    )
    trials = place.tune("--metric_pattern=val_acc=([-0-9.]+)", *STOP, "--stop_grace=0")
    assert states(trials) == ["COMPLETED", "STOPPED"]


@pytest.mark.stranger("TensorBoard", "a metric that is never logged: the message lists the others",
                      "tensorboardX")  # fmt: skip
def test_the_names_that_came_are_told(place: Place) -> None:
    place.write(
        hparam_yaml=LR,
        train_py="""
            import argparse
            from tensorboardX import SummaryWriter

            parser = argparse.ArgumentParser()
            parser.add_argument("--lr", type=float)
            parser.parse_args()
            with SummaryWriter("runs") as writer:
                writer.add_scalar("val/accuracy", 0.5, 0)
        """,
    )
    done = place.run(
        "train.py", "--param_file=hparam.yaml", "--output_dir=result", "--metric=val_acc", *BOTH
    )
    assert done.code == 3
    assert {(t["state"], t["reason"]) for t in place.trials()} == {("FAILED", "no_metric")}
    assert "val/accuracy" in done.out + done.err


@pytest.mark.stranger("torch", "`--preload=torch`, and the machine's own `sitecustomize`", "torch")
def test_a_sitecustomize_of_the_machine_is_loaded(place: Place) -> None:
    place.variables = {"PYTHONPATH": f"{place.root / 'site'}:{place.env['PYTHONPATH']}"}
    (place.root / "site").mkdir()
    (place.root / "site/sitecustomize.py").write_text("import os\nos.environ['MINE'] = '0.125'\n")
    place.write(
        train_py="""
        import argparse, os
        import torch
        from torch.utils.tensorboard import SummaryWriter

        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float)
        args = parser.parse_args()
        value = torch.tensor(args.lr) + float(os.environ["MINE"])
        with SummaryWriter("runs") as writer:
            writer.add_scalar("acc", value, 0)
    """
    )
    assert scores(place.tune("--metric=acc", "--preload=torch")) == [0.375, 0.625]
    assert scores_again(place) == [0.375, 0.625]


def scores_again(place: Place) -> list[float]:
    """The scores of the same run without --preload."""
    (place.root / "result").rename(place.root / "before")
    return scores(place.tune("--metric=acc"))

"""Scripts that write scalars: TensorBoard by torch and by tensorboardX, VisualDL, MLflow."""

from __future__ import annotations

import pytest

from .helpers import Place, scores
from .libraries import check

LOOP = """
weights = np.zeros(4)
for epoch in range(EPOCHS):
    margin = x @ weights
    weights -= args.lr * (x * (1 / (1 + np.exp(-margin)) - y)[:, None]).mean(0)
    loss = float(np.log(1 + np.exp(-(2 * y - 1) * (x @ weights))).mean())
    writer.add_scalar("val/loss", loss, epoch)
    writer.add_scalar("lr", args.lr, global_step=epoch)
    wait()
writer.close()
done(loss, EPOCHS)
"""


@pytest.mark.stranger(
    "TensorBoard", "`torch.utils.tensorboard`; early stopping", "tensorboard", "torch"
)
def test_torch(place: Place) -> None:
    script = "from torch.utils.tensorboard import SummaryWriter\nwriter = SummaryWriter()\n" + LOOP
    check(place, script, "--metric=val/loss", "--preload=torch")


@pytest.mark.stranger("TensorBoard", "`tensorboardX`; early stopping", "tensorboardX")
def test_tensorboardx(place: Place) -> None:
    script = "from tensorboardX import SummaryWriter\nwriter = SummaryWriter('runs')\n" + LOOP
    check(place, script, "--metric=val/loss")


@pytest.mark.stranger("VisualDL", "`LogWriter.add_scalar`; early stopping", "visualdl")
def test_visualdl(place: Place) -> None:
    script = "from visualdl import LogWriter\nwriter = LogWriter(logdir='log')\n" + LOOP.replace(
        "global_step=", ""
    )
    check(place, script, "--metric=val/loss")


MLFLOW = """
import argparse
import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1e-3)
args = parser.parse_args()
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("digits")
with mlflow.start_run():
    mlflow.log_params(vars(args))
    for step in range(3):
        mlflow.log_metric("loss", 1.0, step=step)
    mlflow.log_metrics({"val_acc": args.lr * 2, "f1": 0.5}, step=3)
"""


@pytest.mark.stranger("MLflow", "two trials at once on a fresh sqlite store", "mlflow")
def test_mlflow(place: Place) -> None:
    place.write(train_py=MLFLOW)
    assert sorted(scores(place.tune("--metric=val_acc", "--gpu=cpu:2"))) == [0.5, 1.0]

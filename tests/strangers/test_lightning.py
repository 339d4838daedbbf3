"""Lightning by both of its names."""

from __future__ import annotations

import pytest

from .helpers import Place
from .libraries import check

SCRIPT = """
import torch
import lightning as L
from torch.utils.data import DataLoader, TensorDataset

class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"lr": args.lr})
        self.layer = torch.nn.Linear(4, 2)

    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1]))

    def on_train_epoch_end(self):
        wait()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

L.seed_everything(1)
data = TensorDataset(torch.tensor(x), torch.tensor(y))
trainer = L.Trainer(max_epochs=EPOCHS, accelerator="cpu", logger=False, log_every_n_steps=1,
                    enable_checkpointing=False, enable_progress_bar=False)
trainer.fit(Net(), DataLoader(data, 32, shuffle=True), DataLoader(data, 64))
done(trainer.callback_metrics["val_loss"], trainer.current_epoch)
"""


@pytest.mark.stranger(
    "Lightning", "`Trainer.fit`, `self.log`; early stopping", "lightning", "torch"
)
def test_lightning(place: Place) -> None:
    check(place, SCRIPT, "--metric=val_loss")


@pytest.mark.stranger("Lightning", "the same as `pytorch_lightning`", "pytorch-lightning", "torch")
def test_pytorch_lightning(place: Place) -> None:
    script = SCRIPT.replace("import lightning as L", "import pytorch_lightning as L")
    check(place, script, "--metric=val_loss")


CLI_SCRIPT = """
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset

class Points(LightningDataModule):
    def __init__(self, batch_size: int = 32):
        super().__init__()
        x = torch.linspace(-1, 1, 64).unsqueeze(1)
        self.points, self.batch_size = TensorDataset(x, 2 * x), batch_size

    def train_dataloader(self):
        return DataLoader(self.points, self.batch_size)

    def val_dataloader(self):
        return DataLoader(self.points, 64)

class Line(LightningModule):
    def __init__(self, lr: float = 0.01):
        super().__init__()
        self.lr = lr
        self.slope = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, index):
        return torch.nn.functional.mse_loss(self.slope * batch[0], batch[1])

    def validation_step(self, batch, index):
        self.log("slope", self.slope.detach())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)

if __name__ == "__main__":
    LightningCLI(Line, Points)
"""


@pytest.mark.stranger(
    "Lightning", "LightningCLI: `main.py fit` with `--model.lr`", "lightning", "jsonargparse"
)
def test_lightning_cli(place: Place) -> None:
    place.write(
        train_py=CLI_SCRIPT,
        hparam_yaml="parameters: {model.lr: {values: [0.01, 0.5]}}",
    )
    trials = place.tune(
        "--metric=slope", "fit", "--trainer.max_epochs=3", "--trainer.logger=false",
        "--trainer.accelerator=cpu", "--data.batch_size=64",
        "--trainer.default_root_dir=${saved_params_dir}",
    )  # fmt: skip
    slow, fast = (float(trial["score"]) for trial in trials)
    assert 0.0 < slow < 0.1 < fast < 2.0

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

"""Tiny trainings with each library, in processes of their own: libraries disturb each other.

    python tests/integration/trainings.py keras DIRECTORY

A training gets callbacks and the number of epochs. It returns the name of a metric that it logs
after each epoch, and its values as the library itself recorded them. What a process found is in
`found.json` in the directory, and its reports are beside it.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from autofinetune.adapters import layer

EPOCHS = 3
X = np.random.RandomState(0).randn(64, 4).astype("float32")
Y = (X.sum(1) > 0).astype("int64")

Training = Callable[[Sequence[Any], int], list[float]]


def keras(callbacks: Sequence[Any], epochs: int) -> list[float]:
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
    done = model.fit(
        X, Y, epochs=epochs, verbose=0, validation_data=(X, Y), callbacks=list(callbacks)
    )
    return list(done.history["val_loss"])


def lightning(
    callbacks: Sequence[Any], epochs: int, name: str = "lightning.pytorch", **options: Any
) -> list[float]:
    lightning = importlib.import_module(name)
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    values = []

    class Net(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def loss(self, batch: Any) -> Any:
            return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

        def training_step(self, batch: Any, index: int) -> Any:
            return self.loss(batch)

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", self.loss(batch), sync_dist=True)

        def on_validation_epoch_end(self) -> None:
            if not self.trainer.sanity_checking:
                values.append(float(self.trainer.callback_metrics["val_loss"]))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.5)

    torch.manual_seed(1)
    data = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), 16)
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=list(callbacks), accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        **options,
    )  # fmt: skip
    trainer.fit(Net(), data, data)
    return values


def xgboost(callbacks: Sequence[Any], epochs: int) -> list[float]:
    import xgboost

    data = xgboost.DMatrix(X, label=Y)
    params = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
    history: Any = {}
    xgboost.train(
        params, data, epochs, evals=[(data, "val")], evals_result=history, verbose_eval=False,
        callbacks=list(callbacks),
    )  # fmt: skip
    return list(history["val"]["logloss"])


def lightgbm(callbacks: Sequence[Any], epochs: int) -> list[float]:
    import lightgbm

    params = {"objective": "binary", "num_leaves": 4, "num_threads": 1, "verbose": -1}
    history: Any = {}
    data = lightgbm.Dataset(X, Y, params={"min_data_in_leaf": 2, "verbose": -1})
    lightgbm.train(
        params, data, epochs, valid_sets=[data], valid_names=["val"],
        callbacks=[*callbacks, lightgbm.record_evaluation(history)],
    )  # fmt: skip
    return list(history["val"]["binary_logloss"])


def paddle(callbacks: Sequence[Any], epochs: int) -> list[float]:
    import paddle

    values = []

    class Points(paddle.io.Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(X)

        def __getitem__(self, index: int) -> Any:
            return X[index], Y[index : index + 1]

    class Note(paddle.callbacks.Callback):  # type: ignore[misc]
        def on_eval_end(self, logs: Any = None) -> None:
            values.append(float(logs["loss"][0]))

    paddle.seed(1)
    net = paddle.nn.Linear(4, 2)
    model = paddle.Model(net)
    optimizer = paddle.optimizer.SGD(0.5, parameters=net.parameters())
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss())
    model.fit(
        Points(), Points(), batch_size=32, epochs=epochs, verbose=0,
        callbacks=[Note(), *callbacks],
    )  # fmt: skip
    return values


def transformers(callbacks: Sequence[Any], epochs: int) -> list[float]:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    class Texts(torch.utils.data.Dataset[Any]):  # type: ignore[misc]
        def __len__(self) -> int:
            return 16

        def __getitem__(self, index: int) -> Any:
            return {"input_ids": torch.full((4,), index % 2 + 1), "labels": index % 2}

    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = BertForSequenceClassification(
        BertConfig(vocab_size=8, intermediate_size=16, max_position_embeddings=8, **sizes)
    )
    # Older versions have other names for both.
    names = TrainingArguments.__dataclass_fields__
    evaluate = "eval_strategy" if "eval_strategy" in names else "evaluation_strategy"
    cpu = "use_cpu" if "use_cpu" in names else "no_cuda"
    arguments = TrainingArguments(
        output_dir="model", num_train_epochs=epochs, learning_rate=0.05, save_strategy="no",
        report_to="none", disable_tqdm=True, **{evaluate: "epoch", cpu: True},
    )  # fmt: skip
    trainer = Trainer(
        model, arguments, train_dataset=Texts(), eval_dataset=Texts(), callbacks=list(callbacks)
    )
    trainer.train()
    return [log["eval_loss"] for log in trainer.state.log_history if "eval_loss" in log]


TRAININGS: Mapping[str, tuple[Training, str]] = {
    "keras": (keras, "val_loss"),
    "lightgbm": (lightgbm, "binary_logloss"),
    "lightning": (lightning, "val_loss"),
    "paddle": (paddle, "eval_loss"),
    "transformers": (transformers, "eval_loss"),
    "xgboost": (xgboost, "logloss"),
}


@contextmanager
def trial(place: Path, **variables: str) -> Iterator[None]:
    """In the environment of a trial whose reports are at `place`."""
    stop = f"{place}.stop"
    found = {"REPORT_FILE": str(place), "STOP_FILE": stop, **variables}
    with mock.patch.dict(os.environ, {f"AUTOFINETUNE_{n}": v for n, v in found.items()}):
        yield


def callback_class(name: str) -> Any:
    return importlib.import_module(f"autofinetune.integration.{name}").AutofinetuneCallback


def cases(name: str, place: Path) -> dict[str, list[float]]:
    """Train with the callback in different trials, and outside any."""
    train, metric = TRAININGS[name]
    kind = callback_class(name)
    assert callback_class(name) is kind
    found = {"outside": train([kind(metric)], EPOCHS)}
    with trial(place / "last"):
        found["last"] = train([kind(metric)], EPOCHS)
    with trial(place / "best"):  # the highest loss is the best one, as a run maximizes
        found["best"] = train([kind(metric, final="best")], EPOCHS)
    with trial(place / "both", METRIC=metric):  # as with --metric
        found["both"] = train([kind(metric)], EPOCHS)
    with trial(place / "other", METRIC="another"):
        found["other"] = train([kind(metric)], EPOCHS)
    with trial(place / "stop"):
        (place / "stop.stop").touch()
        found["stop"] = train([pickle.loads(pickle.dumps(kind(metric)))], EPOCHS)  # noqa: S301
    return found


def ended_by_another(place: Path) -> dict[str, list[float]]:
    """Train with LightGBM, where a callback that comes later ends training by an exception."""
    import lightgbm as library

    def stop(env: Any) -> None:
        if env.iteration == 1:
            raise library.callback.EarlyStopException(1, env.evaluation_result_list)

    stop.order = 30  # type: ignore[attr-defined]
    with trial(place / "ended"):
        return {"ended": lightgbm([callback_class("lightgbm")("val-binary_logloss"), stop], 9)}


def pytorch_lightning(place: Path) -> dict[str, list[float]]:
    """Train with Lightning by its other name."""
    import pytorch_lightning

    kind = callback_class("lightning")
    assert issubclass(kind, pytorch_lightning.Callback)
    with trial(place / "last"):
        return {"last": lightning([kind("val_loss")], EPOCHS, "pytorch_lightning")}


def lightning_ranks(callbacks: Sequence[Any], epochs: int) -> list[float]:
    return lightning(callbacks, epochs, strategy="ddp", devices=2)


def ranks(name: str, place: Path) -> dict[str, list[float]]:
    """Train with two ranks, of which only the first one sees that the trial should stop."""
    train, metric = TRAININGS[name]
    train = lightning_ranks if name == "lightning" else train
    with trial(place / "stop", STOP_FILE=str(place / f"stop.{rank()}")):
        (place / "stop.0").touch()
        return {"stop": train([callback_class(name)(metric)], EPOCHS)}


def rank() -> str:
    """The rank of this process; Lightning has no variable for it in the first one."""
    return os.environ.get("LOCAL_RANK", "0")


CASES: Mapping[str, Callable[[str, Path], dict[str, list[float]]]] = {
    "cases": cases,
    "ranks": ranks,
    "ended": lambda name, place: ended_by_another(place),
    "other name": lambda name, place: pytorch_lightning(place),
}


def main(name: str, directory: str, case: str = "cases") -> None:
    place = Path(directory)
    os.chdir(place)
    layer.install()
    found = CASES[case](name, place)
    heavy = {"cma", "visualdl", "autofinetune.config", "autofinetune.api"}  # of the tuner
    loaded = sorted(heavy.intersection(sys.modules))
    (place / f"found-{rank()}.json").write_text(json.dumps({"loaded": loaded, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""PaddlePaddle's high-level API."""

from __future__ import annotations

import pytest

from .helpers import Place
from .libraries import check

SCRIPT = """
import paddle

class Points(paddle.io.Dataset):
    def __len__(self):
        return len(x)

    def __getitem__(self, index):
        return x[index], y[index : index + 1]

class Note(paddle.callbacks.Callback):
    values = []

    def on_eval_end(self, logs=None):
        self.values.append(logs["loss"][0])
        wait()

paddle.seed(1)
model = paddle.Model(paddle.nn.Linear(4, 2))
model.prepare(paddle.optimizer.SGD(args.lr, parameters=model.parameters()),
              paddle.nn.CrossEntropyLoss(), paddle.metric.Accuracy())
model.fit(Points(), Points(), batch_size=32, epochs=EPOCHS, verbose=0, callbacks=[Note()])
done(Note.values[-1], len(Note.values))
"""


@pytest.mark.stranger("PaddlePaddle", "`paddle.Model.fit`; early stopping", "paddlepaddle")
def test_fit(place: Place) -> None:
    check(place, SCRIPT, "--metric=eval_loss")

"""Keras on torch."""

from __future__ import annotations

import pytest

from .helpers import Place
from .libraries import check

SCRIPT = """
os.environ["KERAS_BACKEND"] = "torch"
import keras

class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        wait()

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(keras.optimizers.SGD(args.lr), "binary_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0, validation_data=(x, y),
                    callbacks=[Slow()])
done(history.history["val_loss"][-1], len(history.history["val_loss"]))
"""


@pytest.mark.stranger("Keras", "`fit`; early stopping", "keras", "torch")
def test_fit(place: Place) -> None:
    check(place, SCRIPT, "--metric=val_loss", "--preload=torch")

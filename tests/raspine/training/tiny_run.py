"""Trains a tiny network through the loop, saying each step, for those who interrupt it.

    python tiny_run.py STRATEGY FOLDER PRECISION

Exits as experiments.train does: 0 when done, 75 when stopped with its state saved or when another worker is gone.
"""

import dataclasses
import json
import os
import pathlib
import sys
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from raspine import atomic
from raspine.inputs import epochs
from raspine.training import loop, stopping, strategy

STEPS, EPOCHS, BATCH = 20, 3, 4
STOPPED = 75


class Subject:
    """What best/ and last/ hold: the weights."""

    def __init__(self, network: keras.Model, card: dict[str, Any]):
        self.network, self.card = network, card

    def save(self, folder: os.PathLike[str]) -> None:
        with atomic.atomic_directory(folder, replace=True) as aside:
            np.savez(aside / "weights.npz", *self.network.get_weights())


class Voice(loop.Validation):
    """Says each step and takes some time for it, so that another process can act on a certain one."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        print(f"step {batch}", flush=True)
        time.sleep(0.03)

    def on_train_end(self, logs: Any = None) -> None:
        if json.loads(os.environ.get(strategy.CLUSTER, "{}")).get("task", {}).get("index") == 0:
            time.sleep(0.5)  # the chief is the last one, so that the others must wait for it

    def shown(self) -> None:
        return None


class Task(loop.Task):
    """Dense layers with normalisation and dropout on numbers drawn for each step."""

    unit, items, data_hash = "item", STEPS * BATCH, "0" * 64

    def __init__(self, precision: str):
        self.recipe = loop.Recipe(
            batch=BATCH, epochs=EPOCHS, average=0.9, normalization="synchronized", precision=precision, seed=5
        )

    def build(self) -> keras.Model:
        inputs = keras.Input((6,))
        maps = keras.layers.Dense(8, "relu")(inputs)
        maps = keras.layers.BatchNormalization(synchronized=True)(maps)
        if self.recipe.precision == "float32":  # replicas draw alike, so only a single device is like itself
            maps = keras.layers.Dropout(0.2)(maps)
        return keras.Model(inputs, keras.layers.Dense(1)(maps))

    def loss(self) -> keras.losses.Loss:
        return keras.losses.MeanSquaredError()

    def subject(self, network: keras.Model, card: dict[str, Any]) -> Subject:
        return Subject(network, card)

    def validation(self, subject: Any) -> Voice:
        return Voice()

    def batches(self, first_step: int, share: epochs.Share) -> tf.data.Dataset:
        part = share.part(BATCH)

        def make(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            values = tf.random.stateless_normal((BATCH, 7), tf.stack([step, 1]))[part.begin : part.end]
            return values[:, :6], values[:, 6:]

        return epochs.finished(tf.data.Dataset.counter(first_step).map(make))

    def shards(self) -> list[str]:
        return []

    def score(self, figures: dict[str, float]) -> float:
        return figures.get("loss", np.nan)


class Plain(Task):
    """Without normalisation and dropout, so that parts of a batch are treated as the whole is."""

    def __init__(self, **recipe: Any):
        super().__init__("float64")
        self.recipe = dataclasses.replace(self.recipe, average=0.0, epochs=1, **recipe)

    def build(self) -> keras.Model:
        inputs = keras.Input((6,))
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(8, "relu")(inputs)))

    def validation(self, subject: Any) -> None:
        return None


def main(name: str, folder: pathlib.Path, precision: str) -> int:
    place = strategy.make(name)
    execution = loop.Execution(strategy=name, place=place, deterministic=True, checkpoint_seconds=0.15)
    try:
        loop.train(Task(precision), folder, execution)
    except (stopping.Stopped, loop.WorkerLostError) as error:
        print(error, flush=True)
        os._exit(STOPPED)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]))

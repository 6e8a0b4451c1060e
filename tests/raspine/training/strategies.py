"""Trains both tasks for some steps under a strategy and leaves their weights, first losses and first gradients.

    python strategies.py STRATEGY FOLDER RESULT

Workers of `multi_worker` find each other by TF_CONFIG; the first one writes.
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
import tiny_run

from raspine.inputs import augmentation, epochs, study_augmentation
from raspine.models import hrnet, resnet
from raspine.training import deformity, landmarks, loop, step, strategy

STEPS = 20
SHARED = {
    "batch": 8, "epochs": 10, "learning_rate": 1e-3, "seed": 3, "normalization": "synchronized",
    "precision": "float64", "validate_every": 5,
}  # fmt: skip
STILL = study_augmentation.StudyAugmentation(augmentation.Augmentation(5, 0, 0, 0.05, 0.1, 0, 0.02, 0), brightness=0.02)


def tasks(folder: pathlib.Path) -> dict[str, loop.Task]:
    films, studies = landmarks.open_data(folder / "films"), deformity.open_data(folder / "studies")
    changes = augmentation.Augmentation(cutout=1)
    seen = landmarks.Recipe(average=0.9, small=True, height=64, width_px=64, augmentation=changes, **SHARED)
    risk = deformity.Recipe(depth=26, height=64, width_px=64, augmentation=STILL, clinical=True, **SHARED)
    return {"landmarks": landmarks.Task(seen, films), "deformity": deformity.Task(risk, studies)}


def first(task: loop.Task, place: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """Returns the float32 loss and gradients of the first global batch."""
    keras.utils.set_random_seed(0)
    with place.scope():
        network = task.build()
        network.compile(keras.optimizers.SGD(), task.loss())
    replicas = place.num_replicas_in_sync

    def part(context: tf.distribute.InputContext) -> tf.data.Dataset:
        share = epochs.Share(context.input_pipeline_id, context.num_input_pipelines)
        return epochs.per_replica(task.batches(0, share), replicas // context.num_input_pipelines)

    @tf.function
    def compute(items: tuple) -> tuple:
        found = place.run(lambda mine: step.gradients(network, network.loss, network.optimizer, mine, 1.0), (items,))
        return tf.nest.map_structure(lambda value: place.reduce("SUM", value, axis=None), found)

    loss, gradients = compute(next(iter(place.distribute_datasets_from_function(part))))
    flat = np.concatenate([gradient.numpy().ravel() for gradient in gradients])
    return {"loss": loss.numpy(), "gradients": flat}


def main(name: str, folder: pathlib.Path, result: pathlib.Path) -> None:
    if name == "mirrored":
        strategy.split_cpu(2)
    place = strategy.make(name)
    # A module or a block of all: how replicas work together is under test, and tracing the whole networks takes long.
    hrnet.SMALL_DEPTH = hrnet.Depth(1, (1, 0, 0), 1)
    resnet.BLOCKS[26] = (1, 0, 0, 0)
    execution = loop.Execution(strategy=name, place=place, deterministic=True)
    found: dict[str, np.ndarray] = {}
    for title, task in tasks(folder).items():
        run = loop.train(task, result.parent / f"{title}_{name}", execution)
        found |= {f"{title}/loss": np.array([entry["loss"] for entry in run["history"]])}
        found |= {f"{title}/validation": np.array([run["best"]["score"]])}
        found |= {f"{title}/first_{key}": value for key, value in first(task, place).items()}
    # Parts of a replica's items are other items than parts of the whole, which normalisation would see: here is none.
    loop.train(tiny_run.Plain(accumulate=2), result.parent / f"plain_{name}", execution)
    if strategy.is_chief(place):
        np.savez(result, **found)


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))

"""Writes the films of the input pipelines: as raspine's records, as PNG files, and framed in one array file.

They are of waves and noise, 16 bit, which decode as slowly as radiographs do.
"""

import json
import pathlib
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from experiments.benchmarks import child, tensors
from raspine import records
from raspine.inputs import films

STORED = (1024, 832)  # (height, width), pixels
_SHARDS = 4
_NOISE = 400.0  # grey values of 65535


def write(folder: pathlib.Path, count: int, side: int) -> None:
    """Writes some films into a folder.

    Args:
      folder: gets train-*.tfrecord, NNNN.png and framed.npz: images float32 [film, side, side, 1], 0..1, and points
        float32 [film, landmark, 2], network pixels; and stored.npy, the points in stored pixels.
      count: how many.
      side: of the network's frame, pixels.
    """
    made = list(_films(count))
    for number, record in enumerate(made):
        (folder / f"{number:04d}.png").write_bytes(record.image)
    for shard in range(_SHARDS):
        name = f"train-{shard:05d}-of-{_SHARDS:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for record in made[shard::_SHARDS]:
                writer.write(records.build(record))
    np.save(folder / "stored.npy", np.stack([record.landmarks for record in made]).astype(np.float32))
    pipeline = films.Pipeline(tensors.LANDMARKS, side, side, 8)
    framed = list(films.framed(films.shards(folder, "train"), pipeline).as_numpy_iterator())
    images = np.stack([film[films.IMAGE] for film in framed]).astype(np.float32)
    np.savez(folder / "framed.npz", images=images, points=np.stack([film[films.POINTS] for film in framed]))


def _films(count: int) -> Iterator[records.FilmRecord]:
    height, width = STORED
    random = np.random.default_rng(5)
    for number in range(count):
        yield records.FilmRecord(
            film=f"F{number:04d}",
            patient=f"P{number:04d}",
            schema="atlantoaxial",
            image=records.encode_image(_picture(random)),
            native_size=STORED,
            landmarks=random.uniform(0.2, 0.8, (tensors.LANDMARKS, 2)) * (width, height),
        )


def _picture(random: np.random.Generator) -> NDArray[np.uint16]:
    height, width = STORED
    waves = cv2.resize(random.uniform(0.1, 0.9, (9, 7)).astype(np.float32), (width, height))
    noisy = waves * 65535 + random.normal(0, _NOISE, STORED)
    return np.clip(noisy, 0, 65535).astype(np.uint16)


if __name__ == "__main__":
    child.die_with_parent()
    given = json.loads(sys.argv[1])
    write(pathlib.Path(given["folder"]), given["films"], given["size"])

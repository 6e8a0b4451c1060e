"""Tiny films as records: a bright disc on noise, its centre and a point beside it."""

import json
import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from raspine import landmarks, records

SCHEMA = landmarks.Schema("disc", ("centre", "edge"), (landmarks.Distance("radius", "centre", "edge", 5.0),))
SIDE = 64


def film(name: str, rng: np.random.Generator) -> bytes:
    """A serialized film."""
    x, y = rng.uniform(16, 48, 2)
    row, column = np.mgrid[:SIDE, :SIDE]
    grey = 60000 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 50) + rng.uniform(0, 2000, (SIDE, SIDE))
    record = records.FilmRecord(
        film=name,
        patient=name,
        schema=SCHEMA.name,
        image=records.encode_image(grey.astype(np.uint16)),
        native_size=(SIDE, SIDE),
        landmarks=np.array([[x, y], [x + 7, y]]),
        spacing_mm=(0.5, 0.5),
        spacing_source="given",
    )
    return records.build(record)


def write(folder: pathlib.Path, counts: Mapping[str, int], shards: int = 1) -> pathlib.Path:
    """Writes a data folder as data_prep.radiographs leaves it."""
    rng = np.random.default_rng(0)
    for split, number in counts.items():
        for shard in range(shards):
            with tf.io.TFRecordWriter(str(folder / f"{split}-{shard:05d}-of-{shards:05d}.tfrecord")) as writer:
                for index in range(shard, number, shards):
                    writer.write(film(f"{split}{index}", rng))
    stored = {
        "schema": SCHEMA.to_dict(),
        "counts": {split: {"films": number} for split, number in counts.items()},
        "data_hash": "0" * 64,
    }
    (folder / "dataset.json").write_text(json.dumps(stored))
    return folder

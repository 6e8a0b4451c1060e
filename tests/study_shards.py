"""Tiny studies as records: a bright square in the middle slices is the sign, age tells nothing."""

import json
import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from raspine import study_records
from raspine.inputs import slices

SIDE, COUNT = 40, 6


def choice(side: int) -> slices.Choice:
    """How slices of `side` x `side` pixels were taken."""
    return slices.Choice("native_middle", COUNT, 1.0, (side, side))


def study(name: str, outcome: int, rng: np.random.Generator, side: int = SIDE) -> study_records.StudyRecord:
    """A noisy study, with a square where the outcome is 1."""
    pixels = rng.uniform(5000, 30000, (COUNT, side, side))
    if outcome:
        pixels[2:4, 14:24, 12:22] += 30000
    return study_records.StudyRecord(
        study=name,
        patient=f"P{name}",
        slices=pixels.astype(np.uint16),
        affine=np.diag([1.0, 1.0, 3.0, 1.0]),
        positions_mm=np.arange(COUNT, dtype=np.float64) * 3.0,
        spacing_mm=(1.0, 1.0),
        choice=choice(side).to_dict(),
        outcome=outcome,
        clinical=np.array([rng.uniform(40, 70), np.nan, 2, 1, 0, np.nan], np.float32),
    )


def write(folder: pathlib.Path, counts: Mapping[str, int], shards: int = 1, side: int = SIDE) -> pathlib.Path:
    """Writes a data folder as data_prep.mri leaves it, half of each split positive."""
    rng = np.random.default_rng(0)
    for split, number in counts.items():
        for shard in range(shards):
            with tf.io.TFRecordWriter(str(folder / f"{split}-{shard:05d}-of-{shards:05d}.tfrecord")) as writer:
                for index in range(shard, number, shards):
                    writer.write(study_records.build(study(f"{split}{index:02d}", index % 2, rng, side)))
    described = {
        split: {"studies": number, "patients": number, "positive": number // 2, "negative": number - number // 2}
        for split, number in counts.items()
    }
    stored = {
        "task": "deformity",
        "choice": choice(side).to_dict(),
        "clinical": ["age", "sex"],
        "counts": described,
        "data_hash": "0" * 64,
    }
    (folder / "dataset.json").write_text(json.dumps(stored))
    return folder

"""What every dataset.json holds, whichever the task."""

import collections
import dataclasses
import pathlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pydicom
import SimpleITK
import tensorflow as tf

import raspine
from data_prep import shards, split
from raspine import patient_groups
from raspine.inputs import shards as input_shards

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Written:
    """What stands on the disk of a data set.

    Attributes:
      shards: of all splits.
      records_csv: sha256 of the table of patient groups.
    """

    shards: Sequence[shards.Shard]
    records_csv: str


def write(folder: pathlib.Path, written: Sequence[shards.Shard], rows: Iterable[patient_groups.Row]) -> Written:
    """Writes records.csv beside the shards and returns both."""
    return Written(written, patient_groups.write(folder / patient_groups.FILE, rows))


def common(
    counts: Mapping[str, Mapping[str, int]], rule: split.Rule, written: Written, synthetic: Sequence[bool]
) -> dict[str, Any]:
    """Returns the entries that every data set has: counts, rule, shards, hash, versions, synthetic or not.

    Args:
      counts: of each split.
      rule: how it was split.
      written: its files.
      synthetic: of each film or study, whether its header calls it synthetic.
    """
    shard_count = collections.Counter(shard.split for shard in written.shards)
    return {
        "format_version": FORMAT_VERSION,
        "counts": {part: {**counts[part], "shards": shard_count[part]} for part in split.SPLITS},
        "split": rule.describe(),
        "shards": [dataclasses.asdict(shard) for shard in written.shards],
        "data_hash": input_shards.data_hash((shard.file, shard.sha256) for shard in written.shards),
        "records_csv": written.records_csv,
        "synthetic": is_synthetic(synthetic),
        "versions": _versions(),
    }


def is_synthetic(marks: Sequence[bool]) -> bool:
    """Returns whether a data set is synthetic: every image is; a mixed one counts as real."""
    return bool(marks) and all(marks)


def tally(words: Iterable[str]) -> dict[str, int]:
    """Returns how often each word occurs, sorted by word."""
    return dict(sorted(collections.Counter(words).items()))


def _versions() -> dict[str, str]:
    return {
        "raspine": raspine.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "pydicom": pydicom.__version__,
        "opencv": cv2.__version__,
        "simpleitk": SimpleITK.Version.VersionString(),
    }

"""What every dataset.json holds, whichever the task."""

import collections
import dataclasses
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

FORMAT_VERSION = 1


def common(
    counts: Mapping[str, Mapping[str, int]], rule: split.Rule, written: Sequence[shards.Shard]
) -> dict[str, Any]:
    """Returns the entries that every data set has: counts, rule, shards, hash and versions.

    Args:
      counts: of each split.
      rule: how it was split.
      written: its shards.
    """
    shard_count = collections.Counter(shard.split for shard in written)
    return {
        "format_version": FORMAT_VERSION,
        "counts": {part: {**counts[part], "shards": shard_count[part]} for part in split.SPLITS},
        "split": rule.describe(),
        "shards": [dataclasses.asdict(shard) for shard in written],
        "data_hash": shards.data_hash(written),
        "versions": _versions(),
    }


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

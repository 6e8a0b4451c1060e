import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from raspine import board


def values(folder: pathlib.Path) -> dict[str, tuple[int, Any]]:
    found = {}
    for file in folder.glob("events*"):
        for item in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(item)
            found |= {value.tag: (event.step, value) for value in event.summary.value}
    return found


def test_everything_shown_at_a_step_stands_in_the_events(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    outcomes, risks = rng.integers(0, 2, 40), rng.random(40)
    picture = rng.integers(0, 255, (1, 4, 5, 3), np.uint8)
    shown = board.Shown(
        {"auc": 0.5, "missing": np.nan}, {"film": picture}, {"risk": (outcomes, risks)}, {"card": "# x"}
    )
    writer = board.Writer(tmp_path)
    writer.show(3, shown)
    writer.close()
    found = values(tmp_path)
    assert {tag: step for tag, (step, _) in found.items()} == {"auc": 3, "film": 3, "risk/pr_curves": 3, "card": 3}
    plugins = {tag: value.metadata.plugin_data.plugin_name for tag, (_, value) in found.items()}
    assert plugins == {"auc": "scalars", "film": "images", "risk/pr_curves": "pr_curves", "card": "text"}
    tp, fp, tn, fn, precision, recall = tf.make_ndarray(found["risk/pr_curves"][1].tensor)
    called = risks >= 0.5
    middle = len(tp) // 2
    assert (tp[middle], fp[middle]) == ((called & (outcomes == 1)).sum(), (called & (outcomes == 0)).sum())
    assert precision[middle] == pytest.approx(metrics.precision_score(outcomes, called))
    assert recall[middle] == pytest.approx(metrics.recall_score(outcomes, called))
    np.testing.assert_array_equal(tp + fp + tn + fn, np.full(len(tp), 40))


def test_a_table_cannot_be_broken_by_its_cells() -> None:
    assert board.table({"a|b": "1\n2"}) == "| figure | value |\n| --- | --- |\n| a/b | 1 2 |"

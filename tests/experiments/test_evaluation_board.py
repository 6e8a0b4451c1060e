import pathlib

import numpy as np
import tensorflow as tf
from sklearn import metrics

from experiments import evaluation_board
from raspine import landmarks
from raspine.evaluation import film_evidence, keypoints

SCHEMA = landmarks.ATLANTOAXIAL


def films() -> keypoints.Films:
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.uniform((4, 4, 10, 20), (14, 14, 30, 45), (30, 4)), 1)
    truth = np.stack([x, np.full((30, 4), 50.0)], -1)
    found = truth + rng.normal(0, 2, truth.shape)
    found[0] = np.nan
    names = tuple(f"F{number}" for number in range(30))
    size, spacing = np.full((30, 2), 200.0), np.full((30, 2), 0.4)
    return keypoints.Films(names, names, ("",) * 30, truth, found, np.ones((30, 4)), spacing, size)


def tags(folder: pathlib.Path) -> dict[str, str]:
    found = {}
    for file in folder.glob("events*"):
        for item in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(item)
            found |= {value.tag: value.metadata.plugin_data.plugin_name for value in event.summary.value}
    return found


def test_ranks_order_films_as_their_distances_do() -> None:
    some = films()
    truth, ranks = evaluation_board.ranked(some, SCHEMA)["adi"]
    found = SCHEMA.measure(some.found, some.spacing)["adi"][1:]
    assert len(truth) == 29
    assert metrics.roc_auc_score(truth, ranks) == metrics.roc_auc_score(truth, found)
    truth, ranks = evaluation_board.ranked(some, SCHEMA)["sac"]
    found = SCHEMA.measure(some.found, some.spacing)["sac"][1:]
    assert metrics.roc_auc_score(truth, ranks) == metrics.roc_auc_score(truth, -found), "a small one is pathological"


def test_an_evaluation_of_films_is_a_run_of_tensorboard(tmp_path: pathlib.Path) -> None:
    some = films()
    limits, options = keypoints.Limits(), film_evidence.Options(resamples=200)
    summary = keypoints.summary(some, SCHEMA, limits)
    facts = {**summary, **film_evidence.evidence(some, SCHEMA, limits, {}, {}, options), "split": "test"}
    facts["model"] = {"recipe": {"batch": 4}}
    pictures = {"best_1": np.zeros((4, 5, 3), np.uint8)}
    evaluation_board.films(tmp_path, facts, pictures, evaluation_board.ranked(some, SCHEMA))
    found = tags(tmp_path)
    expected = {"films/best_1": "images", "verdict/adi": "images", "adi/pr_curves": "pr_curves", "test set": "text"}
    assert expected.items() <= found.items()
    assert found["test/mre_mm"] == "scalars"
    assert "hparams" in found.values()

import json
import pathlib
import shutil
from collections.abc import Callable

import numpy as np
import pytest

from raspine import landmarker, landmarks


def test_a_saved_model_gives_the_same_points(
    model: landmarker.Landmarker, model_directory: pathlib.Path, film_pixels: Callable
) -> None:
    films = [(film_pixels(90, 70, 1), (0.2, 0.3)), (film_pixels(50, 140, 2), None)]
    loaded = landmarker.load(model_directory)
    assert loaded.settings == model.settings
    assert loaded.card == model.card
    for found, expected in zip(loaded.locate(films), model.locate(films), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_films_of_one_batch_do_not_touch_each_other(model: landmarker.Landmarker, film_pixels: Callable) -> None:
    films = [
        (film_pixels(90, 70, 1), (0.2, 0.3)),
        (film_pixels(50, 140, 2), None),
        (film_pixels(64, 64, 3), (1.0, 1.0)),
    ]
    together, confidence = model.locate(films)
    assert together.shape == (3, 4, 2)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    for film, points in zip(films, together, strict=True):
        np.testing.assert_allclose(model.locate([film])[0][0], points, atol=2e-3)


def test_only_the_ratio_of_the_spacing_matters(model: landmarker.Landmarker, film_pixels: Callable) -> None:
    film = film_pixels(90, 70, 1)
    first, second = model.locate([(film, (0.1, 0.2)), (film, (1.0, 2.0))])[0]
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_answer_is_locate_in_one_graph(model: landmarker.Landmarker, film_pixels: Callable) -> None:
    images = np.stack([film_pixels(90, 70, seed) for seed in range(3)])
    spacing = np.array([[0.2, 0.3], [np.nan, np.nan], [1, 1]], np.float32)
    points, confidence = model.answer(images, spacing)
    given = [(images[0], (0.2, 0.3)), (images[1], None), (images[2], (1.0, 1.0))]
    expected = model.locate(given)
    np.testing.assert_allclose(points.numpy(), expected[0], atol=1e-3)
    np.testing.assert_allclose(confidence.numpy(), expected[1], atol=1e-5)


def test_settings_and_network_must_agree(model: landmarker.Landmarker) -> None:
    settings = landmarker.Settings(landmarks.ATLANTOAXIAL, 96, 64)
    with pytest.raises(landmarker.ModelDirectoryError, match="96"):
        landmarker.Landmarker(model.network, settings)


def test_a_folder_that_is_no_model_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(landmarker.ModelDirectoryError, match=r"has no model\.json"):
        landmarker.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9},
        {"task": "deformity"},
        {"stages": [{}]},
        {"stages": []},
        {"stages": None},
        {"card": ...},
        {"stages": [{"schema": 1}]},
    ],
    ids=str,
)
def test_a_damaged_card_is_one_line(model_directory: pathlib.Path, tmp_path: pathlib.Path, change: dict) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_directory, folder)
    card = {**json.loads((folder / landmarker.CARD).read_text()), **change}
    card = {key: value for key, value in card.items() if value is not ...}
    (folder / landmarker.CARD).write_text(json.dumps(card))
    with pytest.raises(landmarker.ModelDirectoryError) as caught:
        landmarker.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more"])
def test_a_damaged_network_is_one_line(model_directory: pathlib.Path, tmp_path: pathlib.Path, content: bytes) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_directory, folder)
    (folder / landmarker.WEIGHTS).write_bytes(content)
    with pytest.raises(landmarker.ModelDirectoryError, match="cannot be loaded") as caught:
        landmarker.load(folder)
    assert "\n" not in str(caught.value)


def test_a_loaded_model_is_fast_and_the_points_are_those_of_its_network(
    model_directory: pathlib.Path, film_pixels: Callable, tmp_path: pathlib.Path
) -> None:
    films = [(film_pixels(90, 70, 1), (0.2, 0.3))]
    loaded, plain = landmarker.load(model_directory), landmarker.load(model_directory, fast=False)
    assert [stage.fast for stage in (*loaded.stages, *plain.stages)] == [True, True, False, False]
    expected = plain.locate(films)[0]
    np.testing.assert_allclose(loaded.locate(films)[0], expected, atol=1e-3)
    renamed = loaded.with_schema(loaded.schema)
    assert all(stage.fast for stage in renamed.stages)
    loaded.save(tmp_path / "again")
    again = landmarker.load(tmp_path / "again", fast=False)
    for found, wanted in zip(again.network.get_weights(), plain.network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_only_a_fast_stage_stays_when_its_network_is_trained_on(
    model_directory: pathlib.Path, film_pixels: Callable
) -> None:
    films = [(film_pixels(90, 70, 1), (0.2, 0.3))]
    for fast in (False, True):
        locator = landmarker.load(model_directory, fast)
        before = locator.locate(films)[1]
        head = locator.network.get_layer("head")
        head.set_weights([-weight for weight in head.get_weights()])
        assert np.array_equal(locator.locate(films)[1], before) is fast


def test_what_answers_as_trained_is_made_once(model: landmarker.Landmarker) -> None:
    loaded = model.answering(fast=True)
    plain = loaded.as_trained()
    assert [(stage.fast, stage.network) for stage in plain.stages] == [(False, one.network) for one in loaded.stages]
    assert plain is loaded.as_trained() is plain.as_trained()


def test_an_unknown_precision_is_refused(model_directory: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="'half'"):
        landmarker.load(model_directory, precision="half")

import json
import pathlib
from collections.abc import Callable
from typing import Any

import cv2
import fake_servers
import grpc
import numpy as np
import pytest
import tensorflow as tf

from raspine import landmarks

CARD = {
    "format": 2, "name": "films", "version": 1, "variant": "folded", "task": "landmarks", "digest": "ab",
    "schema": landmarks.ATLANTOAXIAL.to_dict(), "card": {},
}  # fmt: skip
ANSWER = {
    "points_px": np.ones((1, 4, 2), np.float32), "confidence": np.full((1, 4), 0.5, np.float32),
    "adi_mm": np.zeros(1, np.float32), "sac_mm": np.zeros(1, np.float32), "verdict": np.ones(1, np.int32),
}  # fmt: skip
Results = dict[str, tuple[int, str, str]]


class Constant(tf.Module):
    """A model that finds everything in one place."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string), tf.TensorSpec((None, 2), tf.float32)])
    def serve_png(self, png: tf.Tensor, pixel_spacing: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_equal(tf.shape(png)[0], tf.shape(pixel_spacing)[0])
        return {name: tf.constant(value) for name, value in ANSWER.items()}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string), tf.TensorSpec((None, 2), tf.float32)])
    def refuse(self, png: tf.Tensor, pixel_spacing: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_equal(tf.shape(png)[0], tf.shape(pixel_spacing)[0])
        tf.debugging.assert_less(pixel_spacing, 0.0)
        return {name: tf.constant(value) for name, value in ANSWER.items()}


def answering(**changed: Any) -> Callable[[Any, Any], fake_servers.Answer]:
    """Returns a server's answers, every fifth of which is a refusal."""
    asked = [0]

    def answer(request: Any, context: Any) -> fake_servers.Answer:
        if request.model_spec.signature_name == "describe":
            return {"card": np.array([json.dumps(CARD).encode()], object)}
        asked[0] += 1
        if asked[0] % 5 == 0:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the fifth")
        return {**ANSWER, **changed}

    return answer


WRONG = {
    "is no SavedModel": ["--endpoint=grpc://archive/films", "--model={here}"],
    "exactly one of the two": ["--model={model}"],
    "--film_size is HEIGHT,WIDTH": ["--endpoint=grpc://archive/films", "--model={model}", "--film_size=3"],
    "unexpected argument": ["--endpoint=grpc://archive/films", "--model={model}", "film.dcm"],
    "Flag --model must have a value": ["--endpoint=grpc://archive/films"],
    "clients": ["--endpoint=grpc://archive/films", "--model={model}", "--clients=0"],
}


OTHERS = {"refuses what the endpoint is asked": "picky", "has no signature 'serve_png'": "unsigned"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    place = tmp_path_factory.mktemp("load")
    constant = Constant()
    tf.saved_model.save(constant, str(place / "model"), {"serve_png": constant.serve_png})
    tf.saved_model.save(constant, str(place / "picky"), {"serve_png": constant.refuse})
    tf.saved_model.save(constant, str(place / "unsigned"), {"other": constant.serve_png})
    return place


@pytest.fixture(scope="module")
def done(place: pathlib.Path, start_many: Callable[[str, list[list[str]]], list[tuple[int, str, str]]]) -> Results:
    quick = ["--clients=3", "--seconds=0.5", "--bare_seconds=0.1", "--film_size=40,32"]
    with (
        fake_servers.over_grpc(answering()) as right,
        fake_servers.over_grpc(answering(confidence=np.full((1, 4), 0.75, np.float32))) as other,
    ):
        lines = {
            name: [f"--endpoint=grpc://127.0.0.1:{fake.port}/films", f"--model={place / 'model'}", *quick]
            for name, fake in (("right", right), ("other", other))
        }
        for message, name in OTHERS.items():
            lines[message] = [f"--endpoint=grpc://127.0.0.1:{right.port}/films", f"--model={place / name}", *quick]
        for message, given in WRONG.items():
            lines[message] = [text.format(here=place, model=place / "model") for text in given]
        whole = [[f"--output_dir={place / name}", *line] for name, line in lines.items()]
        return dict(zip(lines, start_many("experiments.load_test", whole), strict=True))


def test_what_a_load_test_leaves(place: pathlib.Path, done: Results) -> None:
    status, out, error = done["right"]
    assert status == 0, error
    assert sorted(path.name for path in (place / "right").iterdir()) == ["load.json", "load.png"]
    facts = json.loads((place / "right" / "load.json").read_text())
    assert (facts["clients"], facts["signature"], facts["wrong_answers"]) == (3, "serve_png", 0)
    assert set(facts["errors"]) == {"INVALID_ARGUMENT"}
    assert facts["answers"] > 4
    assert facts["throughput_per_s"] == pytest.approx(facts["answers"] / facts["seconds"], rel=0.01)
    bare = (facts["bare_before_per_s"] + facts["bare_after_per_s"]) / 2
    assert facts["ratio"] == pytest.approx(facts["throughput_per_s"] / bare, rel=0.01)
    assert facts["p50_ms"] <= facts["p90_ms"] <= facts["p99_ms"] <= facts["p100_ms"]
    assert facts["endpoint"]["digest"] == "ab"
    assert cv2.imread(str(place / "right" / "load.png")) is not None
    assert out.splitlines()[-1].startswith(f"3 clients, {facts['seconds']:.0f} s: {facts['answers']} answers, ")


def test_answers_that_are_not_the_model_s_are_counted(place: pathlib.Path, done: Results) -> None:
    facts = json.loads((place / "other" / "load.json").read_text())
    assert facts["wrong_answers"] == facts["answers"] > 0


@pytest.mark.parametrize("message", OTHERS)
def test_another_model_than_the_endpoint_s_is_one_line(place: pathlib.Path, done: Results, message: str) -> None:
    status, _, error = done[message]
    assert (status, message in error, "Traceback" in error) == (1, True, False), error
    assert not (place / message).exists()


@pytest.mark.parametrize("message", WRONG)
def test_wrong_flags_end_with_2_and_leave_nothing(place: pathlib.Path, done: Results, message: str) -> None:
    status, _, error = done[message]
    assert (status, message in error) == (2, True), error
    assert not (place / message).exists()

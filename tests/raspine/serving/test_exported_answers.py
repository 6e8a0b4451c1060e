"""Every signature of an exported model against the model as trained, in two loaders, for batches of 1, 3 and 8."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import conftest
import numpy as np
import pytest
import study_models
import tensorflow as tf
from numpy.typing import NDArray

from raspine import landmarker, model_identity, records, risk
from raspine.serving import export, fresh_process, signatures, trial, verification
from raspine.serving.trial import Trial

CASES = {
    "films_float32": (lambda: conftest.tiny_landmarker(), model_identity.FLOAT32),
    "films_fast": (lambda: conftest.tiny_landmarker(), model_identity.FAST),
    "studies_float32": (lambda: study_models.model(columns=("age", "rf")), model_identity.FLOAT32),
    "slices_fast": (lambda: study_models.model(per_slice=True), model_identity.FAST),
}
# From the networks as trained in float32, over the size of what an output can be. That of bfloat16 is documented in
# README, and holds for these untrained networks too.
BOUNDS = {model_identity.FLOAT32: 1e-5, model_identity.FAST: 0.05}
BATCHES = (1, 3, 8)
Answers = list[Mapping[str, NDArray[Any]]]


@dataclasses.dataclass(frozen=True)
class Case:
    model: landmarker.Landmarker | risk.RiskModel
    variant: str
    folder: pathlib.Path
    loaded: Any
    trials: list[Trial]
    in_process: Answers
    in_c: Answers


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    make, variant = CASES[request.param]
    model = make()
    folder = export.write(model, tmp_path_factory.mktemp("models"), request.param, variant).folder
    of = trial.of_films if isinstance(model, landmarker.Landmarker) else trial.of_studies
    plain = model.as_trained()
    trials = [one for count in BATCHES for one in of(plain, count)]
    loaded = tf.saved_model.load(str(folder)).signatures
    in_process = [_asked(loaded[one.signature], one.inputs) for one in trials]
    in_c = fresh_process.answers(folder, [(one.signature, one.inputs) for one in trials], fresh_process.C)
    return Case(model, variant, folder, loaded, trials, in_process, in_c)


def _asked(function: Any, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    tensors = {name: tf.constant(value, tf.string if value.dtype == object else None) for name, value in inputs.items()}
    return {name: value.numpy() for name, value in function(**tensors).items()}


def test_every_signature_answers_as_the_model_does(case: Case) -> None:
    is_film = isinstance(case.model, landmarker.Landmarker)
    wanted = signatures.OF_FILMS if is_film else signatures.OF_STUDIES
    assert {one.signature for one in case.trials} == set(wanted)
    for one, here, in_c in zip(case.trials, case.in_process, case.in_c, strict=True):
        if one.signature != signatures.DESCRIBE:
            verification.differences(one, here, BOUNDS[case.variant])
            verification.differences(one, in_c, BOUNDS[case.variant])


def test_records_of_reduced_pictures_are_answered_in_native_pixels(case: Case) -> None:
    if isinstance(case.model, landmarker.Landmarker):
        by_name = {one.signature: one for one in case.trials[4:8]}
        here, native = by_name[signatures.PNG].expected["points_px"], by_name[signatures.EXAMPLE].expected["points_px"]
        np.testing.assert_allclose(native, 2 * here + 0.5)
        record = records.from_serialized(by_name[signatures.EXAMPLE].inputs["examples"][0])
        assert record.native_size == tuple(2 * side for side in record.stored_size)
        np.testing.assert_allclose(record.to_native.apply(here[0]), native[0], rtol=1e-6)


def test_float32_answers_lie_within_rounding_and_fast_ones_do_not(case: Case) -> None:
    """So that neither bound could be met by the other variant."""
    apart = {}
    for one, in_c in zip(case.trials, case.in_c, strict=True):
        if one.signature in (signatures.DEFAULT, signatures.PNG):
            found, scales = verification.differences(one, in_c, BOUNDS[case.variant]), verification.scales(one)
            apart |= {name: max(apart.get(name, 0.0), value / scales[name]) for name, value in found.items()}
    assert (max(apart.values()) <= 1e-5) == (case.variant == model_identity.FLOAT32)


def test_the_map_is_that_of_tf_keras_vis_whatever_the_variant(case: Case) -> None:
    if isinstance(case.model, landmarker.Landmarker):
        return
    mapped = [pair for pair in zip(case.trials, case.in_c, strict=True) if pair[0].signature.startswith("gradcam")]
    for one, in_c in mapped:
        np.testing.assert_allclose(in_c[signatures.MAP], one.expected[signatures.MAP], atol=1e-5)
    assert max(one.expected[signatures.MAP].max() for one, _ in mapped) > 1e-3


def test_it_describes_itself_as_its_card(case: Case) -> None:
    card = json.loads((case.folder / "assets" / signatures.MODEL_FILE).read_text())
    for one, here, in_c in zip(case.trials, case.in_process, case.in_c, strict=True):
        if one.signature == signatures.DESCRIBE:
            for answer in (here, in_c):
                assert [json.loads(text) for text in answer[signatures.CARD]] == [card] * len(one.inputs["request"])
    served = export.answering(case.model, case.variant).identity
    assert model_identity.of_card(card) == dataclasses.replace(served, name=case.folder.parent.name, version="1")
    assert card["data_hash"] == "0123"
    assert card["verdict"] == {"1": "positive", "0": "negative", "-1": "none"}
    page = (case.folder / "assets" / signatures.MODEL_CARD_FILE).read_text()
    assert card["digest"] in page
    assert "Research use only" in page


def test_warm_up_requests_stand_beside_it_and_are_answered(case: Case) -> None:
    from tensorflow_serving.apis import prediction_log_pb2

    path = case.folder / "assets.extra" / signatures.WARMUP_FILE
    logs = [
        prediction_log_pb2.PredictionLog.FromString(text)
        for text in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    requests = [log.predict_log.request for log in logs]
    assert {request.model_spec.signature_name for request in requests} == {one.signature for one in case.trials}
    assert {request.model_spec.name for request in requests} == {case.folder.parent.name}
    for request in requests:
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        assert _asked(case.loaded[request.model_spec.signature_name], inputs)


def test_pngs_of_8_bit_and_of_several_sizes_go_together(case: Case) -> None:
    if not isinstance(case.model, landmarker.Landmarker):
        return
    images = [conftest.smooth(70, 90, 1) // 257 * 257, conftest.smooth(111, 64, 2), conftest.smooth(64, 64, 3)]
    encoded = np.array([records.encode_image(image) for image in images], object)
    assert [text[24] for text in encoded] == [8, 16, 16]
    spacing = np.array([[0.2, 0.3], [np.nan, np.nan], [0.1, 0.1]], np.float32)
    found = _asked(case.loaded[signatures.PNG], {signatures.PICTURE: encoded, signatures.SPACING: spacing})
    for number, image in enumerate(images):
        given = {signatures.IMAGE: image[None], signatures.SPACING: spacing[number : number + 1]}
        alone = _asked(case.loaded[signatures.DEFAULT], given)
        for name, value in alone.items():
            np.testing.assert_allclose(found[name][number], value[0], rtol=1e-5, atol=1e-4)


def _wrong(inputs: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    return {**inputs, **changed}


def test_each_wrong_request_is_told_what_is_wrong_and_the_next_is_answered(case: Case) -> None:
    by_name = {one.signature: one.inputs for one in case.trials[: len(case.trials) // len(BATCHES)]}
    arrays, pngs = by_name[signatures.DEFAULT], by_name[signatures.PNG]
    picture = pngs["png"].ravel()[0]

    def other(text: bytes) -> NDArray[Any]:
        changed = pngs["png"].copy()
        changed.ravel()[-1] = text
        return changed

    huge = picture[:16] + (1 << 30).to_bytes(4, "big") * 2 + picture[24:]
    wide = picture[:16] + (20_000).to_bytes(4, "big") + (19_999).to_bytes(4, "big") + picture[24:]
    coloured = picture[:25] + b"\x02" + picture[26:]
    claimed = picture[:16] + (8_900).to_bytes(4, "big") * 2 + picture[24:]
    thrice = {name: np.repeat(value, 3, 0) for name, value in pngs.items()}
    spacing = arrays["pixel_spacing"]
    # TensorFlow's own parser goes beyond the record for a text of 2 GiB and more, and the process ends.
    record = by_name[signatures.EXAMPLE]["examples"][0]
    endless = record.replace(b"\n\x04film", b"\n\xff\xff\xff\xffm").replace(b"\n\x05study", b"\n\xff\xff\xff\xffmy")
    assert endless != record
    wrong = [
        (signatures.DEFAULT, _wrong(arrays, pixel_spacing=spacing * 0), "pixel_spacing is"),
        (signatures.DEFAULT, _wrong(arrays, pixel_spacing=-np.abs(spacing)), "pixel_spacing is"),
        (signatures.DEFAULT, _wrong(arrays, pixel_spacing=spacing * [1, np.nan]), "pixel_spacing is"),
        (signatures.DEFAULT, _wrong(arrays, pixel_spacing=spacing * [np.inf, 1]), "pixel_spacing is"),
        (signatures.DEFAULT, _wrong(arrays, pixel_spacing=spacing * 0 + 1001), "pixel_spacing is"),
        (signatures.DEFAULT, _wrong(arrays, pixel_spacing=np.repeat(spacing, 2, 0)), "as many items as each other"),
        (signatures.DEFAULT, {name: value[:0] for name, value in arrays.items()}, "at least one item"),
        (signatures.DEFAULT, _wrong(arrays, image=arrays["image"][..., :0]), "pixels a side"),
        (signatures.PNG, _wrong(pngs, png=other(b"")), "a picture is a grey PNG"),
        (signatures.PNG, _wrong(pngs, png=other(b"\xff\xd8\xff" + picture)), "a picture is a PNG"),
        (signatures.PNG, _wrong(pngs, png=other(coloured)), "a PNG is grey"),
        (signatures.PNG, _wrong(pngs, png=other(huge)), "a PNG has at most 20000 pixels a side"),
        (signatures.PNG, _wrong(pngs, png=other(wide)), "80000000 in all"),
        (signatures.PNG, _wrong(pngs, png=other(picture[: len(picture) // 2])), "PNG"),
        (signatures.PNG, _wrong(thrice, png=np.full(thrice["png"].shape, claimed, object)), "at most 160000000 pixels"),
        (signatures.EXAMPLE, {"examples": np.array([b"nonsense"], object)}, "parse"),
        (signatures.EXAMPLE, {"examples": np.array([endless], object)}, "parse"),
        (signatures.EXAMPLE, {"examples": np.array([b""], object)}, "required"),
        (signatures.EXAMPLE, {"examples": by_name[signatures.EXAMPLE]["examples"][:0]}, "at least one item"),
        (
            signatures.EXAMPLE,
            {"examples": by_name[signatures.EXAMPLE]["examples"][:1].repeat(257)},
            "at most 256 items",
        ),
    ]
    wrong.append((signatures.DESCRIBE, {"request": np.array([b""] * 257, object)}, "at most 256 items"))
    for column, value in ((0, 121.0), (0, np.inf), (3, 0.5), (2, -81.0)):
        if "clinical" in arrays:
            values = arrays["clinical"].copy()
            values[0, column] = value
            wrong.append((signatures.DEFAULT, _wrong(arrays, clinical=values), "raspine: clinical column"))
    for signature, inputs, message in wrong:
        with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.DataLossError), match=message):
            _asked(case.loaded[signature], {name: _typed(name, value) for name, value in inputs.items()})
    for one, here in list(zip(case.trials, case.in_process, strict=True))[:3]:
        again = _asked(case.loaded[one.signature], one.inputs)
        for name, value in here.items():
            np.testing.assert_array_equal(again[name], value)


def _typed(name: str, value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.float32) if name == signatures.SPACING else value


def test_the_c_loader_hands_on_what_the_graph_says(case: Case) -> None:
    inputs = dict(case.trials[0].inputs)
    with pytest.raises(fresh_process.ProcessError, match=r"code 3: .*raspine: pixel_spacing is"):
        fresh_process.answers(
            case.folder, [(signatures.DEFAULT, _wrong(inputs, pixel_spacing=inputs["pixel_spacing"] * 0))], "c"
        )

import csv
import itertools
import json
import pathlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import SimpleITK
import study_models
import study_shards

from raspine import risk, study_records
from raspine.explanation import cascade, energy, explained, gradcam, masks, sanity, trust

CUT = (study_shards.SIDE - study_models.SIDE) // 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return study_shards.write(tmp_path_factory.mktemp("studies"), {"train": 2, "test": 8})


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return study_models.write(tmp_path_factory.mktemp("risk") / "best")


@pytest.fixture(scope="module")
def per_slice(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return study_models.write(tmp_path_factory.mktemp("risk") / "best", per_slice=True, columns=("age",))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The channels' network after another training."""
    folder = tmp_path_factory.mktemp("risk") / "best"
    study_models.model(seed=4).save(folder)
    return folder


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Masks of the bright squares on a grid of half the pixels' size, and empty ones."""
    folder = tmp_path_factory.mktemp("masks")
    for number in range(8):
        drawn = np.zeros((6, 80, 80), np.uint8)
        if number % 2:
            drawn[2:4, 28:48, 24:44] = 1
        mask = SimpleITK.GetImageFromArray(drawn)
        mask.SetSpacing((0.5, 0.5, 3.0))
        mask.SetOrigin((-0.25, -0.25, 0.0))
        SimpleITK.WriteImage(mask, str(folder / f"test{number:02d}.nii.gz"))
    return folder


@pytest.fixture(scope="module")
def runs(
    data: pathlib.Path,
    channels: pathlib.Path,
    per_slice: pathlib.Path,
    signs: pathlib.Path,
    other: pathlib.Path,
    start_many: Callable,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, pathlib.Path]:
    place = tmp_path_factory.mktemp("explanations")
    lines = {
        "examples": [f"--model={channels}", "--threshold=0.5", "--method=both", f"--masks={signs}", "--draws=2"],
        "named": [f"--model={per_slice}", "--studies=test05,test00", f"--masks={signs}", "--dilate_mm=2", "--draws=1"],
        "against": [f"--model={channels}", "--studies=test01", "--sign=-1", "--nosanity"],
        "checked": [
            *(f"--model={channels}", "--examples=1", f"--masks={signs}", "--draws=1", "--checks=all"),
            *(f"--others={other}", "--method=layercam,saliency", "--check_studies=3", "--batch=8"),
        ],
    }
    given = [[*line, f"--data={data}", f"--output_dir={place / name}"] for name, line in lines.items()]
    results = start_many("experiments.explain", given)
    for status, _, error in results:
        assert status == 0, error
    assert "energy at the sign" in results[0][1]
    return {name: place / name for name in lines}


def explanations(folder: pathlib.Path) -> dict[str, Any]:
    return json.loads((folder / "explanations.json").read_text())


def test_examples_are_the_surest_of_each_group(
    runs: dict[str, pathlib.Path], data: pathlib.Path, channels: pathlib.Path
) -> None:
    facts = explanations(runs["examples"])
    records = list(study_records.read(data / "test-00000-of-00001.tfrecord"))
    risks = risk.load(channels).risk(np.stack([record.slices for record in records]))
    expected = []
    for name, outcome, positive in (("tp", 1, True), ("tn", 0, False), ("fp", 0, True), ("fn", 1, False)):
        members = [n for n in range(8) if records[n].outcome == outcome and (risks[n] >= 0.5) == positive]
        members.sort(key=lambda number: -risks[number] if positive else risks[number])
        expected += [(name, records[number].study) for number in members[:2]]
    entries = facts["examples"]
    assert len({group for group, _ in expected}) >= 3
    for method in gradcam.METHODS:
        chosen = [entry for entry in entries if entry["method"] == method]
        assert [(entry["group"], entry["study"]) for entry in chosen] == expected
    for entry in entries:
        assert entry["risk"] == pytest.approx(risks[int(entry["study"][-2:])], abs=2e-3)
        assert entry["verdict"] == ("positive" if entry["risk"] >= 0.5 else "negative")
    assert (facts["threshold"], facts["threshold_source"], facts["split"]) == (0.5, "given", "test")


def test_every_example_has_its_picture_and_all_stand_on_a_sheet(runs: dict[str, pathlib.Path]) -> None:
    folder = runs["examples"]
    entries = explanations(folder)["examples"]
    sheets = {"figure6", "figure6_randomised", "figure6_gradcam++", "figure6_gradcam++_randomised"}
    pictures = {entry["picture"] for entry in entries} | {f"{name}.png" for name in sheets}
    assert {path.name for path in folder.iterdir()} == pictures | {"explanations.json", "tensorboard"}
    assert len(pictures) == len(entries) + 4
    for name in pictures:
        picture = cv2.imread(str(folder / name))
        assert picture is not None
        assert picture.shape[1] == (2412 if name.startswith("figure6") else 1200)
        blue, _, red = cv2.split(picture.astype(int))
        assert (red - blue).max() > 60, "no red"
    groups = [entry["group"] for entry in entries if entry["method"] == "gradcam"]
    one = cv2.imread(str(folder / "figure6.png"))
    assert one is not None
    assert one.shape[0] > 150 * len(set(groups))
    events = b"".join(path.read_bytes() for path in (folder / "tensorboard").rglob("events*"))
    assert entries[0]["picture"].removesuffix(".png").encode() in events


def test_checks_leave_a_table_a_picture_and_verdicts(runs: dict[str, pathlib.Path]) -> None:
    facts = explanations(runs["checked"])
    assert list(facts["trust"]) == list(facts["checks"]) == ["layercam", "saliency"]
    assert len(set(facts["trust_studies"])) == 3
    for method, entry in facts["trust"].items():
        assert set(entry) == {*trust.NAMES, "verdict", "rests_on"}
        # Eight patients are fewer than ten.
        assert entry["verdict"] == "not enough data"
        assert "by networks of other training runs, 1 (training seed not known)" in entry["repeatability"]["note"]
        assert entry["energy"]["value"] == pytest.approx(facts["energy"][method]["ratio"])
        assert [stage["stage"] for stage in facts["checks"][method]["by_stage"]] == list(cascade.STAGES)
    assert facts["trust_rule"] == trust.RULE
    with (runs["checked"] / "trust.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == trust.FIELDS
    assert {row["check"] for row in rows if row["method"] == "saliency"} == set(trust.NAMES)
    picture = cv2.imread(str(runs["checked"] / "trust.png"))
    assert picture is not None
    assert picture.shape[1] > 1200
    assert "trust" not in explanations(runs["examples"])


def test_peaks_are_places_in_the_patient(runs: dict[str, pathlib.Path]) -> None:
    for name, per_slice in (("examples", False), ("named", True)):
        for entry in explanations(runs[name])["examples"]:
            peak = entry["peak"]
            if entry["empty"]:
                assert peak is None
                continue
            # 1 mm pixels, slices every 3 mm, from the origin; four pixels are cut off on every side.
            depth = peak["slice"] if per_slice else 2.5
            assert peak["lps_mm"] == [peak["column"] + CUT, peak["row"] + CUT, 3 * depth]
            assert (peak["slice"] is not None) == per_slice


def test_named_studies_are_explained_in_their_groups(runs: dict[str, pathlib.Path]) -> None:
    facts = explanations(runs["named"])
    assert {entry["study"]: entry["outcome"] for entry in facts["examples"]} == {"test05": 1, "test00": 0}
    assert facts["threshold"] == study_models.THRESHOLD
    assert "the model's own" in facts["threshold_source"]
    against = explanations(runs["against"])
    assert against["sign"] == -1
    assert against["energy"] is None
    assert against["examples"][0]["randomised_correlation"] == []
    assert not list(runs["against"].glob("*randomised*"))


@pytest.mark.parametrize(("name", "dilate", "draws"), [("examples", 8, 2), ("named", 2, 1)])
def test_the_energy_is_that_of_maps_inside_the_widened_mask(
    runs: dict[str, pathlib.Path],
    data: pathlib.Path,
    request: pytest.FixtureRequest,
    name: str,
    dilate: int,
    draws: int,
) -> None:
    facts = explanations(runs[name])["energy"]
    model = risk.load(request.getfixturevalue("channels" if name == "examples" else "per_slice"))
    assert (facts["n"], facts["dilate_mm"]) == (4, dilate)
    # The mask and its surroundings by distance, on the slices that the network sees.
    inside = np.zeros((6, 32, 32), bool)
    row, column = np.mgrid[:32, :32] + CUT
    far = np.hypot(
        *(np.maximum(np.maximum(low - x, x - high), 0) for x, low, high in ((row, 14, 23), (column, 12, 21)))
    )
    inside[2:4] = far <= dilate
    within = inside if model.settings.per_slice else np.asarray(inside.any(0))
    assert facts["uniform"] == pytest.approx(within.mean())
    shares = []
    for record in itertools.islice(study_records.read(data / "test-00000-of-00001.tfrecord"), 1, None, 2):
        found = explained.maps(gradcam.Explainer(model.network), explained.network_inputs(model, [record]))[0]
        if found.max() > 0:
            shares.append((found * within).sum() / found.sum())
    figures = facts["gradcam"]
    assert figures["trained"] == pytest.approx(np.mean(shares), rel=1e-3)
    assert figures["trained_n_empty"] == 4 - len(shares)
    assert len(figures["randomised_by_draw"]) == draws
    # A single random network may look away from the sign in every study: then there is nothing to divide by.
    chance = figures["randomised"]
    assert figures["ratio"] == (pytest.approx(figures["trained"] / chance) if chance else None)


def test_signs_of_several_labels_are_measured_together_and_apart() -> None:
    model = study_models.model()
    record = study_shards.study("S1", 1, np.random.default_rng(0))
    both, first = np.zeros((2, 6, 32, 32), np.uint8)
    both[2, 4:10, 4:10], both[3, 20:26, 20:26], first[1, 8:12, 8:12] = 1, 2, 1
    explainer = gradcam.Explainer(model.network)
    meter = energy.Meter(model, explainer, [explainer], ["gradcam"], 1, 2.0)
    meter.add([record, record], [both, first])
    figures = meter.figures()
    apart = figures["by_label"]
    assert [figures["n"], apart["1"]["n"], apart["2"]["n"]] == [2, 2, 1]
    maps = explained.maps(explainer, explained.network_inputs(model, [record]))
    expected = {label: sanity.energy_inside(maps, sanity.dilated(both == label, 2)[None])[0] for label in (1, 2)}
    assert apart["2"]["gradcam"]["trained"] == pytest.approx(expected[2])
    own = sanity.energy_inside(maps, sanity.dilated(first == 1, 2)[None])[0]
    assert apart["1"]["gradcam"]["trained"] == pytest.approx((expected[1] + own) / 2)
    # The two signs of the first study do not touch, so its shares add up.
    assert figures["gradcam"]["trained"] == pytest.approx((expected[1] + expected[2] + own) / 2)


def test_a_bfloat16_model_with_clinical_values_is_explained() -> None:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = study_models.model(per_slice=True, columns=("age", "sex"))
    finally:
        keras.config.set_dtype_policy(before)
    record = study_shards.study("S1", 1, np.random.default_rng(0))
    inputs = explained.network_inputs(model, [record, record])
    fresh = sanity.randomised(model.network, 0, inputs)
    for network in (model.network, fresh):
        maps = explained.maps(gradcam.Explainer(network), inputs, "gradcam++")
        assert maps.shape == (2, 6, 32, 32)
        assert np.isfinite(maps).all()
        np.testing.assert_allclose(maps[0], maps[1], rtol=1e-4, atol=1e-6)


def _broken(place: pathlib.Path) -> dict[str, pathlib.Path]:
    made = {name: place / name for name in ("empty", "others", "damaged")}
    for folder in made.values():
        folder.mkdir()
    (made["damaged"] / "test01.nii.gz").write_bytes(b"no image")
    SimpleITK.WriteImage(SimpleITK.Image(2, 2, 2, SimpleITK.sitkUInt8), str(made["others"] / "elsewhere.nii.gz"))
    return made


WRONG = {
    "has no study 'test99'": (2, ["--studies=test99"]),
    "names a study twice": (2, ["--studies=test01,test01"]),
    "leave out --examples": (2, ["--studies=test01", "--examples=3"]),
    "--draws is for --sanity": (2, ["--nosanity", "--draws=2"]),
    "--dilate_mm is for --masks": (2, ["--dilate_mm=3"]),
    "holds no NIfTI file": (2, ["--masks={empty}"]),
    "no study of the split test has a mask": (2, ["--masks={others}", "--nosanity"]),
    "cannot be read: it is damaged": (1, ["--masks={damaged}", "--nosanity", "--examples=1"]),
    "--method: one or more of gradcam": (2, ["--method=gradcam,scorecam"]),
    "--checks: one of randomisation": (2, ["--checks=sanity"]),
    "leave out --nosanity": (2, ["--checks=all", "--nosanity"]),
    "--check_studies is for --checks": (2, ["--check_studies=5"]),
    "--others is for --checks=repeatability": (2, ["--others={empty}", "--checks=insertion"]),
    "--checks=localisation needs --masks": (2, ["--checks=localisation"]),
    "--others: '{empty}' is no model directory": (2, ["--others={empty}", "--checks=all"]),
    "has the weights of a network that was named before": (2, ["--others={own}", "--checks=all"]),
    "does not read the slices or columns of --model": (2, ["--others={per_slice}", "--checks=all"]),
    "only a risk model is explained": (2, ["--model={landmarks}"]),
    "no model directory": (2, ["--model={empty}"]),
    "is no data folder": (2, ["--data={empty}"]),
    "holds no validation-*.tfrecord": (1, ["--split=validation"]),
}


def test_what_cannot_be_explained_is_said_in_one_line(
    data: pathlib.Path,
    channels: pathlib.Path,
    per_slice: pathlib.Path,
    model_directory: pathlib.Path,
    start_many: Callable,
    tmp_path: pathlib.Path,
) -> None:
    made = {**_broken(tmp_path), "landmarks": model_directory, "own": channels, "per_slice": per_slice}
    base = [f"--model={channels}", f"--data={data}", f"--output_dir={tmp_path / 'out'}"]
    lines = [[*base, *(text.format(**made) for text in given)] for _, given in WRONG.values()]
    results = start_many("experiments.explain", lines)
    for (message, (expected, _)), (status, _, error) in zip(WRONG.items(), results, strict=True):
        assert (status, message.format(**made) in error) == (expected, True), error
        assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_a_mask_comes_to_oblique_slices_by_its_place_in_the_patient(tmp_path: pathlib.Path) -> None:
    # A box of 10 mm in the patient, on voxels of 2 mm that are turned against the slices.
    drawn = np.zeros((20, 20, 20), np.uint8)
    drawn[5:10, 5:10, 5:10] = 3
    image = SimpleITK.GetImageFromArray(drawn)
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))
    image.SetOrigin((-19.0, -19.0, 19.0))
    SimpleITK.WriteImage(image, str(tmp_path / "S1.nii.gz"))
    turn = np.radians(20)
    affine = np.eye(4)
    affine[:3, 0] = 0, np.cos(turn), np.sin(turn)
    affine[:3, 1] = 0, np.sin(turn), -np.cos(turn)
    affine[:3, 2] = 3, 0, 0
    affine[:3, 3] = -9, -25, 5
    mask = masks.on_slices(tmp_path / "S1.nii.gz", affine, (6, 40, 40))
    slices, rows, columns = np.mgrid[:6, :40, :40]
    points = np.moveaxis(np.stack([columns, rows, slices, np.ones_like(rows)]), 0, -1) @ affine.T
    index = np.stack([points[..., 1] + 19, 19 - points[..., 2], points[..., 0] + 19], -1) / 2
    expected = ((index > 4.5) & (index < 9.5)).all(-1)
    assert 100 < expected.sum() < expected.size / 2
    np.testing.assert_array_equal(mask > 0, expected)
    assert masks.find(tmp_path) == {"S1": tmp_path / "S1.nii.gz"}

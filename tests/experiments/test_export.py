import json
import math
import pathlib
from collections.abc import Callable

import conftest
import numpy as np
import pytest
import study_models
import tensorflow as tf

from raspine import landmarker, landmarks, measurement, reading
from raspine.dicom import film as film_reader
from raspine.serving import c_loader, export, exported_card, film_graph, fresh_process, signatures, trial, verification


@pytest.fixture(scope="module")
def folder(model_directory: pathlib.Path, start: Callable, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    place = tmp_path_factory.mktemp("export")
    done = start(
        "experiments.export", f"--model={model_directory}", f"--output_dir={place}", "--name=aas", "--loader=c"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"exported and compared with the model: {place}/aas/1"
    return place / "aas" / "1"


def test_the_folder_is_a_version_with_its_card(folder: pathlib.Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == ["1"]
    assert {"saved_model.pb", "variables", "assets", "assets.extra"} <= {path.name for path in folder.iterdir()}
    card = json.loads((folder / "assets" / "model.json").read_text())
    assert landmarks.from_dict(card["schema"]) == landmarks.ATLANTOAXIAL
    assert card["verdict"] == {"1": "positive", "0": "negative", "-1": "none"}
    assert export.next_version(folder.parent) == 2
    assert export.next_version(folder.parent / "none") == 1


def test_it_answers_as_predict_does(
    folder: pathlib.Path,
    model: landmarker.Landmarker,
    dicom_writer: Callable,
    film_pixels: Callable,
    tmp_path: pathlib.Path,
) -> None:
    spacing = {"PixelSpacing": [0.2, 0.3], "PixelSpacingCalibrationType": "GEOMETRY"}
    for number, tags in enumerate((spacing, {})):
        dicom_writer(tmp_path / f"{number}.dcm", film_pixels(90, 70, number), **tags)
    films = [film_reader.read(tmp_path / f"{number}.dcm") for number in range(2)]
    results = reading.measure_films(model, films)
    answer = tf.saved_model.load(str(folder)).signatures[signatures.DEFAULT]
    found = answer(
        image=tf.constant(np.stack([film.pixels for film in films])),
        pixel_spacing=tf.constant([[0.2, 0.3], [math.nan, math.nan]], tf.float32),
    )
    assert set(found) == {"points_px", "confidence", "adi_mm", "sac_mm", "verdict"}
    for number, result in enumerate(results):
        np.testing.assert_allclose(found["points_px"][number], result.points, atol=1e-3)
        np.testing.assert_allclose(found["confidence"][number], result.confidence, atol=1e-5)
        for name in ("adi", "sac"):
            np.testing.assert_allclose(found[f"{name}_mm"][number], result.millimetres[name], atol=1e-3)
        assert signatures.VERDICTS[int(found["verdict"][number])] == result.verdict
    assert results[1].verdict == "none"


def test_saved_model_cli_shows_and_runs_it(
    folder: pathlib.Path, model: landmarker.Landmarker, film_pixels: Callable, start: Callable, tmp_path: pathlib.Path
) -> None:
    """The command line that comes with TensorFlow, which knows nothing of raspine."""
    cli = "tensorflow.python.tools.saved_model_cli"
    served = (f"--dir={folder}", "--tag_set=serve", "--signature_def=serving_default")
    pixels = film_pixels(90, 70, 5)
    np.save(tmp_path / "image.npy", pixels[None])
    np.save(tmp_path / "spacing.npy", np.full((1, 2), 0.2, np.float32))
    given = f"--inputs=image={tmp_path}/image.npy;pixel_spacing={tmp_path}/spacing.npy"
    shown = start(cli, "show", *served)
    for line in ("inputs['image']", "DT_UINT16", "shape: (-1, -1, -1)", "inputs['pixel_spacing']", "outputs['adi_mm']"):
        assert line in shown.stdout, shown.stderr
    ran = start(cli, "run", *served, given, f"--outdir={tmp_path}")
    assert ran.returncode == 0, ran.stderr
    [expected], _ = model.locate([(pixels, (0.2, 0.2))])
    np.testing.assert_allclose(np.load(tmp_path / "points_px.npy")[0], expected, atol=1e-3)


def test_distances_and_verdicts_are_those_of_the_library() -> None:
    schema = landmarks.ATLANTOAXIAL
    random = np.random.default_rng(0)
    points = random.uniform(0, 60, (200, 4, 2)).astype(np.float32)
    points[::7, 1] = np.nan
    spacing = random.uniform(0.1, 0.5, (200, 2)).astype(np.float32)
    spacing[::11] = np.nan
    found = film_graph.distances(schema, tf.constant(points), tf.constant(spacing))
    expected = schema.measure(points, spacing)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].numpy(), values, rtol=1e-12)
    codes = film_graph.verdict(schema, found, tf.constant(200)).numpy()
    words = [measurement.verdict(schema, {name: expected[name][row] for name in expected}) for row in range(200)]
    assert [signatures.VERDICTS[int(code)] for code in codes] == words
    assert set(words) == {"positive", "negative", "none"}


@pytest.mark.parametrize(("adi", "sac", "code"), [(3.0, 20.0, 0), (2.0, 13.0, 1), (3.001, 20.0, 1), (2.0, 13.001, 0)])
def test_thresholds_at_equality(adi: float, sac: float, code: int) -> None:
    columns = np.cumsum([10, adi, 30, sac])
    points = tf.constant(np.stack([columns, np.full(4, 5.0)], -1)[None], tf.float32)
    found = film_graph.distances(landmarks.ATLANTOAXIAL, points, tf.ones((1, 2)))
    assert film_graph.verdict(landmarks.ATLANTOAXIAL, found, tf.constant(1)).numpy().tolist() == [code]


def test_a_schema_without_rules_has_no_verdict() -> None:
    schema = landmarks.Schema("two", ("a", "b"), (landmarks.Distance("gap", "a", "b"),))
    found = film_graph.distances(schema, tf.constant([[[0.0, 0], [3, 4]]]), tf.ones((1, 2)))
    assert film_graph.verdict(schema, found, tf.constant(1)).numpy().tolist() == [-1]


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("points_px", lambda value: value + 0.1, r"points_px lies up to 0\.1"),
        ("confidence", lambda value: value.astype(np.float64), "gives confidence as float64"),
        ("adi_mm", lambda value: np.where(np.isnan(value), 1.0, value).astype(np.float32), "adi_mm is unknown where"),
        ("verdict", lambda value: 1 - value, "a verdict does not follow"),
    ],
)
def test_a_model_that_disagrees_leaves_nothing(
    model: landmarker.Landmarker,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    changed: Callable,
    message: str,
) -> None:
    def astray(folder: pathlib.Path, requests: list, loader: str) -> list:
        answers = [dict(one.expected) for one in trial.of_films(model)]
        answers[1][name] = changed(answers[1][name])
        return [*answers[:-1], {"card": [b"card"]}]

    monkeypatch.setattr(fresh_process, "answers", astray)
    monkeypatch.setattr(exported_card, "as_text", lambda _: "card")
    monkeypatch.setattr(export, "_archive", lambda *_: _Empty())
    with pytest.raises(export.ExportError, match=message):
        export.write(model, tmp_path, "aas")
    assert not list(tmp_path.iterdir())


def test_a_network_without_numbers_and_a_missing_library_are_told(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = conftest.tiny_landmarker()
    lost.network.set_weights([array * np.nan for array in lost.network.get_weights()])
    with pytest.raises(export.ExportError, match="weights that are no numbers"):
        export.write(lost, tmp_path, "aas")
    monkeypatch.setattr(c_loader, "_LIBRARY", "libnothing.so")
    with pytest.raises(fresh_process.ProcessError, match=r"libnothing\.so is not installed"):
        fresh_process.answers(tmp_path, [], "c")
    assert not list(tmp_path.iterdir())


class _Empty:
    def write_out(self, folder: str, verbose: bool) -> None:
        (pathlib.Path(folder) / "assets").mkdir()


def test_a_version_that_another_export_wrote_meanwhile_stays(
    model: landmarker.Landmarker, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "aas" / "1" / "saved_model.pb"

    def answered(*_: object) -> list:
        theirs.parent.mkdir()
        theirs.write_bytes(b"theirs")
        return []

    monkeypatch.setattr(export, "_archive", lambda *_: _Empty())
    monkeypatch.setattr(verification, "answered", answered)
    monkeypatch.setattr(verification, "largest", lambda *_: {})
    with pytest.raises(export.ExportError, match="another export has written"):
        export.write(model, tmp_path, "aas")
    assert [path.name for path in theirs.parent.parent.iterdir()] == ["1"]
    assert theirs.read_bytes() == b"theirs"


def test_a_full_disk_is_told_and_nothing_is_left(
    model: landmarker.Landmarker, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def write_out(self, folder: str, verbose: bool) -> None:
            raise tf.errors.ResourceExhaustedError(None, None, f"{folder}/saved_model.pb; No space left on device")

    monkeypatch.setattr(export, "_archive", lambda *_: Full())
    with pytest.raises(export.ExportError, match=r"cannot be written: .*No space left on device"):
        export.write(model, tmp_path, "aas")
    assert not list(tmp_path.iterdir())


WRONG = {
    "--name is letters": ["--name=a/b"],
    "--thresholds is not for a model of deformity": ["--model={risk}", "--thresholds=adi=2"],
    "no model directory": ["--model={here}"],
    "--threshold is not for a model of landmarks": ["--threshold=0.5"],
    "no distance": ["--thresholds=x=1"],
    "unexpected argument": ["stray"],
    "value should be one of <float32|folded|fast>": ["--variant=quick"],
}


def test_wrong_flags_end_with_2(model_directory: pathlib.Path, start_many: Callable, tmp_path: pathlib.Path) -> None:
    start = [f"--model={model_directory}", f"--output_dir={tmp_path / 'out'}"]
    risk = study_models.write(tmp_path / "risk")
    lines = [[*start, *(text.format(here=tmp_path, risk=risk) for text in given)] for given in WRONG.values()]
    for message, (status, _, error) in zip(WRONG, start_many("experiments.export", lines), strict=True):
        assert (status, message in error) == (2, True), error
    assert not (tmp_path / "out").exists()

import math
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import study_dicom

from raspine import risk, scan, study_reading, study_search
from raspine.dicom import index, series, stacking
from raspine.inputs import slices
from raspine.models import resnet

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
LUMBAR, CERVICAL = DATA / "mri_lumbar", DATA / "mri_cervical" / "t2_sagittal.nii.gz"


@pytest.fixture(scope="module")
def model() -> risk.RiskModel:
    """An untrained network that takes age and a rheumatoid factor, a map per slice."""
    keras.utils.set_random_seed(5)
    network = resnet.resnet(depth=14, input_shape=(32, 32, 6), per_slice=True, clinical=4)
    choice = slices.Choice("native_middle", 6, 7.5, (48, 48))
    settings = risk.Settings(choice, 32, 32, ("age", "rf"), ((60.0, 10.0), (0.5, 0.5)), per_slice=True)
    return risk.RiskModel(network, settings, {"validation": {"val_threshold": 0.25}})


def test_the_lumbar_study_in_five_lines(model: risk.RiskModel) -> None:
    [answer] = study_reading.read(model, LUMBAR)
    assert answer.name == str(LUMBAR)
    assert answer.flags == ("out_of_domain: LSPINE", "clinical_missing")
    native = answer.reading.native
    assert native.slices == 11
    assert native.spacing_mm == pytest.approx((0.683594, 0.683594), abs=1e-6)
    assert native.pitch_mm == pytest.approx(4.5, abs=1e-3)
    assert answer.threshold == 0.25
    assert answer.verdict == ("positive" if answer.risk >= 0.25 else "negative")
    (study,) = index.scan([LUMBAR]).studies
    expected = model.risk(scan.of_study(study, model.settings.choice).slices.pixels[None])
    assert answer.risk == pytest.approx(float(expected[0]), abs=1e-6)


def test_the_row_of_the_lumbar_study(model: risk.RiskModel) -> None:
    [answer] = study_reading.read(model, LUMBAR)
    row = study_reading.as_row(answer)
    assert (row["series_number"], row["series_description"], row["series_slices"]) == (6, "T2 SAG", 11)
    assert (row["files"], row["series"]) == (15, 5)
    assert row["series_reason"].startswith("sagittal (1.00); TE 110 ms, TR 3203 ms: T2")
    np.testing.assert_allclose(np.diff(row["slice_positions_mm"]), 4.5, atol=1e-3)
    assert {one["series_description"] for one in row["candidates"]} == {"STIR SAG", "T1 SAG", "T2 AX", "T1 AX"}
    assert not any(one["accepted"] for one in row["candidates"])
    hidden = study_reading.as_row(answer, "study-00001")
    assert hidden["study"] == "study-00001"
    assert row["series_uid"] not in repr(hidden)
    assert not any(word in repr(hidden) for word in ("T2 SAG", "STIR SAG", str(LUMBAR)))


def test_a_nifti_file_is_a_study(model: risk.RiskModel) -> None:
    [answer] = study_reading.read(model, CERVICAL)
    row = study_reading.as_row(answer)
    expected = scan.of_nifti(CERVICAL, model.settings.choice)
    np.testing.assert_allclose(row["slice_positions_mm"], expected.slices.positions_mm, atol=1e-4)
    assert row["pitch_mm"] == pytest.approx(float(np.diff(expected.slices.positions_mm).mean()), abs=1e-3)
    assert "contrast_unverified" in row["flags"]
    assert (row["series_uid"], row["files"], row["series"]) == ("", 1, 1)


def test_clinical_values_change_the_risk_and_missing_ones_are_named(
    model: risk.RiskModel, tmp_path: pathlib.Path
) -> None:
    study_dicom.write(tmp_path, "a")
    [without] = study_reading.read(model, tmp_path)
    [partly] = study_reading.read(model, tmp_path, clinical_cells={"age": "30"})
    [whole] = study_reading.read(model, tmp_path, clinical_cells={"age": "30", "rf": "yes"})
    assert [answer.flags for answer in (without, partly, whole)] == [
        ("clinical_missing",),
        ("clinical_missing: rf",),
        (),
    ]
    assert len({answer.risk for answer in (without, partly, whole)}) == 3
    study_dicom.write(tmp_path / "other", "b")
    with pytest.raises(study_reading.StudyError, match=r"clinical values are of one study\. Received: 2"):
        study_reading.read(model, tmp_path, clinical_cells={"age": "30"})


def test_the_volume_as_scanned_whatever_the_choice(model: risk.RiskModel, tmp_path: pathlib.Path) -> None:
    study_dicom.write(tmp_path, "a", indices=[7, 0, 3, 4, 5, 6, 1, 2])
    (source,) = study_search.find([tmp_path]).sources
    choice = slices.Choice("slab", 6, 1.0, (32, 32), 12.0)
    native = study_reading.prepare(source, choice, study_reading.Options()).native
    assert (native.slices, native.spacing_mm) == (8, (1.5, 1.5))
    assert native.pitch_mm == pytest.approx(4.0)


def test_a_study_is_ranked_and_stacked_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study_dicom.write(tmp_path, "a")
    (source,) = study_search.find([tmp_path]).sources
    calls: list[str] = []
    for module, name in ((series, "rank"), (stacking, "stack")):
        monkeypatch.setattr(module, name, _counted(getattr(module, name), calls))
    choice = slices.Choice("native_middle", 6, 1.5, (32, 32))
    study_reading.prepare(source, choice, study_reading.Options())
    assert sorted(calls) == ["rank", "stack"]


def _counted(function: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(function.__name__)
        return function(*arguments, **named)

    return counted


def test_a_missing_slice_is_refused_or_interpolated(model: risk.RiskModel, tmp_path: pathlib.Path) -> None:
    study_dicom.write(tmp_path, "a", indices=[0, 1, 2, 4, 5, 6, 7])
    with pytest.raises(study_reading.StudyError, match=r"series 1 'T2 SAG': slices 3 and 4 of 7.*1 missing"):
        study_reading.read(model, tmp_path)
    [answer] = study_reading.read(model, tmp_path, options=study_reading.Options(gaps="interpolate"))
    assert "gap_interpolated" in answer.flags
    assert answer.reading.native.slices == 8


def test_equal_series_and_the_users_own_choice(model: risk.RiskModel, tmp_path: pathlib.Path) -> None:
    study_dicom.write(tmp_path, "a", 1)
    study_dicom.write(tmp_path, "a", 2)
    study_dicom.write(tmp_path, "a", 3, **study_dicom.T1)
    taken = study_dicom.uid("a", 3)
    [usual] = study_reading.read(model, tmp_path)
    [own] = study_reading.read(model, tmp_path, options=study_reading.Options((taken, "1.2.3")))
    assert (usual.reading.scan.series_uid, own.reading.scan.series_uid) == (study_dicom.uid("a", 1), taken)
    assert own.reading.scan.series_reason.startswith("chosen by its UID")
    with pytest.raises(study_reading.StudyError, match="equally good"):
        study_reading.read(model, tmp_path, options=study_reading.Options(strict=True))


def test_no_study_is_said(model: risk.RiskModel, tmp_path: pathlib.Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(study_reading.StudyError, match="no MR study in 1 files; the first: not a DICOM file"):
        study_reading.read(model, tmp_path)


def test_every_file_belongs_to_a_study_or_is_refused(tmp_path: pathlib.Path) -> None:
    whole = study_dicom.write(tmp_path / "one" / "deep", "a") + study_dicom.write(tmp_path / "one" / "t1", "a", 2)
    shared = study_dicom.write(tmp_path / "two", "b") + study_dicom.write(tmp_path / "two", "c")
    shutil.copy(CERVICAL, tmp_path / "neck.nii.gz")
    for name in ("notes.txt", ".hidden", "two/.b"):
        (tmp_path / name).write_text("no image")
    found = study_search.find([tmp_path, tmp_path / "one", whole[0]])
    assert {source.name: len(source.files) for source in found.sources} == {
        str(tmp_path / "one"): 16,
        str(shared[0]): 8,
        str(shared[8]): 8,
        str(tmp_path / "neck.nii.gz"): 1,
    }
    assert {path.name: reason for path, reason in found.refused.items()} == {
        "notes.txt": "not a DICOM file.",
        ".hidden": study_search.HIDDEN,
        ".b": study_search.HIDDEN,
    }
    files = [path for source in found.sources for path in source.files] + list(found.refused)
    assert sorted(files) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert study_search.find([tmp_path / ".hidden"]).refused == {tmp_path / ".hidden": "not a DICOM file."}


def test_files_that_may_be_slices_and_two_patients_are_flagged(tmp_path: pathlib.Path) -> None:
    study_dicom.write(tmp_path / "a", "a")
    (tmp_path / "a" / "lost").write_bytes(b"\0" * 50)
    (tmp_path / "a" / "notes.txt").write_text("beside")
    study_dicom.truncate(study_dicom.write(tmp_path / "b", "b")[0])
    study_dicom.write(tmp_path / "c", "c")
    study_dicom.write(tmp_path / "c", "c", 2, PatientID="SECRET-other")
    flags = {pathlib.Path(source.name).name: source.flags for source in study_search.find([tmp_path]).sources}
    assert flags == {"a": ("unreadable_files: 1",), "b": (), "c": ("patient_details_differ",)}


def test_the_picture_has_red_where_the_map_is(model: risk.RiskModel, tmp_path: pathlib.Path) -> None:
    study_dicom.write(tmp_path, "a", SpecificCharacterSet="ISO_IR 192", SeriesDescription="頚椎 T2 SAG")
    [answer] = study_reading.read(model, tmp_path)
    pixels = np.full((6, 32, 32), 30000, np.uint16)
    maps = np.zeros((6, 32, 32), np.float32)
    maps[5] = 1.0
    picture = study_reading.picture(answer, pixels, maps, "Grad-CAM").astype(int)
    red = (picture[..., 0] - picture[..., 1]) > 100
    height, width = red.shape
    assert red[height - width // 6, width - width // 6]
    assert not red[height - width // 6, width // 6]
    assert math.isclose(width, 1200)

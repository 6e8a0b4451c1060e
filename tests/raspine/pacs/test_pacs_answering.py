"""What the archive gave is not what it listed: no report is made, since it would be another patient's."""

import dataclasses
import pathlib
from collections.abc import Callable

import pydicom
import pytest
import study_dicom

from raspine.pacs import answering
from raspine.pacs.failures import RefusedError
from raspine.pacs.instances import Instance


class Nobody:
    """A model that must not be asked."""


@pytest.mark.parametrize("field", ["study", "sop", "sop_class"])
def test_a_film_that_is_not_the_one_listed_is_refused(
    tmp_path: pathlib.Path, dicom_writer: Callable, film_pixels: Callable, field: str
) -> None:
    path = tmp_path / "film.dcm"
    dicom_writer(
        path, film_pixels(90, 70, 1), StudyInstanceUID="1.2", PixelSpacing=[0.2, 0.3], BodyPartExamined="CSPINE"
    )
    film = pydicom.dcmread(path)
    listed = Instance("1.2", "1.2.3", str(film.SOPInstanceUID), str(film.SOPClassUID))
    with pytest.raises(RefusedError, match=r"^the object is not the one that was listed: its UIDs differ\.$"):
        answering.film_objects(Nobody(), dataclasses.replace(listed, **{field: "1.2.9"}), path)
    with pytest.raises(AttributeError, match="Nobody"):  # the one listed gets to the model
        answering.film_objects(Nobody(), listed, path)


@pytest.mark.parametrize("keyword", ["SeriesDescription", "DerivationDescription", "ImageComments"])
def test_a_picture_of_its_own_is_refused_whatever_its_series_is_called(
    tmp_path: pathlib.Path, dicom_writer: Callable, film_pixels: Callable, keyword: str
) -> None:
    path = tmp_path / "film.dcm"
    tags = {"StudyInstanceUID": "1.2", "SeriesDescription": "renamed", keyword: "AI result, research use: explanation"}
    dicom_writer(path, film_pixels(90, 70, 1), BodyPartExamined="CSPINE", **tags)
    film = pydicom.dcmread(path)
    listed = Instance("1.2", "1.2.3", str(film.SOPInstanceUID), str(film.SOPClassUID))
    with pytest.raises(RefusedError, match=r"^a result of this program, not an image to read\.$"):
        answering.film_objects(Nobody(), listed, path)


def test_a_study_that_is_not_the_one_listed_is_refused(tmp_path: pathlib.Path) -> None:
    files = study_dicom.write(tmp_path, "given", indices=range(3))
    listed = [Instance("1.2.9", "1.2.9.1", f"1.2.9.1.{number}", "1.2.840.10008.5.1.4.1.1.4") for number in range(3)]
    with pytest.raises(RefusedError, match=r"^the objects are not those that were listed: their study differs\.$"):
        answering.study_objects(Nobody(), listed, files, lambda pixels: pytest.fail("explained"))


def test_a_study_with_a_slice_of_another_is_refused(tmp_path: pathlib.Path) -> None:
    files = study_dicom.write(tmp_path, "given", indices=range(3))
    strange = study_dicom.write(tmp_path, "other", indices=[0])
    study = study_dicom.uid("given")
    listed = [Instance(study, "1.2.9.1", f"1.2.9.1.{number}", "1.2.840.10008.5.1.4.1.1.4") for number in range(4)]
    with pytest.raises(RefusedError, match="2 MR studies in 4 objects"):
        answering.study_objects(Nobody(), listed, [*files, *strange], lambda pixels: pytest.fail("explained"))

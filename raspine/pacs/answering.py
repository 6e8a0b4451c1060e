"""Images in, DICOM results out: what the process that may be killed does with a job."""

import pathlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from raspine import atomic, clinical, reading, study_reading, study_search
from raspine.dicom import film as film_reader
from raspine.dicom import header, parse
from raspine.dicom_results import equipment, film_results, study_results
from raspine.dicom_results.errors import ResultError
from raspine.pacs import picking
from raspine.pacs.failures import RefusedError
from raspine.pacs.instances import Instance

_METHOD = "Grad-CAM"
_NAME = "of this report"  # in the picture, in place of a path
# That say that a picture is a result; an archive may give a series a description of its own.
_OF_RESULTS = ("SeriesDescription", "DerivationDescription", "ImageComments")


Explain = Callable[[NDArray[np.uint16]], tuple[NDArray[np.uint16], NDArray[np.float32]]]
"""From uint16 [slice, row, column] to the slices as the network saw them and their maps, 0..1."""


def film_objects(model: Any, instance: Instance, path: pathlib.Path) -> list[Dataset]:
    """Returns the results of a film.

    Args:
      model: the landmark model, local or remote.
      instance: as it was listed.
      path: its file.

    Raises:
      RefusedError: it cannot be measured, or must not be.
    """
    data = path.read_bytes()
    try:
        source = parse.parse(data)
        _check_foreign(source)
        picking.check_identity(source, instance)
        picking.check_film(source)
        film = film_reader.read_bytes(data)
        picking.check_view(film.flags)
        measured = reading.measure_films(model, [film])[0]
        return film_results.objects(source, film, measured, model.schema, model.identity)
    except (header.FilmError, ResultError) as error:
        raise RefusedError(" ".join(str(error).split())) from error


def study_objects(
    model: Any, instances: Sequence[Instance], paths: Sequence[pathlib.Path], explain: Explain
) -> list[Dataset]:
    """Returns the results of an MRI study.

    Args:
      model: the risk model, local or remote.
      instances: the study's slices.
      paths: their files, in the same order.
      explain: makes the maps of Grad-CAM.

    Raises:
      RefusedError: it cannot be scored.
    """
    found = study_search.find(paths)
    if len(found.sources) != 1:
        first = next(iter(found.refused.values()), "no MR image")
        raise RefusedError(f"{len(found.sources)} MR studies in {len(paths)} objects; {first}")
    source = found.sources[0]
    if getattr(source.content, "uid", "") != instances[0].study:
        raise RefusedError("the objects are not those that were listed: their study differs.")
    try:
        prepared = study_reading.prepare(source, model.settings.choice, study_reading.Options())
        answer = study_reading.score(model, [prepared], clinical.vector({})[None])[0]
        shown, maps = explain(prepared.scan.slices.pixels)
        picture = study_reading.picture(answer, shown, maps, _METHOD, _NAME)
        return study_results.objects(_sources(prepared), answer, picture, model.identity, method=_METHOD)
    except study_reading.StudyError as error:
        raise RefusedError(study_reading.impersonal(str(error), source)) from error
    except ResultError as error:
        raise RefusedError(" ".join(str(error).split())) from error


def write(objects: Sequence[Dataset], folder: pathlib.Path) -> list[tuple[str, str]]:
    """Writes results into a folder that appears whole or not at all; returns SOP Instance UID and file name of each."""
    names = [f"{place}.dcm" for place in range(len(objects))]
    with atomic.atomic_directory(folder, replace=True, durable=True) as aside:
        for name, one in zip(names, objects, strict=True):
            pydicom.dcmwrite(aside / name, one, enforce_file_format=True)
    return [(str(one.SOPInstanceUID), name) for name, one in zip(names, objects, strict=True)]


def _check_foreign(dataset: Dataset) -> None:
    if any(header.text(dataset, keyword).startswith(equipment.RESEARCH_USE) for keyword in _OF_RESULTS):
        raise RefusedError("a result of this program, not an image to read.")


def _sources(prepared: study_reading.Reading) -> list[Dataset]:
    """Returns the headers of the series that was taken."""
    assert prepared.chosen is not None
    files = dict.fromkeys(frame.path for frame in prepared.chosen.frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in files]

"""Films and studies all the way: read, through a tiny network, to the row of predictions.json and the picture."""

import functools
import json
import pathlib
import tempfile

import conftest

from fuzz.mutation import dicom, folder
from fuzz.targets import Target, film, models, study
from raspine import clinical, landmarker, reading, risk, study_reading, study_search
from raspine.dicom.film import FilmError, read_bytes


@functools.cache
def _landmarker() -> landmarker.Landmarker:
    return conftest.tiny_landmarker()


@functools.cache
def _risk() -> risk.RiskModel:
    return models.tiny_risk(("age",))


def _film(data: bytes) -> object:
    model, taken = _landmarker(), read_bytes(data)
    (result,) = reading.measure_films(model, [taken])
    json.dumps(reading.as_row("film", taken, result, model.schema), allow_nan=False)
    picture = reading.picture("film", taken, result, model.schema)
    assert max(picture.shape) <= 4000
    return result.flags


def _study(data: bytes) -> object:
    model, said = _risk(), list[str]()
    with tempfile.TemporaryDirectory() as place:
        for source in study_search.find([folder.write(data, pathlib.Path(place) / "study")]).sources:
            try:
                one = study_reading.prepare(source, model.settings.choice, study_reading.Options(gaps="interpolate"))
            except study_reading.StudyError as error:
                said.append(str(error))
                continue
            (answer,) = study_reading.score(model, [one], clinical.vector({})[None])
            json.dumps(study_reading.as_row(answer, "study 1"), allow_nan=False)
            assert max(study_reading.picture(answer, one.scan.slices.pixels, None, "none").shape) <= 4000
            said += answer.flags
    return said


TARGETS = {
    "film_answer": Target(_film, (FilmError,), film.seeds, film.mutate),
    "study_answer": Target(_study, (), study.seeds, folder.mutator(dicom.mutate)),
}

"""From film files to the DICOM objects of what a landmark model measures on them."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence

from absl import logging
from tqdm import tqdm

from experiments import film_prediction, models, prediction
from experiments.object_folder import Made
from raspine import landmarker, landmarks, reading
from raspine.dicom import discovery
from raspine.dicom_results import film_results, headers
from raspine.serving.remote import RemoteModel
from raspine.serving.remote_landmarker import RemoteLandmarker
from raspine.study_search import shown

NOUNS = ("film", "films")


@dataclasses.dataclass(frozen=True, eq=False)
class _Work:
    """What stays the same from film to film."""

    model: landmarker.Landmarker | RemoteLandmarker
    schema: landmarks.Schema
    spacing: tuple[float, float] | None
    carry_patient: bool


def made(model: str, remote: RemoteModel | None, paths: Sequence[str], carry_patient: bool) -> Iterator[Made]:
    """Yields what became of every file among paths and below folders.

    Args:
      model: the model directory; empty for a remote model.
      remote: the model behind an endpoint; None for a directory.
      paths: files and folders.
      carry_patient: see `film_results.objects`.

    Raises:
      UsageError: the folder is no model directory, or flags do not go with the model.
      EndpointError: the server is gone.
    """
    network = remote if isinstance(remote, RemoteLandmarker) else models.load(model)
    work = _Work(network, film_prediction.ruled(network.schema), film_prediction.check(), carry_patient)
    for path in tqdm(_listed(paths), desc="measuring films", unit="film", delay=2):
        yield _one(path, work)


def _one(path: pathlib.Path, work: _Work) -> Made:
    try:
        source = headers.read(path)
        film = film_prediction.read(path, work.spacing)
        [result] = reading.measure_films(work.model, [film], work.schema)
        found = film_results.objects(
            source, film, result, work.schema, work.model.identity, carry_patient=work.carry_patient
        )
        return Made(shown(path), found, {"verdict": result.verdict})
    except (ValueError, OSError) as error:
        return Made(shown(path), " ".join(str(error).split()))
    except Exception as error:  # one film must not end the others
        logging.debug("measuring failed", exc_info=True)
        return Made(shown(path), prediction.refusal(error, "the film cannot be measured"))


def _listed(paths: Sequence[str]) -> list[pathlib.Path]:
    """Returns every file among paths and below folders, each once; hidden ones are left out unless they are named."""
    found: dict[str, pathlib.Path] = {}
    for path in map(pathlib.Path, paths):
        for file in discovery.walk(path) if path.is_dir() else (path,):
            if file == path or not any(part.startswith(".") for part in file.relative_to(path).parts):
                found.setdefault(os.path.abspath(file), file)
    return list(found.values())

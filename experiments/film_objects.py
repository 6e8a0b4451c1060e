"""From film files to the DICOM objects of what a landmark model measures on them."""

import os
import pathlib
from collections.abc import Iterator, Sequence

from absl import logging
from tqdm import tqdm

from experiments import models
from experiments.object_folder import Made
from raspine import landmarker, model_identity, reading
from raspine.dicom import discovery
from raspine.dicom import film as film_reader
from raspine.dicom_results import film_results, headers
from raspine.study_search import shown

NOUNS = ("film", "films")


def made(model: str, paths: Sequence[str], carry_patient: bool) -> Iterator[Made]:
    """Yields what became of every file among paths and below folders.

    Args:
      model: the model directory.
      paths: files and folders.
      carry_patient: see `film_results.objects`.

    Raises:
      UsageError: the folder is no model directory.
    """
    network = models.load(model)
    identity = network.identity
    for path in tqdm(_listed(paths), desc="measuring films", unit="film", delay=2):
        yield _one(path, network, identity, carry_patient)


def _one(
    path: pathlib.Path, network: landmarker.Landmarker, identity: model_identity.ModelIdentity, carry_patient: bool
) -> Made:
    try:
        source = headers.read(path)
        film = film_reader.read(path)
        [result] = reading.measure_films(network, [film])
        found = film_results.objects(source, film, result, network.schema, identity, carry_patient=carry_patient)
        return Made(shown(path), found, {"verdict": result.verdict})
    except (ValueError, OSError) as error:
        return Made(shown(path), " ".join(str(error).split()))
    except Exception as error:  # one film must not end the others
        logging.debug("measuring failed", exc_info=True)
        return Made(shown(path), f"the film cannot be measured: unexpected {type(error).__name__}.")


def _listed(paths: Sequence[str]) -> list[pathlib.Path]:
    """Returns every file among paths and below folders, each once; hidden ones are left out unless they are named."""
    found: dict[str, pathlib.Path] = {}
    for path in map(pathlib.Path, paths):
        for file in discovery.walk(path) if path.is_dir() else (path,):
            if file == path or not any(part.startswith(".") for part in file.relative_to(path).parts):
                found.setdefault(os.path.abspath(file), file)
    return list(found.values())

"""From MRI studies to the DICOM objects of the risk that a model finds in them."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging
from tqdm import tqdm

from experiments import models
from experiments.object_folder import Made
from raspine import clinical, drawing, model_identity, risk, study_reading, study_search
from raspine.dicom_results import headers, scored_study, study_results
from raspine.explanation import gradcam
from raspine.study_search import Source, shown

NOUNS = ("study", "studies")
METHOD = "Grad-CAM"
_NAME = "study"  # in the picture, whose pixels must not name anybody


def made(model: str, paths: Sequence[str], carry_patient: bool) -> Iterator[Made]:
    """Yields what became of every study among files and folders, and of every file that is in none.

    Args:
      model: the model directory.
      paths: files and folders.
      carry_patient: see `study_results.objects`.

    Raises:
      UsageError: the folder is no model directory.
    """
    network = models.load_risk(model)
    identity = network.identity
    found = study_search.find(paths, progress=True)
    explainer = gradcam.Explainer(network.network, 1) if found.sources else None
    for source in tqdm(found.sources, desc="scoring studies", unit="study", delay=2):
        yield _one(source, network, explainer, identity, carry_patient)
    for path, reason in found.refused.items():
        yield Made(shown(path), reason)


def _one(
    source: Source,
    network: risk.RiskModel,
    explainer: gradcam.Explainer | None,
    identity: model_identity.ModelIdentity,
    carry_patient: bool,
) -> Made:
    try:
        reading = study_reading.prepare(source, network.settings.choice, study_reading.Options())
        unknown = np.full((1, len(clinical.COLUMNS)), np.nan, np.float32)
        [answer] = study_reading.score(network, [reading], unknown)
        files = sorted({frame.path for frame in scored_study.used(answer)})
        picture = _picture(answer, network, explainer)
        sources = [headers.read(file) for file in files]
        objects = study_results.objects(sources, answer, picture, identity, method=METHOD, carry_patient=carry_patient)
        return Made(source.name, objects, {"risk": answer.risk, "verdict": answer.verdict, "files": _names(files)})
    except (ValueError, OSError) as error:
        return Made(source.name, study_reading.impersonal(" ".join(str(error).split()), source))
    except Exception as error:  # one study must not end the others
        logging.debug("scoring failed", exc_info=True)
        return Made(source.name, f"the study cannot be scored: unexpected {type(error).__name__}.")


def _picture(
    answer: study_reading.Answer, network: risk.RiskModel, explainer: gradcam.Explainer | None
) -> drawing.Picture | None:
    """Returns the slices as the network saw them with the map in red; None without explainer."""
    if explainer is None:
        return None
    images = network.framed(answer.reading.scan.slices.pixels[None])
    inputs: Any = network.inputs(images, np.full((1, len(clinical.COLUMNS)), np.nan, np.float32))
    pictures, values = (inputs["image"], inputs["clinical"]) if isinstance(inputs, dict) else (inputs, None)
    [heat] = gradcam.normalised(explainer(pictures, values, "gradcam"))
    [seen] = np.rint(np.transpose(images, (0, 3, 1, 2)) * 65535).astype(np.uint16)
    return study_reading.picture(answer, seen, heat, METHOD, _NAME)


def _names(files: Sequence[pathlib.Path]) -> list[str]:
    return [shown(file) for file in files]

"""Says how far the exported variants of a model answer from the network as trained, on records.

python tests/raspine/serving/variants_apart.py build/demo/subluxation/best build/demo/work/subluxation/records/test-*
python tests/raspine/serving/variants_apart.py build/demo/deformity/best build/demo/work/deformity/records/test-*
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import models
from raspine import landmarker, model_identity, records, risk, study_records
from raspine.serving import export

TOGETHER = 8  # films or studies


def films_apart(folder: str, files: Iterable[str]) -> None:
    """Prints pixels and millimetres."""
    model = landmarker.load(folder, fast=False)
    found = [film for path in files for film in records.read(path)]
    pictures = [(film.pixels(), film.spacing_mm) for film in found]
    spacing = np.array([film.spacing_mm or (np.nan, np.nan) for film in found])

    def points(answering: Any) -> NDArray[np.float64]:
        parts = range(0, len(pictures), TOGETHER)
        return np.concatenate([answering.locate(pictures[start : start + TOGETHER])[0] for start in parts])

    trained = points(model.as_trained())
    before = model.schema.measure(trained, spacing)
    for variant in (model_identity.FOLDED, model_identity.FAST):
        other = points(export.answering(model, variant))
        pixels = np.linalg.norm(other - trained, axis=-1)
        after = model.schema.measure(other, spacing)
        moved = ", ".join(f"{name} {np.nanmax(np.abs(after[name] - before[name])):.2g} mm" for name in before)
        middle, most = np.median(pixels), pixels.max()
        print(f"{variant}: {len(found)} films, {middle:.2g} px in the median; {most:.2g} px, {moved} at most")


def studies_apart(folder: str, files: Iterable[str]) -> None:
    """Prints shares."""
    model = risk.load(folder, fast=False)
    slices = np.array([study.slices for path in files for study in study_records.read(path)])

    def risks(answering: Any) -> NDArray[np.float64]:
        parts = range(0, len(slices), TOGETHER)
        return np.concatenate([answering.risk(slices[start : start + TOGETHER]) for start in parts])

    trained = risks(model.as_trained())
    for variant in (model_identity.FOLDED, model_identity.FAST):
        moved = np.abs(risks(export.answering(model, variant)) - trained)
        print(f"{variant}: {len(slices)} studies, a risk moves by {moved.max():.2g} at most")


def main(arguments: Sequence[str]) -> None:
    """Prints the figures of the model and the shards that are named."""
    folder, *files = arguments
    (films_apart if models.task(folder) == landmarker.TASK else studies_apart)(folder, files)


if __name__ == "__main__":
    main(sys.argv[1:])

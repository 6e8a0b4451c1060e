"""From MRI studies to the DICOM objects of the risk that a model finds in them."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from absl import logging
from tqdm import tqdm

from experiments import clinical_table, models, prediction, risk_threshold, study_prediction
from experiments.object_folder import Made
from raspine import clinical, risk, study_reading, study_search
from raspine.dicom_results import headers, scored_study, study_results
from raspine.serving.remote import RemoteModel
from raspine.serving.remote_risk import RemoteRiskModel
from raspine.study_search import Source, shown

NOUNS = ("study", "studies")
_NAME = "of this report"  # in the picture, whose pixels must not name anybody


@dataclasses.dataclass(frozen=True, eq=False)
class _Work:
    """What stays the same from study to study.

    Attributes:
      model: the risk model.
      threshold: of the verdict.
      options: how series and volume are taken.
      rows: clinical values.
      explain: see `study_prediction.explanation`.
      carry_patient: see `study_results.objects`.
    """

    model: study_prediction.Model
    threshold: float
    options: study_reading.Options
    rows: Sequence[clinical_table.Row]
    explain: study_prediction.Explain
    carry_patient: bool


def made(model: str, remote: RemoteModel | None, paths: Sequence[str], carry_patient: bool) -> Iterator[Made]:
    """Yields what became of every study among files and folders, and of every file that is in none.

    Args:
      model: the model directory; empty for a remote model.
      remote: the model behind an endpoint; None for a directory.
      paths: files and folders.
      carry_patient: see `study_results.objects`.

    Raises:
      UsageError: the folder is no model directory, or flags do not go with the model or the studies.
      EndpointError: the server is gone.
    """
    fixed, rows = risk_threshold.fixed(), study_prediction.clinical_rows()
    network = _ruled(remote if isinstance(remote, RemoteRiskModel) else models.load_risk(model), fixed)
    study_prediction.check_rows(rows, network)
    found = study_search.find(paths, progress=True)
    if found.sources:
        explain, options = study_prediction.explanation(network, 1), study_prediction.options(found.sources)
        work = _Work(network, fixed[0] if fixed else network.threshold, options, rows, explain, carry_patient)
        for source in tqdm(found.sources, desc="scoring studies", unit="study", delay=2):
            yield _one(source, work)
    for path, reason in found.refused.items():
        yield Made(shown(path), reason)


def _ruled(model: study_prediction.Model, fixed: risk_threshold.Fixed | None) -> study_prediction.Model:
    """Returns the model with a threshold from outside; what is behind an endpoint keeps its own, and its identity."""
    return model.with_threshold(fixed[0]) if fixed and isinstance(model, risk.RiskModel) else model


def _one(source: Source, work: _Work) -> Made:
    try:
        return _made(source, work)
    except (ValueError, OSError) as error:
        return Made(source.name, study_reading.impersonal(" ".join(str(error).split()), source))
    except Exception as error:  # one study must not end the others
        logging.debug("scoring failed", exc_info=True)
        return Made(source.name, prediction.refusal(error, "the study cannot be scored"))


def _made(source: Source, work: _Work) -> Made:
    row = clinical_table.find(work.rows, source)
    values = row.values[None] if row else np.full((1, len(clinical.COLUMNS)), np.nan, np.float32)
    reading = study_reading.prepare(source, work.model.settings.choice, work.options)
    [answer] = study_reading.score(work.model, [reading], values, work.threshold)
    files = sorted({frame.path for frame in scored_study.used(answer)})
    [(seen, heat)] = work.explain(reading.scan.slices.pixels[None], values)
    method, settings = study_prediction.method(), work.model.settings
    objects = study_results.objects(
        [headers.read(file) for file in files],
        answer,
        study_reading.picture(answer, seen, heat, method, _NAME),
        work.model.identity,
        clinical_values={
            name: float(values[0, place]) for name, place in zip(settings.columns, settings.places, strict=True)
        },
        method=method,
        carry_patient=work.carry_patient,
    )
    facts = {"risk": answer.risk, "threshold": answer.threshold, "verdict": answer.verdict}
    return Made(source.name, objects, {**facts, "files": [shown(file) for file in files]})

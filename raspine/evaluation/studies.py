"""A risk model's answers on the records of a split, beside the outcomes."""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from raspine import features, risk, study_records
from raspine.inputs import studies

_ID = [feature for feature in study_records.STUDY_FEATURES if feature.key == study_records.ID]
ROW_FIELDS = ("study", "patient", "outcome", "risk", "verdict", "rater1", "rater2", "consensus", "flags")
_TEXTS = {
    "names": study_records.ID,
    "patients": study_records.PATIENT,
    "rater1": study_records.RATER1,
    "rater2": study_records.RATER2,
    "consensus": study_records.CONSENSUS,
    "flags": study_records.FLAGS,
}
Texts = tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Studies:
    """What a model says of some studies, and what is known of them.

    Attributes:
      names: pseudonyms of the studies.
      patients: pseudonyms of the patients.
      risks: float64 [study], 0..1.
      outcomes: int64 [study], 1 deformity, 0 none, -1 not known.
      rater1: `0`, `1`, `doubtful` or empty.
      rater2: the same.
      consensus: the same.
      flags: what is doubtful about each study, joined with commas.
    """

    names: Texts
    patients: Texts
    risks: NDArray[np.float64]
    outcomes: NDArray[np.int64]
    rater1: Texts
    rater2: Texts
    consensus: Texts
    flags: Texts

    def __len__(self) -> int:
        return len(self.names)

    def known(self) -> "Studies":
        """Returns the studies whose outcome is known."""
        return self.take(np.flatnonzero(self.outcomes != study_records.UNKNOWN))

    def take(self, places: Sequence[int] | NDArray[np.intp]) -> "Studies":
        """Returns some of the studies, by number."""
        kept = np.asarray(places, np.intp)
        texts = {name: tuple(getattr(self, name)[place] for place in kept) for name in _TEXTS}
        return Studies(risks=self.risks[kept], outcomes=self.outcomes[kept], **texts)


def scored(
    model: risk.RiskModel, batches: tf.data.Dataset, total: int | None = None, progress: bool = False
) -> Studies:
    """Returns the risks of studies; no more than a batch's images are in memory at a time.

    Args:
      model: gives the risks.
      batches: from `inputs.studies.evaluation`, of the model's size.
      total: how many studies there are, for the progress bar.
      progress: whether a bar is shown when it takes more than two seconds.

    Raises:
      ValueError: there is no study.
    """
    columns: dict[str, list[Any]] = {name: [] for name in (*_TEXTS, "outcomes")}
    logits: list[NDArray[np.float32]] = []
    with tqdm(total=total, desc="scoring studies", unit="study", delay=2, disable=not progress) as shown:
        for batch in batches:
            logits.append(model.logits(batch[studies.IMAGE], batch[study_records.CLINICAL]).numpy())
            columns["outcomes"].append(batch[study_records.OUTCOME].numpy())
            for name, key in _TEXTS.items():
                columns[name] += [text.decode("utf-8", "replace") for text in batch[key].numpy()]
            shown.update(len(logits[-1]))
    if not logits:
        raise ValueError("the shards hold no study.")
    texts = {name: tuple(columns[name]) for name in _TEXTS}
    risks = 1 / (1 + np.exp(-np.concatenate(logits).astype(np.float64)))
    return Studies(risks=risks, outcomes=np.concatenate(columns["outcomes"]), **texts)


def rows(found: Studies, threshold: float) -> list[dict[str, Any]]:
    """Returns a row of ROW_FIELDS for each study, ready for CSV; an unknown outcome is empty.

    Args:
      found: the scored studies.
      threshold: positive from here up.
    """
    return [
        {
            "study": name,
            "patient": found.patients[place],
            "outcome": None if found.outcomes[place] == study_records.UNKNOWN else int(found.outcomes[place]),
            "risk": f"{found.risks[place]:.6g}",
            "verdict": risk.verdict(found.risks[place], threshold),
            "rater1": found.rater1[place],
            "rater2": found.rater2[place],
            "consensus": found.consensus[place],
            "flags": found.flags[place],
        }
        for place, name in enumerate(found.names)
    ]


def records_of(files: Sequence[str], names: Collection[str]) -> Iterator[study_records.StudyRecord]:
    """Yields the records of some studies in the shards' order; the others' slices are not decoded.

    Args:
      files: the shards.
      names: pseudonyms of the wanted studies.
    """
    for serialized in tf.data.TFRecordDataset(list(files)).as_numpy_iterator():
        if features.parse(_ID, serialized)[study_records.ID].numpy().decode() in names:
            yield study_records.from_serialized(serialized)

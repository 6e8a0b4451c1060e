"""A data set of studies in the making: read, split by patient, written as shards with a manifest."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import tqdm

from data_prep import manifest as manifests
from data_prep import outcomes, shards, split, studies, unreadable
from data_prep.refusals import Refusal
from data_prep.study_selection import Selection
from raspine import atomic, patient_groups, study_records
from raspine.dicom import series
from raspine.dicom.study import Study

SERIES_FIELDS = ("pseudonym", "series_number", "images", "accepted", "score", "taken", "reasons")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The studies that go into shards, and those that do not.

    Attributes:
      selection: the outcomes and studies that it was made from.
      taken: studies without their records, in the order of their keys.
      places: number of each study's record in the spool.
      refused: by key, or `row-N` for a row of the outcomes.
      parts: split of each study taken; empty before `with_split`.
    """

    selection: Selection
    taken: Mapping[str, studies.Prepared]
    places: Mapping[str, int]
    refused: Mapping[str, Refusal]
    parts: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def owners(self) -> dict[str, str]:
        """The patient of each study taken."""
        return {key: study.patient_id for key, study in self.taken.items()}

    def keys(self, part: str) -> list[str]:
        """Returns the studies of one split."""
        return [key for key in self.taken if self.parts.get(key) == part]

    def counts(self, part: str) -> dict[str, int]:
        """Returns how many studies and patients one split has, and how many studies of each outcome."""
        there = [self.taken[key] for key in self.keys(part)]
        positive = sum(study.outcome for study in there)
        patients = len({study.patient_id for study in there})
        return {"studies": len(there), "patients": patients, "positive": positive, "negative": len(there) - positive}

    def rows(self) -> Iterator[patient_groups.Row]:
        """Yields the row of records.csv of each study taken."""
        for key, study in self.taken.items():
            yield patient_groups.Row(
                id=self.selection.studies[key],
                patient=self.selection.patients[study.patient_id],
                split=self.parts[key],
                age=study.subject.age,
                sex=study.subject.sex,
                scanner=study.scanner,
                flags=study.flags,
            )

    def synthetic(self) -> list[bool]:
        """Returns of each study taken whether the header of its series calls it synthetic."""
        return [study.subject.synthetic for study in self.taken.values()]

    def tallies(self) -> dict[str, dict[str, int]]:
        """Returns how often each outcome, flag and refusal occurs."""
        words = {1: "positive", 0: "negative"}
        return {
            "outcomes": manifests.tally(words[study.outcome] for study in self.taken.values()),
            "flags": manifests.tally(flag for study in self.taken.values() for flag in study.flags),
            "refused": manifests.tally(refusal.kind for refusal in self.refused.values()),
        }


def read(
    selection: Selection,
    damage: Mapping[str, unreadable.Damage],
    options: studies.Options,
    workers: int,
    spool: shards.Spool | None = None,
) -> Dataset:
    """Reads every selected study; records go to the spool, so that memory stays flat.

    Args:
      selection: which studies.
      damage: what of them cannot be read.
      options: how to prepare them.
      workers: threads.
      spool: where records are set aside; None drops them.
    """
    taken: dict[str, studies.Prepared] = {}
    places: dict[str, int] = {}
    refused = dict(selection.refused)
    orders = [
        studies.Order(
            key,
            wanted,
            selection.studies[key],
            selection.patients[wanted.row.patient_id],
            damage.get(key, unreadable.Damage()),
        )
        for key, wanted in selection.wanted.items()
    ]
    results = studies.prepare_all(orders, options, workers)
    for key, result in tqdm.tqdm(results, "reading studies", len(orders), unit="study", disable=not orders):
        if isinstance(result, studies.RefusedStudyError):
            refused[key] = Refusal("study", str(result))
            continue
        if spool:
            places[key] = spool.add(result.serialized)
        taken[key] = dataclasses.replace(result, serialized=b"")
    return Dataset(selection, taken, places, refused)


def with_split(dataset: Dataset, rule: split.Rule) -> Dataset:
    """Returns the data set split by the rule; studies that a split file does not name are refused.

    A patient is positive when any study is.

    Raises:
      split.SplitError: the counts do not fit the patients.
      split.LeakError: a patient or a picture would be in two splits.
    """
    owners = dataset.owners
    positive = {study.patient_id for study in dataset.taken.values() if study.outcome == 1}
    parts = split.assign(owners, rule, positive, "study")
    taken = {key: study for key, study in dataset.taken.items() if key in parts}
    left_out = {key: Refusal("split", "--split_file does not name it.") for key in owners if key not in parts}
    selection = dataset.selection
    split.check_leaks(
        (
            (selection.studies[key], selection.patients[study.patient_id], parts[key], study.digest)
            for key, study in taken.items()
        ),
        "study",
    )
    return dataclasses.replace(dataset, taken=taken, refused={**dataset.refused, **left_out}, parts=parts)


def write(folder: pathlib.Path, dataset: Dataset, spool: shards.Spool, seed: int, per_shard: int) -> manifests.Written:
    """Writes records.csv and the shards of every split; studies are shuffled, so that each shard mixes patients.

    Args:
      folder: where they go.
      dataset: one with a split.
      spool: the records.
      seed: of the order.
      per_shard: studies in a shard at most.
    """

    def record(key: str) -> bytes:
        return spool.get(dataset.places[key])

    written: list[shards.Shard] = []
    for part in split.SPLITS:
        written += shards.write(folder, part, shards.shuffled(dataset.keys(part), seed), record, per_shard)
    return manifests.write(folder, written, dataset.rows())


def manifest(
    dataset: Dataset,
    table: outcomes.Table,
    rule: split.Rule,
    written: manifests.Written,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns what dataset.json holds: enough to train on and to tell whether two data sets are the same.

    Args:
      dataset: one with a split.
      table: the outcomes.
      rule: the split.
      written: the files.
      options: `choice`, `doubtful` and whatever else the data set was made with.
    """
    top = ("choice", "doubtful")
    return {
        **manifests.common({part: dataset.counts(part) for part in split.SPLITS}, rule, written, dataset.synthetic()),
        "record_version": study_records.VERSION,
        "task": "deformity",
        **{name: options[name] for name in top},
        "clinical": list(table.clinical_columns),
        "raters": outcomes.agreement(table.rows),
        **dataset.tallies(),
        "studies_without_outcome": [dataset.selection.studies[key] for key in dataset.selection.without_outcome],
        "options": {name: value for name, value in options.items() if name not in top},
    }


def write_series(path: pathlib.Path, dataset: Dataset) -> None:
    """Writes series.csv: the candidates of every study in their order, with what speaks for and against each."""
    atomic.write_csv(path, _series_rows(dataset), SERIES_FIELDS)


def _series_rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    for key, wanted in dataset.selection.wanted.items():
        if not isinstance(wanted.source, Study):
            continue
        wished = dataset.taken[key].series_uid if key in dataset.taken else None
        for candidate in series.rank(wanted.source):
            taken = candidate.stack.series.uid == wished
            # A series may hold several stacks; the best of them is the one that was read.
            wished = None if taken else wished
            yield {
                "pseudonym": dataset.selection.studies[key],
                "series_number": candidate.stack.series.number,
                "images": len(candidate.stack.frames),
                "accepted": int(candidate.accepted),
                "score": f"{candidate.score:g}",
                "taken": int(taken),
                "reasons": studies.reasons(candidate, wanted.source),
            }

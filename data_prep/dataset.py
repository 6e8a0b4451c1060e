"""A data set of films in the making: read, given patients and splits, written as shards with a manifest."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tqdm

from data_prep import films, identities, shards, split
from data_prep import manifest as manifests
from data_prep.refusals import Refusal
from data_prep.selection import Selection
from raspine import landmarks, patient_groups, pseudonyms, records
from raspine.dicom import subject


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The films that go into shards, and those that do not.

    Attributes:
      selection: the labels and images that it was made from.
      taken: films without their pictures, in the order of their names.
      places: number of each film's picture in the spool.
      refused: by image, or `row-N` for a row of the labels.
      owners: patient of each film taken.
      patients: pseudonym of each patient.
      parts: split of each film taken; empty before `with_split`.
    """

    selection: Selection
    taken: Mapping[str, films.Prepared]
    places: Mapping[str, int]
    refused: Mapping[str, Refusal]
    owners: Mapping[str, str] = dataclasses.field(default_factory=dict)
    patients: Mapping[str, str] = dataclasses.field(default_factory=dict)
    parts: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def without(self, reasons: Mapping[str, str], kind: str) -> "Dataset":
        """Returns the data set with films moved from taken to refused."""
        taken = {image: film for image, film in self.taken.items() if image not in reasons}
        refused = {image: Refusal(kind, reason) for image, reason in reasons.items()}
        return dataclasses.replace(self, taken=taken, refused={**self.refused, **refused})

    def images(self, part: str) -> list[str]:
        """Returns the films of one split."""
        return [image for image in self.taken if self.parts.get(image) == part]

    def counts(self, part: str) -> dict[str, int]:
        """Returns how many films and patients one split has."""
        images = self.images(part)
        return {"films": len(images), "patients": len({self.owners[image] for image in images})}

    def rows(self) -> Iterator[patient_groups.Row]:
        """Yields the row of records.csv of each film taken."""
        for image, film in self.taken.items():
            yield patient_groups.Row(
                id=self.selection.films[image],
                patient=self.patients[self.owners[image]],
                split=self.parts[image],
                position=film.position,
                age=film.subject.age,
                sex=film.subject.sex,
                scanner=subject.scanner(film.subject.maker),
                spacing_source=film.spacing_source,
                flags=film.flags,
            )

    def synthetic(self) -> list[bool]:
        """Returns of each film taken whether its header calls it synthetic."""
        return [film.subject.synthetic for film in self.taken.values()]

    def patient_sources(self) -> Iterator[str]:
        """Yields where each film's patient comes from."""
        for image, film in self.taken.items():
            if self.selection.labels[image].patient_id:
                yield "labels"
            else:
                yield "DICOM PatientID" if film.identity.patient_id else "each image its own patient"

    def tallies(self) -> dict[str, dict[str, int]]:
        """Returns how often each spacing source, flag, position, patient source and refusal occurs."""
        taken = self.taken.values()
        return {
            "spacing_sources": manifests.tally(film.spacing_source for film in taken),
            "flags": manifests.tally(flag for film in taken for flag in film.flags),
            "positions": manifests.tally(film.position or "not given" for film in taken),
            "patients_from": manifests.tally(self.patient_sources()),
            "refused": manifests.tally(refusal.kind for refusal in self.refused.values()),
        }


def read(selection: Selection, options: films.Options, workers: int, spool: shards.Spool | None = None) -> Dataset:
    """Reads every selected film; pictures go to the spool, so that memory stays flat.

    Args:
      selection: which films.
      options: how to prepare them.
      workers: threads.
      spool: where pictures are set aside; None drops them.
    """
    taken: dict[str, films.Prepared] = {}
    places: dict[str, int] = {}
    refused = dict(selection.refused)
    work = [(selection.found[image], label) for image, label in selection.labels.items()]
    results = films.prepare_all(work, options, workers)
    for image, result in tqdm.tqdm(results, "reading films", len(work), unit="film", disable=not work):
        if isinstance(result, films.RefusedFilmError):
            refused[image] = Refusal("film", str(result))
            continue
        if spool:
            places[image] = spool.add(result.png)
        taken[image] = dataclasses.replace(result, png=b"")
    return Dataset(selection, taken, places, refused)


def with_patients(dataset: Dataset, check: bool = True) -> Dataset:
    """Returns the data set with each film's patient: by the labels, else the header, else the image itself.

    Args:
      dataset: films as read.
      check: refuse films whose header contradicts the labels or shows two people under one ID.
    """
    label = dataset.selection.labels
    owners = {
        image: label[image].patient_id or film.identity.patient_id or image for image, film in dataset.taken.items()
    }
    named = {value.patient_id for value in label.values()} - {""}
    patients = pseudonyms.assign([*named, *owners.values()], "P", 4)
    dataset = dataclasses.replace(dataset, owners=owners, patients=patients)
    if not check:
        return dataset
    people = {image: (owners[image], film.identity) for image, film in dataset.taken.items()}
    return dataset.without(identities.conflicts(people), "patient")


def with_split(dataset: Dataset, rule: split.Rule) -> Dataset:
    """Returns the data set split by the rule; films that a split file does not name are refused.

    Raises:
      split.SplitError: the counts do not fit the patients.
      split.LeakError: a patient or a picture would be in two splits.
    """
    owners = {image: dataset.owners[image] for image in dataset.taken}
    parts = split.assign(owners, rule)
    left_out = sorted(owners.keys() - parts.keys())
    dataset = dataset.without(dict.fromkeys(left_out, "--split_file does not name it."), "split")
    split.check_leaks(
        (dataset.selection.films[image], dataset.patients[owners[image]], parts[image], film.digest)
        for image, film in dataset.taken.items()
    )
    return dataclasses.replace(dataset, parts=parts)


def write(
    folder: pathlib.Path,
    dataset: Dataset,
    schema: landmarks.Schema,
    spool: shards.Spool,
    seed: int,
    per_shard: int,
) -> manifests.Written:
    """Writes records.csv and the shards of every split; films are shuffled, so that each shard mixes patients.

    Args:
      folder: where they go.
      dataset: one with a split.
      schema: the landmarks.
      spool: the pictures.
      seed: of the order.
      per_shard: films in a shard at most.
    """

    def build(image: str) -> bytes:
        film, patient = dataset.selection.films[image], dataset.patients[dataset.owners[image]]
        picture = spool.get(dataset.places[image])
        return records.build(dataset.taken[image].record(film, patient, schema.name, picture))

    written: list[shards.Shard] = []
    for part in split.SPLITS:
        written += shards.write(folder, part, shards.shuffled(dataset.images(part), seed), build, per_shard)
    return manifests.write(folder, written, dataset.rows())


def manifest(
    dataset: Dataset,
    schema: landmarks.Schema,
    rule: split.Rule,
    written: manifests.Written,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns what dataset.json holds: enough to train on and to tell whether two data sets are the same."""
    return {
        **manifests.common({part: dataset.counts(part) for part in split.SPLITS}, rule, written, dataset.synthetic()),
        "record_version": records.VERSION,
        "task": "subluxation" if schema.distances else "landmarks",
        "schema": schema.to_dict(),
        "landmarks": {part: _landmarks(dataset, part, schema) for part in split.SPLITS},
        **dataset.tallies(),
        "images_without_labels": [dataset.selection.films[image] for image in dataset.selection.without_labels],
        "options": dict(options),
    }


def _landmarks(dataset: Dataset, part: str, schema: landmarks.Schema) -> dict[str, Any]:
    """Returns how often each landmark is visible and its mean place, as a fraction of width and height."""
    taken = [dataset.taken[image] for image in dataset.images(part)]
    if not taken:
        return {}
    places = np.stack([(film.landmarks + 0.5) / np.array(film.native_size[::-1]) for film in taken])
    result: dict[str, Any] = {}
    for index, name in enumerate(schema.landmarks):
        given = places[np.isfinite(places[:, index]).all(-1), index]
        mean = [round(float(value), 6) for value in given.mean(0)] if len(given) else None
        result[name] = {"visible": len(given), "mean_xy_fraction": mean}
    return result

"""Who is trained on and who is tested: splits by patient, and the check that no patient is in two."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from data_prep import labels, spreadsheet

SPLITS = ("train", "validation", "test")


class SplitError(ValueError):
    """The split that was asked for is not possible."""


class LeakError(ValueError):
    """A patient or a picture would be in two splits."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """How patients are split; exactly one of counts, fractions and table is given.

    Attributes:
      counts: patients in train, validation, test.
      fractions: the same as parts of 1.
      table: split by patient or by image, from a file.
      table_key: `patient` or `image`.
      seed: of the shuffle; a table needs none.
    """

    counts: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()
    table: Mapping[str, str] | None = None
    table_key: str = "patient"
    seed: int = 0

    def __post_init__(self) -> None:
        if bool(self.counts) + bool(self.fractions) + (self.table is not None) != 1:
            raise SplitError("give exactly one of --split_counts, --split_fractions and --split_file.")
        if self.counts and (len(self.counts) != 3 or min(self.counts) < 0 or not sum(self.counts)):
            raise SplitError(f"--split_counts is three counts: train,validation,test. Received: {self.counts}.")
        if self.fractions:
            self._check_fractions()

    def _check_fractions(self) -> None:
        if len(self.fractions) != 3 or not min(self.fractions) >= 0 or abs(sum(self.fractions) - 1) > 1e-6:
            received = ", ".join(f"{fraction:g}" for fraction in self.fractions)
            raise SplitError(f"--split_fractions is three parts that sum to 1. Received: {received}.")

    def describe(self) -> dict[str, object]:
        """Returns the rule as JSON values, without the table's names."""
        if self.table is not None:
            return {"rule": "file", "by": self.table_key}
        values = {"counts": list(self.counts)} if self.counts else {"fractions": list(self.fractions)}
        return {"rule": next(iter(values)), **values, "by": "patient", "seed": self.seed}


def parse(counts: Sequence[str], fractions: Sequence[str], file: str | None, seed: int) -> Rule:
    """Returns the rule that the split flags ask for.

    Raises:
      SplitError: the flags do not fit together, or the file cannot be used.
      LeakError: the file puts a patient or image into two splits.
    """
    try:
        numbers, parts = tuple(map(int, counts)), tuple(map(float, fractions))
    except ValueError as error:
        raise SplitError(f"--split_counts and --split_fractions are numbers: {error}.") from error
    key, table = read_table(file) if file else ("patient", None)
    return Rule(numbers, parts, table, key, seed)


def read_table(path: str | os.PathLike[str]) -> tuple[str, dict[str, str]]:
    """Returns (`patient` or `image`, split by name) from a CSV file with such a column and a column split.

    Raises:
      SplitError: the file cannot be read or does not have these columns.
      LeakError: a name is in two splits.
    """
    try:
        (_, header), *rows = spreadsheet.read(path)
    except spreadsheet.SpreadsheetError as error:
        raise SplitError(f"the file of --split_file {error}.") from error
    except ValueError:
        header, rows = [], []
    column = next((name for name in ("patient", "patient_id", "image") if name in header), None)
    if column is None or "split" not in header or not rows:
        raise SplitError("the file of --split_file needs the columns 'patient' or 'image', and 'split', and rows.")
    key = "image" if column == "image" else "patient"
    return key, _table(rows, header.index(column), header.index("split"), key)


def _table(rows: Iterable[tuple[int, Sequence[str]]], name_at: int, split_at: int, key: str) -> dict[str, str]:
    table: dict[str, str] = {}
    for number, cells in rows:
        if len(cells) <= max(name_at, split_at):
            raise SplitError(f"split file row {number}: only {len(cells)} cells.")
        part = cells[split_at].lower()
        if part not in SPLITS:
            raise SplitError(f"split file row {number}: split is {', '.join(SPLITS)}. Received: '{part[:20]}'.")
        name = _image(cells[name_at], number) if key == "image" else cells[name_at]
        if table.setdefault(name, part) != part:
            raise LeakError(f"split file row {number}: this {key} is in '{table[name]}' and '{part}'.")
    return table


def _image(text: str, number: int) -> str:
    try:
        return labels.image_name(text)
    except labels.RowError as error:
        raise SplitError(f"split file row {number}: {error}") from error


def by_patient(patients: Iterable[str], rule: Rule) -> dict[str, str]:
    """Returns the split of each patient, by counts or fractions.

    The sorted patients are shuffled with `numpy.random.default_rng(seed).permutation`; the first go to train,
    the next to validation, the last to test.

    Raises:
      SplitError: the counts do not sum to the number of patients.
    """
    names = sorted(set(patients))
    counts = rule.counts or _counts(len(names), rule.fractions)
    if sum(counts) != len(names):
        received = " + ".join(map(str, counts))
        raise SplitError(
            f"--split_counts {received} = {sum(counts)}, but {len(names)} patients have usable films: "
            f"make the counts sum to {len(names)}, or use --split_fractions."
        )
    order = np.random.default_rng(rule.seed).permutation(names)
    parts = np.repeat(SPLITS, counts)
    return {str(name): str(part) for name, part in zip(order, parts, strict=True)}


def by_table(films: Mapping[str, str], rule: Rule) -> dict[str, str]:
    """Returns the split of each image that the rule's table names, directly or through its patient.

    Args:
      films: the patient of each image.
      rule: one with a table.
    """
    table = rule.table or {}
    keys = {image: image if rule.table_key == "image" else patient for image, patient in films.items()}
    return {image: table[key] for image, key in keys.items() if key in table}


def unmatched(films: Mapping[str, str], rule: Rule) -> int:
    """Returns how many names of the rule's table belong to none of the films, the patient of each image."""
    known = films.keys() if rule.table_key == "image" else set(films.values())
    return len((rule.table or {}).keys() - known)


def check_leaks(films: Iterable[tuple[str, str, str, str]]) -> None:
    """Checks that no patient is in two splits and no picture under two patients.

    Args:
      films: (pseudonym of the film, pseudonym of the patient, split, hash of the pixels) of each film.

    Raises:
      LeakError: one is.
    """
    splits: dict[str, str] = {}
    pictures: dict[str, tuple[str, str]] = {}
    for film, patient, part, digest in films:
        if splits.setdefault(patient, part) != part:
            raise LeakError(f"leak: patient {patient} is in '{splits[patient]}' and in '{part}' (film {film}).")
        twin, owner = pictures.setdefault(digest, (film, patient))
        if owner != patient:
            raise LeakError(
                f"leak: films {twin} and {film} are the same picture under two patients, {owner} and "
                f"{patient}: remove one, or give both the same patient_id."
            )


def _counts(total: int, fractions: Sequence[float]) -> tuple[int, ...]:
    edges = np.floor(np.cumsum(fractions) * total + 0.5 + 1e-9).astype(int)
    edges[-1] = total
    return tuple(int(count) for count in np.diff(edges, prepend=0))

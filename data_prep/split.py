"""Who is trained on and who is tested: splits by patient, and the check that no patient is in two."""

import dataclasses
import os
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from data_prep import labels
from raspine import spreadsheet

SPLITS = ("train", "validation", "test")
PLURALS = {"film": "films", "study": "studies"}

# How a file of --split_file may name what is split; a study has no path of its own.
_COLUMNS = {"image": ("image",), "study": ("study", "study_uid")}


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
      table: split by patient, image or study, from a file.
      table_key: `patient`, `image` or `study`.
      seed: of the shuffle; a table needs none.
      stratify: give every split the same share of positive patients.
    """

    counts: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()
    table: Mapping[str, str] | None = None
    table_key: str = "patient"
    seed: int = 0
    stratify: bool = False

    def __post_init__(self) -> None:
        if bool(self.counts) + bool(self.fractions) + (self.table is not None) != 1:
            raise SplitError("give exactly one of --split_counts, --split_fractions and --split_file.")
        if self.counts and (len(self.counts) != 3 or min(self.counts) < 0 or not sum(self.counts)):
            raise SplitError(f"--split_counts is three counts: train,validation,test. Received: {self.counts}.")
        if self.fractions:
            self._check_fractions()
        if self.stratify and self.table is not None:
            raise SplitError(
                "--stratify goes with --split_counts or --split_fractions: --split_file is taken as it is."
            )

    def _check_fractions(self) -> None:
        if len(self.fractions) != 3 or not min(self.fractions) >= 0 or abs(sum(self.fractions) - 1) > 1e-6:
            received = ", ".join(f"{fraction:g}" for fraction in self.fractions)
            raise SplitError(f"--split_fractions is three parts that sum to 1. Received: {received}.")

    def describe(self) -> dict[str, object]:
        """Returns the rule as JSON values, without the table's names."""
        if self.table is not None:
            return {"rule": "file", "by": self.table_key}
        values = {"counts": list(self.counts)} if self.counts else {"fractions": list(self.fractions)}
        stratified = {"stratified": True} if self.stratify else {}
        return {"rule": next(iter(values)), **values, "by": "patient", "seed": self.seed, **stratified}


def parse(
    counts: Sequence[str],
    fractions: Sequence[str],
    file: str | None,
    seed: int,
    stratify: bool = False,
    item: str = "image",
) -> Rule:
    """Returns the rule that the split flags ask for.

    Args:
      counts: value of --split_counts.
      fractions: value of --split_fractions.
      file: value of --split_file.
      seed: of the shuffle.
      stratify: give every split the same share of positive patients.
      item: what the file may name beside patients, `image` or `study`.

    Raises:
      SplitError: the flags do not fit together, or the file cannot be used.
      LeakError: the file puts a patient or image into two splits.
    """
    try:
        numbers, parts = tuple(map(int, counts)), tuple(map(float, fractions))
    except ValueError as error:
        raise SplitError(f"--split_counts and --split_fractions are numbers: {error}.") from error
    key, table = read_table(file, item) if file else ("patient", None)
    return Rule(numbers, parts, table, key, seed, stratify)


def read_table(path: str | os.PathLike[str], item: str = "image") -> tuple[str, dict[str, str]]:
    """Returns (`patient` or the item, split by name) from a CSV file with such a column and a column split.

    Args:
      path: the file.
      item: `image` or `study`.

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
    column = next((name for name in ("patient", "patient_id", *_COLUMNS[item]) if name in header), None)
    if column is None or "split" not in header or not rows:
        raise SplitError(f"the file of --split_file needs the columns 'patient' or '{item}', and 'split', and rows.")
    key = item if column in _COLUMNS[item] else "patient"
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


def assign(owners: Mapping[str, str], rule: Rule, positive: Collection[str] = (), noun: str = "film") -> dict[str, str]:
    """Returns the split of each film or study; those that a split file does not name have none.

    Args:
      owners: the patient of each.
      rule: how to split.
      positive: the patients with a positive outcome, for a stratified rule.
      noun: `film` or `study`, for messages.

    Raises:
      SplitError: the counts do not fit the patients.
    """
    if rule.table is not None:
        return by_table(owners, rule)
    of_patient = by_patient(owners.values(), rule, positive, noun)
    return {name: of_patient[patient] for name, patient in owners.items()}


def by_patient(
    patients: Iterable[str], rule: Rule, positive: Collection[str] = (), noun: str = "film"
) -> dict[str, str]:
    """Returns the split of each patient, by counts or fractions.

    The sorted patients are shuffled with `numpy.random.default_rng(seed).permutation`; the first go to train,
    the next to validation, the last to test. A stratified rule does so with the negative patients and then with
    the positive ones, of which each split gets its share, rounded so that it is off by less than one patient.

    Args:
      patients: one named twice counts once.
      rule: one with counts or fractions.
      positive: the patients with a positive outcome, for a stratified rule.
      noun: `film` or `study`, for messages.

    Raises:
      SplitError: the counts do not sum to the number of patients.
    """
    names = sorted(set(patients))
    counts = rule.counts or _counts(len(names), rule.fractions)
    if sum(counts) != len(names):
        received = " + ".join(map(str, counts))
        raise SplitError(
            f"--split_counts {received} = {sum(counts)}, but {len(names)} patients have usable {PLURALS[noun]}: "
            f"make the counts sum to {len(names)}, or use --split_fractions."
        )
    random = np.random.default_rng(rule.seed)
    if not rule.stratify:
        return _dealt(names, counts, random)
    ill = [name for name in names if name in positive]
    shares = _shares(len(ill), counts)
    rest = [count - share for count, share in zip(counts, shares, strict=True)]
    return _dealt([name for name in names if name not in positive], rest, random) | _dealt(ill, shares, random)


def by_table(owners: Mapping[str, str], rule: Rule) -> dict[str, str]:
    """Returns the split of each image or study that the rule's table names, directly or through its patient.

    Args:
      owners: the patient of each image or study.
      rule: one with a table.
    """
    table = rule.table or {}
    keys = {name: patient if rule.table_key == "patient" else name for name, patient in owners.items()}
    return {name: table[key] for name, key in keys.items() if key in table}


def unmatched(owners: Mapping[str, str], rule: Rule) -> int:
    """Returns how many names of the rule's table belong to nothing, given the patient of each image or study."""
    known = set(owners.values()) if rule.table_key == "patient" else owners.keys()
    return len((rule.table or {}).keys() - known)


def check_leaks(items: Iterable[tuple[str, str, str, str]], noun: str = "film") -> None:
    """Checks that no patient is in two splits and no picture under two patients.

    Args:
      items: (pseudonym of the film or study, pseudonym of the patient, split, hash of the pixels) of each.
      noun: `film` or `study`, for messages.

    Raises:
      LeakError: one is.
    """
    splits: dict[str, str] = {}
    pictures: dict[str, tuple[str, str]] = {}
    for item, patient, part, digest in items:
        if splits.setdefault(patient, part) != part:
            raise LeakError(f"leak: patient {patient} is in '{splits[patient]}' and in '{part}' ({noun} {item}).")
        twin, owner = pictures.setdefault(digest, (item, patient))
        if owner != patient:
            raise LeakError(
                f"leak: {PLURALS[noun]} {twin} and {item} are the same picture under two patients, {owner} and "
                f"{patient}: remove one, or give both the same patient_id."
            )


def _dealt(names: Sequence[str], counts: Sequence[int], random: np.random.Generator) -> dict[str, str]:
    parts = np.repeat(SPLITS, counts)
    order = random.permutation(names) if names else ()
    return {str(name): str(part) for name, part in zip(order, parts, strict=True)}


def _shares(positive: int, counts: Sequence[int]) -> tuple[int, ...]:
    """Returns how many of the positive patients each split gets, by largest remainder; ties go to the earlier split."""
    total = sum(counts)
    exact = [positive * count for count in counts]
    shares = [value // total for value in exact]
    remainders = [value % total for value in exact]
    for index in sorted(range(len(counts)), key=lambda place: -remainders[place])[: positive - sum(shares)]:
        shares[index] += 1
    return tuple(shares)


def _counts(total: int, fractions: Sequence[float]) -> tuple[int, ...]:
    edges = np.floor(np.cumsum(fractions) * total + 0.5 + 1e-9).astype(int)
    edges[-1] = total
    return tuple(int(count) for count in np.diff(edges, prepend=0))

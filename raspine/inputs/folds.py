"""Repeated stratified group cross-validation: which patients train, choose and test in each fold.

A patient is whole: all records of one are in the same part. Within the patients that do not test, some are held back to
choose the epoch and the threshold on, so that nothing is ever chosen on a patient who tests.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

PARTS = ("train", "validation", "test")
Patients = tuple[str, ...]


class FoldError(ValueError):
    """The patients cannot be dealt as wanted; the message says what would do."""


class LeakError(ValueError):
    """A patient is in two parts of a fold."""


@dataclasses.dataclass(frozen=True)
class Fold:
    """The patients of one training, by part; a patient in two of them raises LeakError.

    Attributes:
      repeat: from 0.
      number: of the fold within the repeat, from 0.
      train: the network learns from them.
      validation: epoch and threshold are chosen on them.
      test: the network is judged on them.
      share: of the fold's training patients that learn, above 0 and up to 1; below 1 for a learning curve.
    """

    repeat: int
    number: int
    train: Patients
    validation: Patients
    test: Patients
    share: float = 1.0

    def __post_init__(self) -> None:
        if twice := leaked(self.parts):
            raise LeakError(f"{self.name}: patient {twice[0]} is in two parts; {len(twice)} patients are.")

    @property
    def name(self) -> str:
        """A word for folders and tables, such as `repeat1_fold3`, numbers from 1."""
        start = f"repeat{self.repeat + 1}_fold{self.number + 1}"
        return start if self.share == 1 else f"{start}_share{self.share:g}"

    @property
    def parts(self) -> dict[str, Patients]:
        """The patients by part."""
        return {part: getattr(self, part) for part in PARTS}

    def part_of(self) -> dict[str, str]:
        """Returns the part of each patient."""
        return {patient: part for part, patients in self.parts.items() for patient in patients}


def leaked(parts: Mapping[str, Collection[str]]) -> list[str]:
    """Returns the patients that are in more than one part, sorted."""
    seen: set[str] = set()
    twice: set[str] = set()
    for patients in parts.values():
        twice |= seen & set(patients)
        seen |= set(patients)
    return sorted(twice)


def deal(
    records: Mapping[str, Sequence[bool]], folds: int, repeats: int, inner: float, seed: int, stratify: bool = True
) -> list[Fold]:
    """Returns every fold of every repeat; a patient tests once a repeat.

    The outer parts are scikit-learn's StratifiedGroupKFold over records, or GroupKFold; a repeat is the same however
    many there are.

    Args:
      records: whether each record of a patient is positive, by patient.
      folds: outer ones of each repeat.
      repeats: how often.
      inner: share of the patients who do not test that is held back for validation, between 0 and 1.
      seed: of all drawing.
      stratify: whether the parts get equal shares of positive records and patients.

    Raises:
      FoldError: there are too few patients.
    """
    positive = [patient for patient, codes in records.items() if any(codes)] if stratify else []
    _check_size(records, positive, folds, stratify)
    result = []
    for repeat in range(repeats):
        for number, test in enumerate(_outer(records, folds, seed + repeat, stratify)):
            rest = sorted(set(records) - set(test))
            random = np.random.default_rng((seed, repeat, number))
            validation = held_back(rest, positive, inner, random)
            train = tuple(patient for patient in rest if patient not in set(validation))
            result.append(Fold(repeat, number, train, validation, test))
    for fold in result:
        _check_parts(fold, records, positive if stratify else None)
    return result


def thinned(fold: Fold, share: float, positive: Collection[str], seed: int) -> Fold:
    """Returns the fold with a share of its training patients; a smaller share is part of a larger one.

    Args:
      fold: a whole one.
      share: above 0 and below 1, of the positive and of the other patients alike; at least one of each is left.
      positive: patients, for stratification; may be empty.
      seed: of the drawing.
    """
    random = np.random.default_rng((seed, fold.repeat, fold.number, 1))
    kept: list[str] = []
    for group in _classes(fold.train, positive):
        kept += list(random.permutation(group)[: max(1, round(share * len(group)))])
    return dataclasses.replace(fold, train=tuple(sorted(map(str, kept))), share=share)


def held_back(
    patients: Collection[str], positive: Collection[str], share: float, random: np.random.Generator
) -> Patients:
    """Returns a share of the positive and of the other patients; of two or more at least one goes and one stays.

    Args:
      patients: to choose from.
      positive: the positive ones among them, for stratification; may be empty.
      share: between 0 and 1.
      random: draws them.
    """
    taken: list[str] = []
    for group in _classes(patients, positive):
        count = min(max(1, round(share * len(group))), len(group) - 1)
        taken += list(random.permutation(group)[:count])
    return tuple(sorted(map(str, taken)))


def _classes(patients: Collection[str], positive: Collection[str]) -> Iterator[list[str]]:
    """Yields the positive and the other patients, each sorted; an empty class is left out."""
    for wanted in (True, False):
        if group := sorted(patient for patient in patients if (patient in set(positive)) is wanted):
            yield group


def _outer(records: Mapping[str, Sequence[bool]], folds: int, seed: int, stratify: bool) -> Iterator[Patients]:
    owners = np.array([patient for patient in sorted(records) for _ in records[patient]])
    codes = np.array([code for patient in sorted(records) for code in records[patient]], int)
    splitter = (StratifiedGroupKFold if stratify else GroupKFold)(folds, shuffle=True, random_state=seed)
    for _, test in splitter.split(codes, codes, owners):
        yield tuple(sorted(set(owners[test].tolist())))


def _check_size(records: Mapping[str, Sequence[bool]], positive: Collection[str], folds: int, stratify: bool) -> None:
    if len(records) < max(folds, 3):
        raise FoldError(f"{folds} folds need {max(folds, 3)} patients. Received: {len(records)}; ask for fewer folds.")
    for word, count in (("positive", len(positive)), ("negative", len(records) - len(positive))):
        if stratify and count < max(folds, 3):
            raise FoldError(
                f"{folds} folds need {max(folds, 3)} {word} patients, one for each test part and two for training and "
                f"validation. Received: {count} of {len(records)} patients; "
                + (f"ask for {count} folds or fewer." if count >= 3 else "nothing can be cross-validated on so few.")
            )


def _check_parts(fold: Fold, records: Mapping[str, Sequence[bool]], positive: Collection[str] | None) -> None:
    for part, patients in fold.parts.items():
        if not patients:
            raise FoldError(f"{fold.name} has no {part} patient: ask for fewer folds.")
        codes = {code for patient in patients for code in records[patient]}
        if positive is not None and len(codes) < 2:
            raise FoldError(
                f"the {part} part of {fold.name} has only {'positive' if True in codes else 'negative'} records: ask "
                "for fewer folds, another --fold_seed, or a larger share for validation."
            )

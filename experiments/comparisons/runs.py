"""The runs of a comparison: read, matched by film or study, and checked to be on the same test set."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from raspine import program
from raspine.report import gather, wording

_TOLERANCE_MM = 1e-3  # the tables are rounded
Key = tuple[str, str]


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluated:
    """One run's answers.

    Attributes:
      name: for people.
      kind: `films` or `studies`.
      rows: by (film, landmark or distance), or (study, empty).
      data_hash: of the data set, empty where the summary does not say.
      split: of the data set.
    """

    name: str
    kind: str
    rows: Mapping[Key, gather.Row]
    data_hash: str
    split: str

    @property
    def cases(self) -> set[str]:
        """Pseudonyms of the films or studies."""
        return {case for case, _ in self.rows}


def read(folders: Sequence[str], names: Sequence[str]) -> list[Evaluated]:
    """Returns the runs in some folders.

    Args:
      folders: of experiments.evaluate, or result folders that hold its files.
      names: one for each folder, or none for the folders' own.

    Raises:
      UsageError: a folder holds no evaluation, names are not one a folder, or two are alike.
    """
    if names and len(names) != len(folders):
        raise program.UsageError(f"--names gives one for each of --runs. Received: {len(names)} for {len(folders)}.")
    given = list(names) or own_names(folders)
    if len(set(given)) < len(given):
        raise program.UsageError(f"the runs need different names: give --names. Received: {', '.join(given)}.")
    return [_read(pathlib.Path(folder), name) for folder, name in zip(folders, given, strict=True)]


def own_names(folders: Sequence[str]) -> list[str]:
    """Returns the shortest different endings of some folders' paths."""
    parts = [pathlib.Path(folder).resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]).replace("//", "/") for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def check(runs: Sequence[Evaluated], common: bool) -> list[str]:
    """Returns the films or studies that all runs have, and checks that these are the same test set.

    Args:
      runs: at least two.
      common: whether runs on different sets are compared on what they share.

    Raises:
      UsageError: the runs are of different tasks or test sets, share nothing, or disagree about the truth.
    """
    kinds = {run.kind for run in runs}
    if len(kinds) > 1:
        raise program.UsageError("--runs are of one task: films cannot be compared with studies.")
    shared = sorted(set.intersection(*(run.cases for run in runs)))
    if not shared:
        raise program.UsageError(f"the runs have no {runs[0].kind} in common: evaluate them on the same data.")
    if not common:
        _check_same_set(runs)
    _check_truth(runs, set(shared))
    return shared


def _check_same_set(runs: Sequence[Evaluated]) -> None:
    first, advice = runs[0], "evaluate them again on the same data, or give --common to compare what they share"
    for run in runs[1:]:
        if (run.data_hash, run.split) != (first.data_hash, first.split):
            raise program.UsageError(f"'{first.name}' and '{run.name}' were evaluated on different data: {advice}.")
        if run.cases != first.cases:
            apart = len(run.cases ^ first.cases)
            raise program.UsageError(
                f"{apart} {run.kind} are in only one of '{first.name}' and '{run.name}': {advice}."
            )


def _check_truth(runs: Sequence[Evaluated], shared: set[str]) -> None:
    """Refuses runs whose true distances or outcomes differ, say by annotator or threshold."""
    first = runs[0]
    for run in runs[1:]:
        for key, row in run.rows.items():
            other = first.rows.get(key)
            if key[0] in shared and other is not None and not _same_truth(row, other):
                raise program.UsageError(
                    f"'{first.name}' and '{run.name}' disagree about the truth of {' '.join(key).strip()}: evaluate "
                    "both with the same annotator, thresholds and outcomes."
                )


def _same_truth(one: gather.Row, other: gather.Row) -> bool:
    texts = ("true_verdict", "outcome")
    numbers = [
        [wording.as_number(row.get(name) or None) for name in ("true_mm", "true_x", "true_y")] for row in (one, other)
    ]
    return all(one.get(name, "") == other.get(name, "") for name in texts) and all(
        (a != a and b != b) or abs(a - b) <= _TOLERANCE_MM for a, b in zip(*numbers, strict=True)
    )


def _read(folder: pathlib.Path, name: str) -> Evaluated:
    try:
        found = gather.read(gather.locate(folder))
    except gather.NotFound as error:
        raise program.UsageError(f"--runs: {str(error).removeprefix('--run: ')}") from error
    if not (found.films or found.studies):
        raise program.UsageError(
            f"--runs: '{folder}' holds no films.csv or studies.csv: run experiments.evaluate first."
        )
    kind = "films" if found.films else "studies"
    rows = _by_key(found.films, "image", "landmark") if found.films else _by_key(found.studies, "study", "")
    summary = found.summary
    return Evaluated(name, kind, rows, str(summary.get("data_hash") or ""), str(summary.get("split") or ""))


def _by_key(rows: Iterable[gather.Row], case: str, part: str) -> dict[Key, gather.Row]:
    return {(row.get(case, ""), row.get(part, "") if part else ""): row for row in rows}

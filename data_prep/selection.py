"""Labels and images brought together before any pixel is read; spreadsheets never match."""

import collections
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from data_prep import films, labels
from data_prep.refusals import Refusal
from raspine import pseudonyms


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which images have usable labels.

    Attributes:
      labels: of each image that can be used, by its path.
      refused: by image, or by `row-N` for a row of the labels without a proper image name.
      without_labels: images that no row names.
      films: pseudonym of every image, there or only named.
      found: the files in the images folder.
      has_patients: whether the labels tell the patient.
    """

    labels: Mapping[str, labels.FilmLabels]
    refused: Mapping[str, Refusal]
    without_labels: tuple[str, ...]
    films: Mapping[str, str]
    found: Mapping[str, pathlib.Path]
    has_patients: bool

    def pseudonym(self, name: str) -> str:
        """Returns how outputs name an image, or a row without one."""
        return self.films.get(name, name)

    @property
    def most_patients(self) -> int:
        """How many patients there can be at most, as far as the labels tell."""
        if self.has_patients:
            return len({label.patient_id for label in self.labels.values()})
        return len(self.labels)


def select(table: labels.Table, found: Mapping[str, pathlib.Path], annotators: Sequence[str] = ()) -> Selection:
    """Returns which images have usable labels, and why the others are left out.

    Args:
      table: the labels.
      found: the files in the images folder, by their path in it.
      annotators: whose rows count; everybody's when empty.
    """
    rows: dict[str, list[labels.Row]] = collections.defaultdict(list)
    for row in table.rows:
        rows[row.image].append(row)
    wrong = [row for row in table.refused if not annotators or row.annotator in {*annotators, ""}]
    named = [row.image for row in table.refused if row.image]
    names = pseudonyms.assign([*found, *rows, *named], "F", 5)
    refused = {row.image or f"row-{row.number}": Refusal("labels", row.reason) for row in reversed(wrong)}
    usable = {}
    for image in sorted(rows.keys() - refused.keys()):
        try:
            usable[image] = _labels_of(image, rows[image], found, names, annotators)
        except labels.RowError as error:
            refused[image] = Refusal("labels" if image in found else "image not there", str(error))
    unlabelled = tuple(sorted(found.keys() - rows.keys() - set(named)))
    return Selection(usable, refused, unlabelled, names, found, table.has_patients)


def _labels_of(
    image: str,
    rows: Sequence[labels.Row],
    found: Mapping[str, pathlib.Path],
    names: Mapping[str, str],
    annotators: Sequence[str],
) -> labels.FilmLabels:
    if image not in found:
        near = films.near_match(image, found)
        hint = f" Film {names[near]} differs from it only in case, ending or folder." if near else ""
        raise labels.RowError(f"{labels.naming(rows)}: no such file in the images folder.{hint}")
    chosen = [row for row in rows if not annotators or row.annotator in annotators]
    if not chosen:
        raise labels.RowError(f"{labels.naming(rows)}: nothing by the annotators asked for.")
    return labels.merge(chosen)

"""A study or a NIfTI file in, the network's slices out: the series is found, made a volume, and cut.

scan = of_study(study, slices.Choice())
"""

import dataclasses
import os

from raspine.dicom import index, series, volume
from raspine.inputs import slices

FLAG_CONTRAST_UNKNOWN = "contrast_unverified"
FLAG_DAMAGED = "damaged_files_left_out"


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """What the network needs of one study; facts of the study itself stay with the caller.

    Attributes:
      slices: with their affine back to the scanner.
      flags: what was odd on the way, in the order of the steps.
      series_uid: of the series that was taken; '' for NIfTI.
      series_reason: why that one, one line for people.
    """

    slices: slices.Slices
    flags: tuple[str, ...]
    series_uid: str
    series_reason: str


def of_study(study: index.Study, choice: slices.Choice, series_uid: str = "", gaps: str = "refuse") -> Scan:
    """Returns the slices of the sagittal T2 of a study.

    Args:
      study: of `index.scan`.
      choice: how slices are taken.
      series_uid: the user's own choice of series; '' lets the ranking decide.
      gaps: `refuse` or `interpolate` missing slices.

    Raises:
      NoSeriesError: no series of the study is one.
      VolumeError: its images make no volume.
      SlicesError: the volume has not the slices that are wanted.
    """
    candidate = series.choose(study, series_uid)
    taken = slices.take(volume.read(candidate.stack, gaps), choice)
    damaged = (FLAG_DAMAGED,) if candidate.stack.series.damaged else ()
    flags = tuple(dict.fromkeys((*series.domain_flags(candidate), *damaged, *taken.flags)))
    return Scan(taken, flags, candidate.stack.series.uid, _one_line(candidate.reasons))


def of_nifti(path: str | os.PathLike[str], choice: slices.Choice) -> Scan:
    """Returns the slices of a NIfTI file, flagged, since its header says nothing of contrast and body part.

    Raises:
      VolumeError: the file holds no volume.
      SlicesError: the volume has not the slices that are wanted.
    """
    taken = slices.take(volume.read_nifti(path), choice)
    reason = "a NIfTI file: one volume, whose header does not say what contrast it has"
    return Scan(taken, (FLAG_CONTRAST_UNKNOWN, *taken.flags), "", reason)


def _one_line(reasons: tuple[str, ...]) -> str:
    return " ".join("; ".join(reasons).split())

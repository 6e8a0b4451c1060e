"""A study or a NIfTI file in, the network's slices out: the series is found, made a volume, and cut.

scan = of_study(study, slices.Choice())
"""

import dataclasses
import os

from raspine.dicom import index, series, volume
from raspine.inputs import slices

FLAG_CONTRAST_UNKNOWN = "contrast_unverified"
FLAG_DAMAGED = "damaged_files_left_out"
FLAG_SEVERAL = "several_stacks"


@dataclasses.dataclass(frozen=True)
class Native:
    """The volume as scanned.

    Attributes:
      slices: how many.
      spacing_mm: (row, column) mm of a pixel.
      pitch_mm: between neighbouring slice centres along their normal, from positions.
    """

    slices: int
    spacing_mm: tuple[float, float]
    pitch_mm: float


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """What the network needs of one study; facts of the study itself stay with the caller.

    Attributes:
      slices: with their affine back to the scanner.
      flags: what was odd on the way, in the order of the steps.
      series_uid: of the series that was taken; '' for NIfTI.
      series_reason: why that one, one line for people.
      native: the volume they are from.
    """

    slices: slices.Slices
    flags: tuple[str, ...]
    series_uid: str
    series_reason: str
    native: Native


def of_study(
    study: index.Study,
    choice: slices.Choice,
    series_uid: str = "",
    gaps: str = "refuse",
    *,
    candidate: series.Candidate | None = None,
) -> Scan:
    """Returns the slices of the sagittal T2 of a study.

    Args:
      study: of `index.scan`.
      choice: how slices are taken.
      series_uid: the user's own choice of series; '' lets the ranking decide.
      gaps: `refuse` or `interpolate` missing slices.
      candidate: what `series.choose` has already chosen; then `series_uid` does not matter.

    Raises:
      NoSeriesError: no series of the study is one.
      VolumeError: its images make no volume.
      SlicesError: the volume has not the slices that are wanted.
    """
    chosen = candidate or series.choose(study, series_uid)
    whole = volume.read(chosen.stack, gaps)
    taken = slices.take(whole, choice)
    flags = tuple(dict.fromkeys((*series.domain_flags(chosen), *_of_series(chosen), *taken.flags)))
    return Scan(taken, flags, chosen.stack.series.uid, _one_line(chosen.reasons), _native(whole))


def of_nifti(path: str | os.PathLike[str], choice: slices.Choice) -> Scan:
    """Returns the slices of a NIfTI file, flagged, since its header says nothing of contrast and body part.

    Raises:
      VolumeError: the file holds no volume.
      SlicesError: the volume has not the slices that are wanted.
    """
    whole = volume.read_nifti(path)
    taken = slices.take(whole, choice)
    reason = "a NIfTI file: one volume, whose header does not say what contrast it has"
    return Scan(taken, (FLAG_CONTRAST_UNKNOWN, *taken.flags), "", reason, _native(whole))


def _of_series(chosen: series.Candidate) -> tuple[str, ...]:
    """Returns what is doubtful about the rest of the series."""
    damaged = (FLAG_DAMAGED,) if chosen.stack.series.damaged else ()
    count = series.alike(chosen)
    return (*damaged, f"{FLAG_SEVERAL}: {count}") if count > 1 else damaged


def _native(whole: volume.Volume) -> Native:
    return Native(whole.voxels.shape[0], whole.spacing_mm, whole.pitch_mm)


def _one_line(reasons: tuple[str, ...]) -> str:
    return " ".join("; ".join(reasons).split())

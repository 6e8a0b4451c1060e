"""Whether a stack shows the neck: by its extent, its place among the study's other stacks, and by words."""

from collections.abc import Sequence

from raspine.dicom import wording
from raspine.dicom.contrast import Finding
from raspine.dicom.stack import Stack, places
from raspine.dicom.study import Frame, Series

HEAD_WIDTH_MM = 110.0
WHOLE_SPINE_MM = 450.0
STATION_MM = 60.0


def region(series: Series) -> str:
    """Returns which part of the body the header names: descriptions before Body Part Examined, which is often wrong."""
    if named := wording.region(series.description, series.protocol):
        return named
    if series.body_part in wording.NEUTRAL_BODY_PARTS:
        return wording.region(series.study_description)
    # An unlisted word may be anything that somebody typed.
    return wording.region(series.body_part) or "another body part"


def judge(stack: Stack, t2: Sequence[Stack]) -> list[Finding]:
    """Returns what speaks for the neck: the extent and the place among the study's sagittal T2, then the words."""
    found, frame = [], stack.frames[0]
    if (width := _width(stack)) > HEAD_WIDTH_MM:
        found.append(Finding(f"{width:.0f} mm from right to left: wide as a head", -2.0))
    if frame.spacing and frame.rows * frame.spacing[0] > WHOLE_SPINE_MM:
        found.append(Finding("covers the whole spine", -0.5))
    if stack in t2 and any(_is_below(stack, other) for other in t2):
        found.append(Finding("another sagittal T2 lies further up", -1.5))
    return [*found, *_words(stack.series)]


def _words(series: Series) -> list[Finding]:
    part = region(series)
    # Technicians choose the description; Body Part Examined often stays what it was for the last patient.
    weight = 1.0 if wording.region(series.description, series.protocol) else 0.5
    if part == "CSPINE":
        return [Finding("named cervical", weight)]
    return [Finding(f"named {part}", -weight)] if part else []


def _width(stack: Stack) -> float:
    """Returns the distance of the outermost slices, mm."""
    along = places(stack.frames)
    return along[-1] - along[0] if along else 0.0


def _is_below(stack: Stack, other: Stack) -> bool:
    if stack.series.frame_of_reference != other.series.frame_of_reference or _width(other) > HEAD_WIDTH_MM:
        return False
    here, there = _height(stack.frames[0]), _height(other.frames[0])
    return here is not None and there is not None and there - here > STATION_MM


def _height(frame: Frame) -> float | None:
    """Returns z of a frame's centre, LPS mm."""
    if frame.position is None or frame.orientation is None or frame.spacing is None:
        return None
    right, down = frame.orientation[2] * frame.spacing[1], frame.orientation[5] * frame.spacing[0]
    return frame.position[2] + right * (frame.columns - 1) / 2 + down * (frame.rows - 1) / 2

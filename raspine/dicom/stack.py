"""Series into stacks: frames that lie one behind the other in one geometry."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Sequence

from raspine.dicom import contrast
from raspine.dicom.study import Frame, Series

MOST_TURNED = math.cos(math.radians(0.25))
SAME_PLACE_MM = 0.05
OTHER_STATION_MM = 50.0
WHOLE_REPEAT = 0.9


@dataclasses.dataclass(frozen=True)
class Stack:
    """Frames of one series with one orientation, size, spacing and echo, not yet ordered.

    Attributes:
      series: the whole series.
      frames: those of the stack.
    """

    series: Series
    frames: tuple[Frame, ...]


def stacks(series: Series) -> tuple[Stack, ...]:
    """Returns the stacks of a series, in the order of their first frames.

    Frames are told apart by size, kind of image, orientation, spacing, station along the body and echo time, and
    by acquisition or temporal order where one of these repeats the others' positions. What repeats after that is
    left for the volume to judge.
    """
    groups: list[list[Frame]] = [list(series.frames)]
    for same in (_same_image, _same_orientation, _same_spacing, _same_station):
        groups = [part for group in groups for part in _parted(group, same)]
    for split in (_by_echo, _by_acquisition, _by_time):
        groups = [part for group in groups for part in split(group)]
    return tuple(Stack(series, tuple(group)) for group in groups)


def slices(stack: Stack) -> int:
    """Returns how many different places the frames of a stack have; all of them where positions are missing."""
    found = places(stack.frames)
    return _count(found) if found else len(stack.frames)


def normal(frame: Frame) -> tuple[float, float, float] | None:
    """Returns the unit normal of a frame, rows x columns, LPS; None without orientation (PS3.3 C.7.6.2.1.1)."""
    if frame.orientation is None:
        return None
    (a, b, c), (d, e, f) = frame.orientation[:3], frame.orientation[3:]
    return b * f - c * e, c * d - a * f, a * e - b * d


def _parted(frames: Iterable[Frame], same: Callable[[Frame, Frame], bool]) -> list[list[Frame]]:
    """Returns frames in groups, each frame in the first group whose first frame is the same."""
    groups: list[list[Frame]] = []
    for frame in frames:
        group = next((group for group in groups if same(group[0], frame)), None)
        if group is None:
            groups.append([frame])
        else:
            group.append(frame)
    return groups


def _same_image(a: Frame, b: Frame) -> bool:
    return (a.rows, a.columns, a.stack_id, contrast.kinds(a.image_type), a.b_value or 0) == (
        b.rows,
        b.columns,
        b.stack_id,
        contrast.kinds(b.image_type),
        b.b_value or 0,
    )


def _same_orientation(a: Frame, b: Frame) -> bool:
    if a.orientation is None or b.orientation is None:
        return a.orientation is b.orientation
    return all(_dot(a.orientation[i : i + 3], b.orientation[i : i + 3]) >= MOST_TURNED for i in (0, 3))


def _same_spacing(a: Frame, b: Frame) -> bool:
    if a.spacing is None or b.spacing is None:
        return a.spacing is b.spacing
    return all(math.isclose(x, y, rel_tol=1e-3) for x, y in zip(a.spacing, b.spacing, strict=True))


def _by_echo(frames: list[Frame]) -> list[list[Frame]]:
    """Returns frames by echo time; a frame without one stays with the others when they have only one."""
    known = _parted((frame for frame in frames if frame.echo_time is not None), _same_echo)
    return [frames] if len(known) < 2 else _parted(frames, _same_echo)


def _same_echo(a: Frame, b: Frame) -> bool:
    if a.echo_time is None or b.echo_time is None:
        return a.echo_time is b.echo_time
    return math.isclose(a.echo_time, b.echo_time, rel_tol=0.02, abs_tol=0.5)


def _same_station(a: Frame, b: Frame) -> bool:
    """Returns whether two frames show the same part of the body: stations of a whole spine lie one below another."""
    if a.position is None or b.position is None or a.orientation is None:
        return True
    between = [y - x for x, y in zip(a.position, b.position, strict=True)]
    return all(abs(_dot(between, a.orientation[i : i + 3])) <= OTHER_STATION_MM for i in (0, 3))


def _by_acquisition(frames: list[Frame]) -> list[list[Frame]]:
    return _by_repeat(frames, lambda a, b: a.acquisition == b.acquisition)


def _by_time(frames: list[Frame]) -> list[list[Frame]]:
    return _by_repeat(frames, lambda a, b: a.temporal == b.temporal)


def _by_repeat(frames: list[Frame], same: Callable[[Frame, Frame], bool]) -> list[list[Frame]]:
    """Returns frames parted where one part alone has nearly every place.

    Slices of one stack are often acquired in turns, odd and even, or numbered one by one: a copied file among
    them must not make half a stack of a whole one.
    """
    if not _repeats(frames):
        return [frames]
    parts = _parted(frames, same)
    whole = max(_count(places(part)) for part in parts) >= WHOLE_REPEAT * _count(places(frames))
    return parts if whole else [frames]


def _repeats(frames: Sequence[Frame]) -> bool:
    found = places(frames)
    return _count(found) < len(found)


def _count(found: Sequence[float]) -> int:
    apart = sum(second - first >= SAME_PLACE_MM for first, second in itertools.pairwise(found))
    return apart + 1 if found else 0


def places(frames: Sequence[Frame]) -> list[float]:
    """Returns where frames lie along the normal of the first, mm, in order; [] without positions."""
    direction = normal(frames[0])
    if direction is None:
        return []
    return sorted(_dot(frame.position, direction) for frame in frames if frame.position is not None)


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))

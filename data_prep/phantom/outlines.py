"""Smooth outlines in millimetres, and the frames that carry them: the geometry under the phantom's anatomy.

The sagittal plane is (x, y) in mm, x towards the patient's back, y towards the feet, so that an upright
patient looks to the left. A frame leans by an angle: positive leans its upper end forward.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """A place and a lean in the sagittal plane.

    Attributes:
        origin: (x, y) in mm.
        lean: radians, positive when the upper end leans forward (to the left).
    """

    origin: tuple[float, float]
    lean: float

    def place(self, points: ArrayLike) -> Points:
        """Carries points from this frame to the plane.

        Args:
            points: float [..., 2], mm, x to the back and y to the feet along this frame's own axes.
        """
        back, down = self.axes()
        local = np.asarray(points, np.float64)
        return np.asarray(self.origin) + local[..., :1] * back + local[..., 1:] * down

    def locate(self, points: ArrayLike) -> Points:
        """Carries points of the plane into this frame: the inverse of `place`."""
        offset = np.asarray(points, np.float64) - np.asarray(self.origin)
        back, down = self.axes()
        return np.stack([offset @ back, offset @ down], axis=-1)

    def axes(self) -> tuple[Points, Points]:
        """The unit vectors to the back and to the feet."""
        cosine, sine = float(np.cos(self.lean)), float(np.sin(self.lean))
        return np.array([cosine, -sine]), np.array([sine, cosine])

    def at(self, point: ArrayLike, lean: float = 0.0) -> "Frame":
        """A frame whose origin is `point` of this one and whose lean is `lean` radians more."""
        x, y = self.place(point)
        return Frame((float(x), float(y)), self.lean + lean)


def closed(points: ArrayLike, steps: int = 10) -> Points:
    """A closed Catmull-Rom curve through control points.

    Args:
        points: float [n, 2], mm, in order around the shape.
        steps: samples between two control points.
    """
    middle = np.asarray(points, np.float64)
    return _catmull_rom(np.roll(middle, 1, 0), middle, np.roll(middle, -1, 0), np.roll(middle, -2, 0), steps)


def open_curve(points: ArrayLike, steps: int = 10) -> Points:
    """An open Catmull-Rom curve through control points [n, 2] in mm, ends included."""
    path = np.asarray(points, np.float64)
    padded = np.concatenate([2 * path[:1] - path[1:2], path, 2 * path[-1:] - path[-2:-1]])
    curve = _catmull_rom(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], steps)
    return np.concatenate([curve, path[-1:]])


def ribbon(path: ArrayLike, widths: ArrayLike, steps: int = 10) -> Points:
    """The outline of a band along a path.

    Args:
        path: float [n, 2], mm, control points of the centre line.
        widths: n full widths in mm.
        steps: samples between two control points.
    """
    half = np.asarray(widths, np.float64)[:, None] / 2
    curve = open_curve(np.concatenate([np.asarray(path, np.float64), half], axis=1), steps)
    centre, half = curve[:, :2], curve[:, 2:]
    direction = np.gradient(centre, axis=0)
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.concatenate([centre + half * normal, (centre - half * normal)[::-1]])


def ellipse(centre: ArrayLike, radii: ArrayLike, angle: float = 0.0, samples: int = 60) -> Points:
    """An ellipse's outline: centre and radii in mm, angle in radians."""
    turn = np.linspace(0, 2 * np.pi, samples, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) * np.asarray(radii, np.float64)
    cosine, sine = np.cos(angle), np.sin(angle)
    return circle @ np.array([[cosine, sine], [-sine, cosine]]) + np.asarray(centre, np.float64)


def crossings(outline: Points, frame: Frame) -> Points:
    """Where a closed outline crosses a frame's x axis.

    Args:
        outline: float [n, 2], mm, in the plane.
        frame: its x axis (y = 0) is the line.

    Returns:
        float [m], mm along the frame's x axis, ascending, from the front to the back.

    Raises:
        ValueError: the line misses the outline.
    """
    start = frame.locate(outline)
    end = np.roll(start, -1, 0)
    hit = (start[:, 1] < 0) != (end[:, 1] < 0)
    if not hit.any():
        raise ValueError("the outline does not cross the frame's axis: move the frame onto the outline")
    start, end = start[hit], end[hit]
    share = start[:, 1] / (start[:, 1] - end[:, 1])
    return np.sort(start[:, 0] + share * (end[:, 0] - start[:, 0]))


def _catmull_rom(before: Points, start: Points, end: Points, after: Points, steps: int) -> Points:
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    before, start, end, after = (item[:, None] for item in (before, start, end, after))
    curve = start + 0.5 * t * (
        end - before + t * (2 * before - 5 * start + 4 * end - after + t * (3 * (start - end) + after - before))
    )
    return curve.reshape(-1, curve.shape[-1])

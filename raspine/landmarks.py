"""What is measured: schemas name landmarks, the distances between them, their thresholds and colours."""

import colorsys
import dataclasses
import json
import operator
import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raspine import geometry, outside_json, quoting
from raspine.quoting import received

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LISTS = ("landmarks", "colours", "ventral_to_dorsal")
_MAX_MM = 10_000
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class SchemaError(ValueError):
    """A landmark schema contradicts itself or is not one."""


@dataclasses.dataclass(frozen=True)
class Distance:
    """A distance between two landmarks, with the rule that makes it pathological.

    Attributes:
      name: lower-case short name, e.g. `adi`; outputs use it as in `adi_mm`.
      start, end: names of the two landmarks.
      threshold_mm: where the rule turns; None for a distance that is only reported.
      comparison: how a pathological value stands to the threshold, one of > >= < <=.
      title: the name in full, for people.
    """

    name: str
    start: str
    end: str
    threshold_mm: float | None = None
    comparison: str = ">"
    title: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name != self.name.lower():
            raise SchemaError(f"A distance's name is a lower-case word. Received: {received(self.name)}.")
        if self.comparison not in COMPARISONS:
            raise SchemaError(
                f"A comparison is one of {', '.join(COMPARISONS)}. Received: {received(self.comparison)}."
            )
        if self.start == self.end:
            raise SchemaError(f"Distance {received(self.name)} joins landmark {received(self.start)} with itself.")
        if self.threshold_mm is not None and not 0 < self.threshold_mm < _MAX_MM:
            raise SchemaError(
                f"Distance {received(self.name)}: a threshold is above 0 and below {_MAX_MM} mm. "
                f"Received: {received(self.threshold_mm)}."
            )
        if not isinstance(self.title, str):
            raise SchemaError(f"Distance {received(self.name)}: a title is text. Received: {received(self.title)}.")

    def is_positive(self, millimetres: ArrayLike) -> Any:
        """Returns bool [...]: whether each distance in mm is pathological; NaN never is."""
        values = np.asarray(millimetres, np.float64)
        if self.threshold_mm is None:
            return np.zeros(values.shape, bool)
        return COMPARISONS[self.comparison](values, self.threshold_mm)


@dataclasses.dataclass(frozen=True)
class Schema:
    """Which landmarks a film carries and what is measured between them.

    Attributes:
      name: the schema's name.
      landmarks: names in the order of the network's output channels.
      distances: what is measured; a film is positive when any of them is.
      colours: `#rrggbb` for each landmark, as drawn on pictures.
      ventral_to_dorsal: names of landmarks whose order along the film from front to back is fixed by
        anatomy; a prediction against it is flagged. Empty when no such order exists.
    """

    name: str
    landmarks: tuple[str, ...]
    distances: tuple[Distance, ...] = ()
    colours: tuple[str, ...] = ()
    ventral_to_dorsal: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_names()
        if not self.colours:
            object.__setattr__(self, "colours", tuple(_hues(len(self.landmarks))))
        if len(self.colours) != len(self.landmarks) or not all(map(_COLOUR.fullmatch, self.colours)):
            raise SchemaError(
                f"Schema {received(self.name)} needs a colour like '#ff0000' for each of its {len(self.landmarks)} "
                f"landmarks. Received: {received(list(self.colours), 200)}."
            )

    def _check_names(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SchemaError(f"A schema's name is letters, digits and '_'. Received: {received(self.name)}.")
        if not self.landmarks or len(set(self.landmarks)) != len(self.landmarks):
            raise SchemaError(f"Landmarks are named once each. Received: {received(list(self.landmarks), 200)}.")
        for name in self.landmarks:
            if not _NAME.fullmatch(name):
                raise SchemaError(f"A landmark's name is letters, digits and '_'. Received: {received(name)}.")
        titles = [distance.name for distance in self.distances]
        if len(set(titles)) != len(titles):
            raise SchemaError(f"Distances are named once each. Received: {received(titles, 200)}.")
        for name in (n for d in self.distances for n in (d.start, d.end)):
            self.index(name)
        for name in self.ventral_to_dorsal:
            self.index(name)

    def index(self, landmark: str) -> int:
        """Returns the output channel of a landmark.

        Raises:
          SchemaError: the schema has no such landmark.
        """
        if landmark not in self.landmarks:
            names = quoting.line(", ".join(self.landmarks), 500)
            raise SchemaError(f"Schema {received(self.name)} has no landmark {received(landmark)}: {names}.")
        return self.landmarks.index(landmark)

    def measure(self, points: ArrayLike, spacing: ArrayLike) -> dict[str, Any]:
        """Returns each distance in mm, float64 [...], by name.

        Args:
          points: float [..., landmark, 2], native pixels (x, y); NaN for a missing one.
          spacing: float [..., 2], (row, column) mm.
        """
        values = np.asarray(points, np.float64)
        return {
            d.name: geometry.distance_mm(
                values[..., self.index(d.start), :], values[..., self.index(d.end), :], spacing
            )
            for d in self.distances
        }

    def with_thresholds(self, thresholds: Mapping[str, float]) -> "Schema":
        """Returns the schema with other thresholds in mm, by distance name."""
        known = {distance.name for distance in self.distances}
        if unknown := set(thresholds) - known:
            raise SchemaError(f"Schema '{self.name}' has no distance {sorted(unknown)}: {sorted(known)}.")
        distances = (
            dataclasses.replace(d, threshold_mm=thresholds.get(d.name, d.threshold_mm)) for d in self.distances
        )
        return dataclasses.replace(self, distances=tuple(distances))

    def to_dict(self) -> dict[str, Any]:
        """Returns the schema as plain JSON values, which `from_dict` takes back."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def from_dict(values: Mapping[str, Any]) -> Schema:
    """Returns the schema that JSON values describe.

    Raises:
      SchemaError: a field is missing, unknown or contradictory.
    """
    try:
        distances = tuple(Distance(**distance) for distance in values.get("distances", ()))
        lists: dict[str, Any] = {key: _tuple(values[key]) for key in _LISTS if key in values}
        rest: dict[str, Any] = {key: value for key, value in values.items() if key not in (*_LISTS, "distances")}
        return Schema(distances=distances, **lists, **rest)
    except (TypeError, AttributeError) as error:
        raise SchemaError(
            f"Not a landmark schema: {quoting.line(error)}. Fields: name, landmarks, distances, colours."
        ) from error


def _tuple(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise TypeError(f"a list of names is expected, received {received(values)}")
    return tuple(values)


def load(name_or_file: str | os.PathLike[str]) -> Schema:
    """Returns a built-in schema by name, or the one in a JSON file.

    Raises:
      SchemaError: no such schema, or the file does not hold one.
    """
    if str(name_or_file) in SCHEMAS:
        return SCHEMAS[str(name_or_file)]
    path = pathlib.Path(name_or_file)
    if path.suffix != ".json":
        raise SchemaError(f"No schema '{name_or_file}': one of {', '.join(SCHEMAS)}, or a .json file.")
    try:
        values = outside_json.read(path)
    except OSError as error:
        raise SchemaError(f"Cannot read the schema file '{path.name}': {error.strerror}.") from error
    except ValueError as error:
        raise SchemaError(f"Cannot read the schema file '{path.name}': no JSON: {quoting.line(error)}.") from error
    if not isinstance(values, dict):
        raise SchemaError(
            f"The schema file '{path.name}' must hold one JSON object. Received: {type(values).__name__}."
        )
    return from_dict(values)


def _hues(count: int) -> Sequence[str]:
    """Returns `count` distinct bright colours, evenly spaced in hue."""
    colours = (colorsys.hsv_to_rgb(index / count, 0.85, 1.0) for index in range(count))
    return ["#" + "".join(f"{round(255 * channel):02x}" for channel in colour) for colour in colours]


# Paper 2 (subluxation): four points from the ventral side; ADI > 3 mm or SAC <= 13 mm is a subluxation.
ATLANTOAXIAL = Schema(
    name="atlantoaxial",
    landmarks=("anterior_arch_posterior", "dens_anterior", "dens_posterior", "posterior_arch_anterior"),
    distances=(
        Distance("adi", "anterior_arch_posterior", "dens_anterior", 3.0, ">", "atlantodental interval"),
        Distance("sac", "dens_posterior", "posterior_arch_anterior", 13.0, "<=", "space available for the cord"),
    ),
    colours=("#ff0000", "#a020f0", "#00c000", "#ffd700"),
    ventral_to_dorsal=(
        "anterior_arch_posterior",
        "dens_anterior",
        "dens_posterior",
        "posterior_arch_anterior",
    ),
)

# The ISBI 2014/2015 challenges' landmarks, in their order.
CEPHALOMETRIC19 = Schema(
    name="cephalometric19",
    landmarks=(
        "sella", "nasion", "orbitale", "porion", "subspinale_A", "supramentale_B", "pogonion", "menton",
        "gnathion", "gonion", "lower_incisor", "upper_incisor", "upper_lip", "lower_lip", "subnasale",
        "soft_pogonion", "PNS", "ANS", "articulare",
    ),
)  # fmt: skip

SCHEMAS: Mapping[str, Schema] = {schema.name: schema for schema in (ATLANTOAXIAL, CEPHALOMETRIC19)}

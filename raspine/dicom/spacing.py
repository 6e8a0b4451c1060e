"""Millimetres per pixel with their provenance: how far apart things are in the patient, and how we know.

A radiograph magnifies: the detector's own spacing overstates every distance in the patient by the ratio of
the source-to-detector to the source-to-patient distance, 1.1 to 1.2 for a lateral cervical film. `resolve`
therefore goes down a ladder from calibrated to uncorrected and says on which rung it stood; it never invents
1.0 mm.
"""

import dataclasses
import math
from collections.abc import Mapping

from pydicom.dataset import Dataset

from raspine.dicom import header

GIVEN = "given"
FIDUCIAL = "fiducial"
GEOMETRY = "geometry"
CORRECTED_UNKNOWN_METHOD = "corrected_unknown_method"
IMAGER_MAGNIFICATION = "imager_magnification"
IMAGER_DISTANCES = "imager_distances"
PIXEL_SPACING = "pixel_spacing"
DETECTOR_PLANE = "detector_plane"
NOMINAL_SCANNED = "nominal_scanned"
NONE = "none"

SOURCES: Mapping[str, str] = {
    GIVEN: "given by the user",
    FIDUCIAL: "Pixel Spacing, calibrated with an object of known size",
    GEOMETRY: "Pixel Spacing, corrected by the acquisition geometry",
    CORRECTED_UNKNOWN_METHOD: "Pixel Spacing, differs from the detector's, by an unstated method",
    IMAGER_MAGNIFICATION: "Imager Pixel Spacing / Estimated Radiographic Magnification Factor",
    IMAGER_DISTANCES: "Imager Pixel Spacing / (Distance Source to Detector / Distance Source to Patient)",
    PIXEL_SPACING: "Pixel Spacing, in an unstated plane",
    DETECTOR_PLANE: "Imager Pixel Spacing, at the detector, uncorrected",
    NOMINAL_SCANNED: "Nominal Scanned Pixel Spacing of a digitised film, uncorrected",
    NONE: "no spacing: pixels only, no verdict",
}

FLAG_DETECTOR_PLANE = "detector_plane_uncorrected"
FLAG_UNKNOWN_METHOD = "spacing_corrected_method_unknown"
FLAG_UNKNOWN_PLANE = "spacing_plane_unknown"
FLAG_NOMINAL = "nominal_scanned_spacing"
FLAG_NONE = "no_spacing"
FLAG_GIVEN = "spacing_given"
FLAG_HEADER_UNUSABLE = "header_spacing_unusable"
FLAG_DISTANCES_UNUSABLE = "source_distances_unusable"
FLAG_MAGNIFICATION_DISAGREES = "magnification_disagrees_with_distances"
FLAG_CALIBRATION_UNCHANGED = "calibration_equals_detector_plane"
FLAG_IMPLAUSIBLE = "spacing_implausible"

MAGNIFIED_FLAGS = frozenset({FLAG_DETECTOR_PLANE, FLAG_UNKNOWN_PLANE, FLAG_NOMINAL})
"""Flags of a film whose millimetres may be magnified: raspine.measurement tries its verdict at 1.0 to 1.2."""

_EQUAL = 1e-4  # spacings are written with few digits: 0.143 and 0.1430 are one
_PLAUSIBLE_MM = (0.01, 2.0)
_AGREE = 0.02
_CORRECTS = 1.001  # a factor of 1 is a device's way to say that it does not know
_Pair = tuple[float, float]


class SpacingError(header.FilmError):
    """A spacing in the header is not two positive numbers, or two magnifications disagree."""


@dataclasses.dataclass(frozen=True)
class Spacing:
    """The distance between pixels, and how it is known.

    Attributes:
      millimetres: (row, column) mm in the patient's plane as best known; None: pixels only and no verdict.
      source: the rung of the ladder, a key of `SOURCES`.
      flags: what a reader of the millimetres must know.
    """

    millimetres: _Pair | None
    source: str
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise SpacingError(f"a spacing's source is one of {', '.join(SOURCES)}. Received: '{self.source}'.")
        if (self.millimetres is None) != (self.source == NONE):
            raise SpacingError(f"a spacing without millimetres has the source '{NONE}', and only that one.")
        if self.millimetres is not None:
            _checked(self.millimetres, f"spacing from '{self.source}'")

    def transposed(self) -> "Spacing":
        """Returns the spacing of the film with rows and columns exchanged."""
        swapped = None if self.millimetres is None else (self.millimetres[1], self.millimetres[0])
        return dataclasses.replace(self, millimetres=swapped)


def given(row: float, column: float) -> Spacing:
    """Returns the spacing that a user knows, in (row, column) mm in the patient's plane.

    Raises:
      SpacingError: not two finite positive numbers.
    """
    return Spacing(_checked((row, column), "the given spacing"), GIVEN)


def resolve(dataset: Dataset) -> Spacing:
    """Returns a radiograph's spacing by the first rung that its header has (PS3.3 10.7.1).

    1. Pixel Spacing (0028,0030) with Calibration Type (0028,0A02) FIDUCIAL or GEOMETRY: never divided again.
    2. Pixel Spacing that differs from Imager Pixel Spacing (0018,1164) or Nominal Scanned Pixel Spacing
       (0018,2010): somebody corrected it, by a method not stated.
    3. Imager Pixel Spacing / Estimated Radiographic Magnification Factor (0018,1114).
    4. Imager Pixel Spacing / (Distance Source to Detector (0018,1110) / Distance Source to Patient
       (0018,1111)).
    5. Imager Pixel Spacing alone: the detector's plane.
    6. Pixel Spacing alone: a secondary capture or an old CR film that states no plane. It is taken as it
       stands and flagged, not divided by a magnification, since it may be corrected already.
    7. Nominal Scanned Pixel Spacing: the plane of the film that was digitised.
    8. None. A Pixel Aspect Ratio gives no millimetres.

    Rungs 3 and 4 are as good as the device's notion of where the patient is: Distance Source to Patient is measured
    to the support closest to the patient, not to the spine. A factor of 1 corrects nothing and is flagged as the
    detector's plane.

    Args:
      dataset: the header of a film; the spacing is of its rows and columns as stored.

    Raises:
      SpacingError: a spacing is not two finite positive numbers, or two magnification factors disagree.
    """
    pixel = _pair(dataset, "PixelSpacing")
    imager = _pair(dataset, "ImagerPixelSpacing")
    nominal = _pair(dataset, "NominalScannedPixelSpacing")
    found = _calibrated(dataset, pixel, imager, nominal) or _projected(dataset, imager)
    return _with_plausibility(found or _uncorrected(pixel, nominal))


def _calibrated(dataset: Dataset, pixel: _Pair | None, imager: _Pair | None, nominal: _Pair | None) -> Spacing | None:
    if pixel is None:
        return None
    uncorrected = imager or nominal
    unchanged = uncorrected is not None and are_equal(pixel, uncorrected)
    kind = header.text(dataset, "PixelSpacingCalibrationType").upper()
    if kind in ("FIDUCIAL", "GEOMETRY"):
        flags = (FLAG_CALIBRATION_UNCHANGED,) if unchanged else ()
        return Spacing(pixel, FIDUCIAL if kind == "FIDUCIAL" else GEOMETRY, flags)
    if uncorrected is not None and not unchanged:
        return Spacing(pixel, CORRECTED_UNKNOWN_METHOD, (FLAG_UNKNOWN_METHOD,))
    return None


def _projected(dataset: Dataset, imager: _Pair | None) -> Spacing | None:
    if imager is None:
        return None
    factor = _magnification(dataset)
    by_distances, flags = _distances(dataset)
    if factor is not None and by_distances is not None and abs(factor / by_distances - 1) > _AGREE:
        flags = (*flags, FLAG_MAGNIFICATION_DISAGREES)
    chosen = by_distances if factor is None else factor
    if chosen is None:
        return Spacing(imager, DETECTOR_PLANE, (FLAG_DETECTOR_PLANE, *flags))
    if chosen < _CORRECTS:
        flags = (FLAG_DETECTOR_PLANE, *flags)
    source = IMAGER_DISTANCES if factor is None else IMAGER_MAGNIFICATION
    return Spacing((imager[0] / chosen, imager[1] / chosen), source, flags)


def _uncorrected(pixel: _Pair | None, nominal: _Pair | None) -> Spacing:
    if nominal is not None:
        return Spacing(nominal, NOMINAL_SCANNED, (FLAG_NOMINAL,))
    if pixel is not None:
        return Spacing(pixel, PIXEL_SPACING, (FLAG_UNKNOWN_PLANE,))
    return Spacing(None, NONE, (FLAG_NONE,))


def _magnification(dataset: Dataset) -> float | None:
    """Returns the Estimated Radiographic Magnification Factor, wherever the film states it."""
    keyword = "EstimatedRadiographicMagnificationFactor"
    places = [dataset, *header.items(dataset, "SharedFunctionalGroupsSequence")]
    factors = [value for place in places for value in _positive(place, keyword)]
    if not factors:
        return None
    if max(factors) / min(factors) - 1 > _EQUAL:
        raise SpacingError(f"two values of {header.name(keyword)} disagree: {header.received(factors)}. Keep one.")
    if factors[0] < 1:
        raise SpacingError(f"{header.name(keyword)} must be at least 1: shadows never shrink. Received: {factors[0]}.")
    return factors[0]


def _distances(dataset: Dataset) -> tuple[float | None, tuple[str, ...]]:
    """Returns the magnification by the source's distances, None when they are not known, and flags.

    A distance of 0 is how some devices write that they do not know it.
    """
    keywords = ("DistanceSourceToDetector", "DistanceSourceToPatient")
    try:
        pair = [header.number(dataset, keyword) for keyword in keywords]
    except header.FilmError as error:
        raise SpacingError(str(error)) from error
    detector, patient = pair
    for keyword, value in zip(keywords, pair, strict=True):
        if value is not None and value < 0:
            raise SpacingError(f"{header.name(keyword)} must be positive. Received: {value}.")
    if not detector or not patient:
        return None, (FLAG_DISTANCES_UNUSABLE,) if 0 in pair else ()
    if detector < patient:
        return None, (FLAG_DISTANCES_UNUSABLE,)
    return detector / patient, ()


def _pair(dataset: Dataset, keyword: str) -> _Pair | None:
    found = _positive(dataset, keyword)
    if not found:
        return None
    if len(found) != 2:
        raise SpacingError(
            f"{header.name(keyword)} must hold row and column spacing. Received: {header.received(found)}."
        )
    return found[0], found[1]


def _positive(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    try:
        found = header.numbers(dataset, keyword)
    except header.FilmError as error:
        raise SpacingError(str(error)) from error
    if not all(value > 0 for value in found):
        raise SpacingError(f"{header.name(keyword)} must be positive. Received: {header.received(found)}.")
    return found


def _checked(pair: _Pair, what: str) -> _Pair:
    row, column = (float(value) for value in pair)
    if not all(math.isfinite(value) and value > 0 for value in (row, column)):
        raise SpacingError(f"{what} must be two positive numbers of mm, row and column. Received: {row}, {column}.")
    return row, column


def are_equal(first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Returns whether two spacings are one, written with different numbers of digits."""
    return all(math.isclose(a, b, rel_tol=_EQUAL) for a, b in zip(first, second, strict=True))


def _with_plausibility(found: Spacing) -> Spacing:
    low, high = _PLAUSIBLE_MM
    if found.millimetres is None or all(low <= value <= high for value in found.millimetres):
        return found
    return dataclasses.replace(found, flags=(*found.flags, FLAG_IMPLAUSIBLE))

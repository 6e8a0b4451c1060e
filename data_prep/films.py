"""Films on their way into records: found in a folder, read, checked against their labels, encoded."""

import dataclasses
import functools
import hashlib
import os
import pathlib
import unicodedata
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray

from data_prep import identities, labels
from raspine import ahead, geometry, landmarks, records
from raspine.dicom import film as film_reader
from raspine.dicom import parse, raster
from raspine.dicom import spacing as spacings
from raspine.dicom import subject as subjects


class RefusedFilmError(ValueError):
    """A film cannot become a record; the message says why, without identifiers."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How films are prepared.

    Attributes:
      schema: the landmarks that the labels name.
      spacing_mm: (row, column) mm of pictures that are not DICOM, or None.
      consensus: `mean` or `median` over the annotators.
      max_side: longest side in stored pixels; 0 keeps the native size.
    """

    schema: landmarks.Schema
    spacing_mm: tuple[float, float] | None = None
    consensus: str = "mean"
    max_side: int = 0


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A film with its labels in the canonical frame, ready for a record but for its pseudonyms.

    Attributes:
      image: path relative to the images folder.
      png: the picture, lossless.
      digest: hash of the native pixels and their size.
      identity: what the DICOM header says about the patient.
      subject: the groups that patient and film belong to: by the labels, else the header.
      native_size: (height, width), canonical pixels.
      landmarks: float64 [landmark, 2], native canonical pixels (x, y); NaN where not visible.
      annotators: names.
      annotator_points: float64 [annotator, landmark, 2], as `landmarks`.
      spacing_mm: (row, column) mm, or None.
      spacing_source: where the spacing comes from.
      position: neutral, flexion, extension or empty.
      flags: what is doubtful about the film.
      to_file: native canonical pixels to pixels of the file.
    """

    image: str
    png: bytes
    digest: str
    identity: identities.Identity
    subject: subjects.Subject
    native_size: tuple[int, int]
    landmarks: NDArray[np.float64]
    annotators: tuple[str, ...]
    annotator_points: NDArray[np.float64]
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    position: str
    flags: tuple[str, ...]
    to_file: geometry.Affine

    def record(self, film: str, patient: str, schema: str, png: bytes) -> records.FilmRecord:
        """Returns the record under the given pseudonyms."""
        return records.FilmRecord(
            film=film,
            patient=patient,
            schema=schema,
            image=png,
            native_size=self.native_size,
            landmarks=self.landmarks,
            annotators=self.annotators,
            annotator_points=self.annotator_points,
            spacing_mm=self.spacing_mm,
            spacing_source=self.spacing_source,
            position=self.position,
            flags=self.flags,
            to_file=self.to_file,
        )


def find(folder: str | os.PathLike[str], named: Iterable[str] = ()) -> dict[str, pathlib.Path]:
    """Returns the files below a folder that are films or that labels name, by their path in it with `/`.

    Args:
      folder: searched to any depth; hidden files are left out.
      named: paths below the folder to take whatever they are, so that a broken file is reported as such.
    """
    root = pathlib.Path(folder)
    films = {_composed(path.relative_to(root)): path for path in film_reader.discover([root])}
    there = {name: root / name for name in named if name not in films and (root / name).is_file()}
    return dict(sorted({**films, **there}.items()))


def near_match(name: str, found: Iterable[str]) -> str:
    """Returns the one found file that differs from a name only in case, ending or folder; else ""."""
    for key in (str.casefold, _without_ending, _alone):
        near = [candidate for candidate in found if key(candidate) == key(name)]
        if len(near) == 1:
            return near[0]
    return ""


def prepare(path: pathlib.Path, label: labels.FilmLabels, options: Options) -> Prepared:
    """Returns a film with its labels, ready for a record.

    The spacing columns of the labels go to any film, as a calibration by the user where they differ from the
    header; `options.spacing_mm` goes to pictures that are not DICOM and have no such columns.

    Raises:
      RefusedFilmError: the film cannot be read, or a landmark lies outside it.
    """
    try:
        return _prepare(path, label, options)
    except ValueError as error:
        raise RefusedFilmError(" ".join(str(error).split())) from error
    except OSError as error:
        raise RefusedFilmError(f"the file cannot be read: {error.strerror or type(error).__name__}.") from error
    except Exception as error:  # one odd file must not stop the others; its message may hold identifiers
        raise RefusedFilmError(f"the file cannot be read: unexpected {type(error).__name__}.") from error


def prepare_all(
    films: Iterable[tuple[pathlib.Path, labels.FilmLabels]], options: Options, workers: int
) -> Iterator[tuple[str, Prepared | RefusedFilmError]]:
    """Yields (image, film or why it is refused) in the given order, a few films ahead of the reader.

    Args:
      films: file and labels of each film.
      options: how to prepare them.
      workers: number of threads; pixels are decoded, resized and compressed outside Python's lock.
    """
    return ahead.in_order((functools.partial(_tried, path, label, options) for path, label in films), workers)


def _tried(path: pathlib.Path, label: labels.FilmLabels, options: Options) -> tuple[str, Prepared | RefusedFilmError]:
    try:
        return label.image, prepare(path, label, options)
    except RefusedFilmError as error:
        return label.image, error


def _read(
    path: pathlib.Path, label: labels.FilmLabels, options: Options
) -> tuple[film_reader.Film, identities.Identity, subjects.Subject]:
    if path.stat().st_size > film_reader.MAX_BYTES:
        raise RefusedFilmError(f"the file is larger than {film_reader.MAX_BYTES} bytes.")
    data = path.read_bytes()
    if raster.is_raster(data[:8]):
        film = film_reader.read_bytes(data, label.spacing_mm or options.spacing_mm)
        return film, identities.Identity(), subjects.Subject()
    dataset = parse.parse(data)
    film = film_reader.read_bytes(data, _calibration(dataset, label.spacing_mm))
    return film, identities.of(dataset), subjects.of(dataset)


def _calibration(dataset: pydicom.Dataset, given: tuple[float, float] | None) -> tuple[float, float] | None:
    """Returns the labels' spacing, but None when the header says the same: it also tells where it is from.

    A column that only repeats a detector's spacing must not pass for a calibration.
    """
    try:
        own = spacings.resolve(dataset).millimetres
    except film_reader.FilmError:
        return given
    return None if given and own and spacings.are_equal(own, given) else given


def _prepare(path: pathlib.Path, label: labels.FilmLabels, options: Options) -> Prepared:
    film, identity, subject = _read(path, label, options)
    height, width = film.pixels.shape
    _check_inside(label, film.native_size, options.schema)
    points = film.to_native.inverse().apply(label.points)
    return Prepared(
        image=label.image,
        png=records.encode_image(_capped(film.pixels, options.max_side)),
        digest=_digest(film.pixels),
        identity=identity,
        subject=subject.corrected(label.age, label.sex),
        native_size=(height, width),
        landmarks=labels.consensus(points, options.consensus),
        annotators=label.annotators,
        annotator_points=points,
        spacing_mm=film.spacing.millimetres,
        spacing_source=film.spacing.source,
        position=label.position or film.position or "",
        flags=film.flags,
        to_file=film.to_native,
    )


def _check_inside(label: labels.FilmLabels, size: tuple[int, int], schema: landmarks.Schema) -> None:
    """Refuses points beyond the film's edges, half a pixel outside the centres of its outer pixels."""
    height, width = size
    outside = ((label.points < -0.5) | (label.points > (width - 0.5, height - 0.5))).any(-1)
    if outside.any():
        annotator, landmark = np.argwhere(outside)[0]
        x, y = label.points[annotator, landmark]
        raise RefusedFilmError(
            f"labels row {label.rows[annotator]}: landmark '{schema.landmarks[landmark]}' at ({x:g}, {y:g}) "
            f"lies outside the film of {width} x {height} pixels (width x height)."
        )


def _capped(pixels: NDArray[np.uint16], max_side: int) -> NDArray[np.uint16]:
    """Returns the picture with its longer side at most `max_side`; an 8-bit film stays one."""
    scale = max_side / max(pixels.shape)
    if not max_side or scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    if (pixels % 257).any():
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint16)
    grey = (pixels // 257).astype(np.uint8)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint16) * np.uint16(257)


def _digest(pixels: NDArray[np.uint16]) -> str:
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _composed(path: pathlib.Path) -> str:
    return unicodedata.normalize("NFC", path.as_posix())


def _without_ending(name: str) -> str:
    return str(pathlib.PurePosixPath(name).with_suffix("")).casefold()


def _alone(name: str) -> str:
    return pathlib.PurePosixPath(name).name.casefold()

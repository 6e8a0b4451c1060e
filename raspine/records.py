"""The record contract: every key, dtype, shape, unit and origin of what a film's tf.Example holds.

Points are (x, y) in native canonical pixels, the origin at the centre of the top-left pixel; sizes are
(height, width); spacing is (row, column) mm. "Canonical" is the film as displayed, after a declared flip was
undone; "stored" is the picture in the record, smaller than native when the size was capped.
"""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import features, geometry, png_chunks, quoting
from raspine.features import Feature
from raspine.film_size import MAX_PIXELS

VERSION = 1
KIND_FILM = "film"
POSITIONS = ("neutral", "flexion", "extension")

RECORD_VERSION = "record/version"
RECORD_KIND = "record/kind"
ID = "id"
PATIENT = "patient"
POSITION = "position"
FLAGS = "flags"
IMAGE = "image/encoded"
IMAGE_SIZE = "image/size"
NATIVE_SIZE = "native/size"
STORED_TO_NATIVE = "affine/stored_to_native"
NATIVE_TO_FILE = "affine/native_to_file"
SPACING = "spacing/mm"
SPACING_SOURCE = "spacing/source"
SCHEMA = "landmarks/schema"
POINTS = "landmarks/points"
VISIBLE = "landmarks/visible"
ANNOTATORS = "annotators/names"
ANNOTATOR_POINTS = "annotators/points"

_LANDMARKS = -1  # stands for the number of landmarks in a shape

FILM_FEATURES = (
    Feature(RECORD_VERSION, "int64", (), "version of this table", "raspine"),
    Feature(RECORD_KIND, "string", (), "always `film`", "raspine"),
    Feature(ID, "string", (), "pseudonym of the film", "data_prep"),
    Feature(PATIENT, "string", (), "pseudonym of the patient", "data_prep"),
    Feature(POSITION, "string", (), "neutral, flexion, extension or empty", "labels, else the film's description"),
    Feature(FLAGS, "string", None, "names of what is doubtful about the film", "the film's reader, data_prep"),
    Feature(IMAGE, "string", (), "lossless grey PNG, 8 or 16 bit, as displayed; white is 255 or 65535", "the film"),
    Feature(IMAGE_SIZE, "int64", (2,), "stored pixels (height, width)", "the picture in this record"),
    Feature(NATIVE_SIZE, "int64", (2,), "native canonical pixels (height, width)", "the film"),
    Feature(STORED_TO_NATIVE, "float32", (2, 3), "stored pixels to native canonical pixels", "--max_side"),
    Feature(
        NATIVE_TO_FILE,
        "float32",
        (2, 3),
        "native canonical pixels to pixels of the file",
        "the declared flip",
    ),
    Feature(
        SPACING,
        "float32",
        (2,),
        "mm of a native canonical pixel (row, column); NaN without",
        "SPACING_SOURCE",
    ),
    Feature(SPACING_SOURCE, "string", (), "the branch of the spacing ladder; `none` without", "raspine.dicom"),
    Feature(SCHEMA, "string", (), "name of the landmark schema", "--schema"),
    Feature(POINTS, "float32", (_LANDMARKS, 2), "native canonical pixels (x, y); NaN where unseen", "consensus"),
    Feature(VISIBLE, "int64", (_LANDMARKS,), "1 where the consensus has a point, else 0", "consensus"),
)
ANNOTATOR_FEATURES = (
    Feature(ANNOTATORS, "string", None, "names of the annotators in sorted order", "labels"),
    Feature(ANNOTATOR_POINTS, "float32", None, "[annotator, landmark, 2] native canonical pixels; NaN", "labels"),
)


@dataclasses.dataclass(frozen=True)
class FilmRecord:
    """One film with its landmarks, as it stands in a shard.

    Attributes:
      film: pseudonym of the film.
      patient: pseudonym of the patient.
      schema: name of the landmark schema.
      image: a grey PNG of 8 or 16 bit in canonical orientation (see `encode_image`).
      native_size: (height, width) of the canonical film in pixels.
      landmarks: float [landmark, 2], native canonical pixels (x, y); NaN where not visible.
      annotators: names, one for each entry of `annotator_points`.
      annotator_points: float [annotator, landmark, 2], native canonical pixels (x, y); NaN where not visible;
        None without annotators.
      spacing_mm: (row, column) mm of a native canonical pixel; None when the film has none.
      spacing_source: where the spacing comes from; `none` without one.
      position: neutral, flexion, extension or empty.
      flags: what is doubtful about the film.
      to_native: stored pixels to native canonical pixels; None for the one that maps edges onto edges.
      to_file: native canonical pixels to pixels of the file as it was; None when they are the same.
    """

    film: str
    patient: str
    schema: str
    image: bytes
    native_size: tuple[int, int]
    landmarks: NDArray[np.floating[Any]]
    annotators: tuple[str, ...] = ()
    annotator_points: NDArray[np.floating[Any]] = None  # type: ignore[assignment]
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str = "none"
    position: str = ""
    flags: tuple[str, ...] = ()
    to_native: geometry.Affine = None  # type: ignore[assignment]
    to_file: geometry.Affine = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self._check_names()
        self._set("native_size", _size(self.native_size))
        self._set("landmarks", _points(self.landmarks, "landmarks", 2))
        none = np.empty((0, len(self.landmarks), 2))
        given = none if self.annotator_points is None else self.annotator_points
        self._set("annotator_points", _points(given, "annotator_points", 3))
        expected = (len(self.annotators), len(self.landmarks), 2)
        if self.annotator_points.shape != expected:
            raise ValueError(f"annotator_points has shape {expected}. Received: {np.shape(given)}.")
        if self.spacing_mm is not None:
            if not geometry.is_spacing(self.spacing_mm):
                raise ValueError(f"A spacing is two positive numbers in mm, or None. Received: {self.spacing_mm}.")
            self._set("spacing_mm", (float(self.spacing_mm[0]), float(self.spacing_mm[1])))
        self._set("to_native", self.to_native or stored_to_native(self.stored_size, self.native_size))
        self._set("to_file", self.to_file or geometry.identity())

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_names(self) -> None:
        for name in ("film", "patient", "schema"):
            if not getattr(self, name):
                raise ValueError(f"A film record needs a {name}. Received: an empty one.")
        if self.position not in ("", *POSITIONS):
            received = quoting.received(self.position)
            raise ValueError(f"A position is {', '.join(POSITIONS)} or empty. Received: {received}.")
        if any("," in flag or not flag for flag in self.flags):
            raise ValueError(f"A flag is a word without commas. Received: {quoting.received(list(self.flags))}.")
        if (self.spacing_mm is None) != (self.spacing_source == "none"):
            raise ValueError(
                "spacing_source is 'none' exactly when there is no spacing. "
                f"Received: {self.spacing_mm}, {quoting.received(self.spacing_source)}."
            )

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) of the picture in the record, in pixels."""
        return png_size(self.image)

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Whether the consensus has each point, bool [landmark]."""
        return np.isfinite(self.landmarks).all(-1)

    def pixels(self) -> NDArray[np.uint16]:
        """Returns uint16 [stored height, stored width]: the picture over the full range, white is 65535."""
        try:
            return decode_pixels(self.image)
        except ValueError as error:
            raise ValueError(f"Film {quoting.line(self.film, 40)}: {error}") from error


def encode_image(pixels: NDArray[np.uint16]) -> bytes:
    """Returns a lossless grey PNG: 8 bit when all values are multiples of 257 (an 8-bit film), else 16 bit.

    Args:
      pixels: uint16 [height, width], white is 65535.
    """
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise ValueError(f"A film's pixels are uint16 [height, width]. Received: {pixels.dtype} {pixels.shape}.")
    is_8_bit = not (pixels % 257).any()
    values = (pixels // 257).astype(np.uint8) if is_8_bit else pixels
    # On head films the run-length strategy is a sixth smaller and twice as fast to write as zlib's default.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    done, encoded = cv2.imencode(".png", values, options)
    if not done:
        raise ValueError(f"OpenCV could not write a PNG of {pixels.shape}.")
    return encoded.tobytes()


def decode_pixels(encoded: bytes) -> NDArray[np.uint16]:
    """Returns uint16 [height, width]: a picture of `encode_image` over the full range, white is 65535.

    Raises:
      ValueError: the picture is damaged, not grey or too large.
    """
    height, width = png_size(encoded)
    if height * width > MAX_PIXELS:
        raise ValueError(f"the PNG in the record has {height} x {width} pixels, at most {MAX_PIXELS} are read.")
    decoded = png_chunks.decoded(encoded)
    if decoded is None or decoded.shape != (height, width):
        raise ValueError("the PNG in the record is damaged.")
    factor = 1 if decoded.dtype == np.uint16 else 257
    return decoded.astype(np.uint16) * np.uint16(factor)


def png_size(encoded: bytes) -> tuple[int, int]:
    """Returns (height, width) from a PNG's first chunk (PNG specification, 11.2.1 IHDR)."""
    if encoded[:8] != b"\x89PNG\r\n\x1a\n" or len(encoded) < 26 or encoded[25] != 0:
        raise ValueError("A record's picture is a grey PNG. Received: something else.")
    return int.from_bytes(encoded[20:24], "big"), int.from_bytes(encoded[16:20], "big")


def stored_to_native(stored_size: tuple[int, int], native_size: tuple[int, int]) -> geometry.Affine:
    """Returns stored pixels to native pixels, the picture's edges onto the film's (as OpenCV resizes).

    Args:
      stored_size: (height, width) in pixels.
      native_size: (height, width) in pixels.
    """
    scale = np.array(native_size[::-1], np.float64) / np.array(stored_size[::-1], np.float64)
    return geometry.Affine(np.column_stack([np.diag(scale), (scale - 1) / 2]))


def build(record: FilmRecord) -> bytes:
    """Returns the record as a serialized tf.Example; the same record always gives the same bytes."""
    spacing = (np.nan, np.nan) if record.spacing_mm is None else record.spacing_mm
    values: dict[str, Any] = {
        RECORD_VERSION: VERSION,
        RECORD_KIND: KIND_FILM,
        ID: record.film,
        PATIENT: record.patient,
        POSITION: record.position,
        FLAGS: record.flags,
        IMAGE: record.image,
        IMAGE_SIZE: record.stored_size,
        NATIVE_SIZE: record.native_size,
        STORED_TO_NATIVE: record.to_native.matrix,
        NATIVE_TO_FILE: record.to_file.matrix,
        SPACING: spacing,
        SPACING_SOURCE: record.spacing_source,
        SCHEMA: record.schema,
        POINTS: record.landmarks,
        VISIBLE: record.visible,
        ANNOTATORS: record.annotators,
        ANNOTATOR_POINTS: record.annotator_points,
    }
    return features.serialize(FILM_FEATURES + ANNOTATOR_FEATURES, values)


def parse(serialized: tf.Tensor, num_landmarks: int) -> dict[str, tf.Tensor]:
    """Returns every entry of FILM_FEATURES by key, all of fixed shape; works eagerly and in a graph.

    The picture stays encoded: see `decode_image`. The flags come as one string, joined with commas.

    Args:
      serialized: string [], a tf.Example from `build`.
      num_landmarks: how many landmarks the schema has.

    Raises:
      tf.errors.InvalidArgumentError: a feature is missing, of another version or number of landmarks.
      tf.errors.DataLossError: it is no tf.Example.
    """
    parsed = features.parse(FILM_FEATURES, serialized, num_landmarks)
    parsed[FLAGS] = tf.strings.reduce_join(parsed[FLAGS].values, separator=",")
    message = f"This raspine reads film records of version {VERSION}; write them again with data_prep.radiographs."
    with tf.control_dependencies([tf.debugging.assert_equal(parsed[RECORD_VERSION], np.int64(VERSION), message)]):
        parsed[RECORD_VERSION] = tf.identity(parsed[RECORD_VERSION])
        parsed[IMAGE] = tf.identity(parsed[IMAGE])
    return parsed


def parse_annotators(serialized: tf.Tensor, num_landmarks: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the annotators' names and points, apart from `parse` since their number differs between films.

    Args:
      serialized: string [], a tf.Example from `build`.
      num_landmarks: how many landmarks the schema has.

    Returns:
      names: string [annotator].
      points: float32 [annotator, landmark, 2], native canonical pixels (x, y); NaN where not visible.
    """
    parsed = features.parse(ANNOTATOR_FEATURES, serialized, num_landmarks)
    points = tf.reshape(parsed[ANNOTATOR_POINTS].values, [-1, num_landmarks, 2])
    return parsed[ANNOTATORS].values, points


def decode_image(encoded: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """Returns [stored height, stored width, 1]: the picture as displayed; works eagerly and in a graph.

    Args:
      encoded: string [], the PNG from a record.
      dtype: tf.float32 for grey values 0..1, tf.uint16 for 0..65535.
    """
    values = tf.io.decode_png(encoded, channels=1, dtype=tf.uint16)
    if dtype == tf.uint16:
        return values
    return tf.cast(values, dtype) / tf.cast(65535, dtype)


def from_serialized(serialized: bytes) -> FilmRecord:
    """Returns the film record in a serialized tf.Example (points and affines with float32's precision).

    Raises:
      ValueError: it is no film record, or one of another version.
    """
    stored = features.values_of(FILM_FEATURES + ANNOTATOR_FEATURES, serialized)
    picture = stored[IMAGE]
    stored = {key: features.texts(values) for key, values in stored.items()}
    if stored[RECORD_KIND] != [KIND_FILM] or stored[RECORD_VERSION] != [VERSION]:
        received = quoting.line(f"{stored[RECORD_KIND]}, version {stored[RECORD_VERSION]}", 80)
        raise ValueError(f"A record here is a '{KIND_FILM}' of version {VERSION}. Received: {received}.")
    features.check_counts(FILM_FEATURES, stored)
    points = np.array(stored[POINTS], np.float32).reshape(-1, 2)
    spacing = stored[SPACING]
    return FilmRecord(
        film=stored[ID][0],
        patient=stored[PATIENT][0],
        schema=stored[SCHEMA][0],
        image=picture[0],
        native_size=tuple(stored[NATIVE_SIZE]),
        landmarks=points,
        annotators=tuple(stored[ANNOTATORS]),
        annotator_points=_of_annotators(stored[ANNOTATOR_POINTS], len(points)),
        spacing_mm=tuple(spacing) if np.isfinite(spacing).all() else None,
        spacing_source=stored[SPACING_SOURCE][0],
        position=stored[POSITION][0],
        flags=tuple(stored[FLAGS]),
        to_native=geometry.Affine(np.reshape(stored[STORED_TO_NATIVE], (2, 3))),
        to_file=geometry.Affine(np.reshape(stored[NATIVE_TO_FILE], (2, 3))),
    )


def read(path: str | os.PathLike[str]) -> Iterator[FilmRecord]:
    """Yields the film records of one shard."""
    for serialized in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
        yield from_serialized(serialized)


def _size(size: tuple[int, int]) -> tuple[int, int]:
    height, width = (int(value) for value in size)
    if height < 1 or width < 1:
        raise ValueError(f"A size is (height, width), both above 0. Received: {size}.")
    return height, width


def _of_annotators(values: list[float], num_landmarks: int) -> NDArray[np.float32]:
    if not num_landmarks or len(values) % (2 * num_landmarks):
        raise ValueError(f"Annotators give (x, y) of {num_landmarks} landmarks each. Received: {len(values)} numbers.")
    return np.array(values, np.float32).reshape(-1, num_landmarks, 2)


def _points(points: Any, name: str, rank: int) -> NDArray[np.float32]:
    values = np.array(points, np.float32)
    if values.ndim != rank or values.shape[-1] != 2 or values.shape[-2] < 1:
        raise ValueError(f"{name} has {rank} axes, the last (x, y). Received: shape {values.shape}.")
    if np.isinf(values).any() or (np.isnan(values[..., 0]) != np.isnan(values[..., 1])).any():
        raise ValueError(
            f"{name}: both x and y are numbers, or both NaN. Received: {quoting.line(values.tolist(), 80)}."
        )
    return values

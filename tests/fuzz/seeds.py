"""Input that once broke a reader, or that is the usual attack on its kind, with the error that it must end in.

An empty error means that the input is taken: the reader says what is wrong in flags or reasons, which name nobody.
"""

import dataclasses
import functools
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import study_shards
import tensorflow as tf
from PIL import Image
from pydicom.encaps import encapsulate
from tiny_films import build_film, to_bytes

from fuzz import targets
from fuzz.mutation import dicom, folder

_DEEP = b"[" * 100_000


@dataclasses.dataclass(frozen=True)
class Seed:
    """One input.

    Attributes:
      target: name of the reader.
      make: returns the bytes.
      error: what the one-line error must hold; empty when there is none.
    """

    target: str
    make: Callable[[], bytes]
    error: str = ""


def _json(target: str, name: str, change: Callable[[Any], object]) -> bytes:
    """A sound document of a target with something changed."""
    document = json.loads(_sound(target, name))
    change(document)
    return json.dumps(document).encode()


@functools.cache
def _seeds(target: str) -> dict[str, bytes]:
    return dict(targets.load(target).seeds())


def _sound(target: str, name: str) -> bytes:
    return _seeds(target)[name]


def _archive(name: str) -> bytes:
    """A zip archive of one empty member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"")
    return stream.getvalue()


def _member(target: str, name: str, member: str, content: Callable[[bytes], bytes]) -> bytes:
    """A sound folder of a target with one file changed."""
    files = folder.unpack(_sound(target, name))
    files[member] = content(files[member])
    return folder.pack(files)


def _state(change: Callable[[dict[str, Any]], object]) -> bytes:
    def changed(text: bytes) -> bytes:
        state = json.loads(text)
        change(state)
        return json.dumps(state).encode()

    return _member("checkpoint", "step", "state.json", changed)


def _example(data: bytes, key: str, *values: bytes | float | int) -> bytes:
    """A record with other values under one key; none of them removes the entry."""
    stored = tf.train.Example.FromString(data)
    entry = stored.features.feature[key]
    kind = entry.WhichOneof("kind")
    entry.Clear()
    getattr(entry, kind).value.extend(values)
    return bytes(stored.SerializeToString(deterministic=True))


def _film_record(key: str, *values: bytes | float | int) -> bytes:
    return _example(_sound("film_record", "film"), key, *values)


def _study_record(key: str, *values: bytes | float | int) -> bytes:
    return _example(_sound("study_record", "study"), key, *values)


def _png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A grey 8-bit PNG that claims a size, whatever it holds."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    whole = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


def _many_scans() -> bytes:
    """A progressive JPEG whose last scan is repeated: each costs some bytes, and a pass over the picture."""
    stream = io.BytesIO()
    Image.new("L", (64, 64), 77).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * 1000 + data[-2:]


def _jpeg2000(side: int) -> bytes:
    """A film whose JPEG 2000 stream and header agree on a size, in a few bytes."""
    siz = struct.pack(">HHIIIIIIIIH3B", 41, 0, side, side, 0, 0, side, side, 0, 0, 1, 15, 1, 1)
    film = build_film()
    film.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    film.Rows = film.Columns = side
    film.BitsAllocated = film.BitsStored = 16
    film.HighBit = 15
    film.PixelData = encapsulate([b"\xff\x4f\xff\x51" + siz + b"\xff\xd9"])
    film["PixelData"].is_undefined_length = True
    return to_bytes(film)


def _nested_sequences(depth: int) -> bytes:
    """A film with sequences of undefined length inside one another, none of which ends."""
    start = struct.pack("<HH2sHI", 0x7FE1, 0x1010, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return to_bytes(build_film()) + depth * start


def _deflate_bomb() -> bytes:
    film = to_bytes(build_film(syntax="1.2.840.10008.1.2.1.99"))
    start = len(film) - len(dicom.split(film)[1])  # type: ignore[index]
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    grows = deflater.compress(bytes(1 << 24)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return film[:start] + 40 * grows + deflater.flush()


def _run_length_study() -> bytes:
    """A stack of MR images that would take 14 GiB, each a few kilobytes of runs."""
    files = {}
    for name, content in folder.unpack(_sound("study", "classic")).items():
        files[name] = _with_rows(content, 20_000, 4_000)
    return folder.pack(files)


def _with_rows(content: bytes, rows: int, columns: int) -> bytes:
    import pydicom

    image = pydicom.dcmread(io.BytesIO(content))
    image.Rows, image.Columns = rows, columns
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.5"
    runs = struct.pack("<16I", 2, 64, 64, *[0] * 13) + b"\x81\0" * (rows * columns // 128 + 1)
    image.PixelData = encapsulate([runs[:4096]])
    image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _volume(change: Callable[[bytearray], object]) -> bytes:
    data = bytearray(_sound("nifti", "i2"))
    change(data)
    return bytes(data)


def _annotators(count: int) -> bytes:
    data = _film_record("annotators/points", *[1.0, float("nan")] * 4 * count)
    return _example(data, "annotators/names", *[b"a"] * count)


def _pictures(*encoded: bytes) -> bytes:
    return _study_record("slices/encoded", *encoded)


def _tiny_png() -> bytes:
    return _png(study_shards.SIDE, 1, bytes(study_shards.SIDE + 1))


SEEDS = {
    # Landmark schemas.
    "schema, 100,000 brackets": Seed("schema", lambda: _DEEP, "nested too deep"),
    "schema, a number of 10,000 digits": Seed("schema", lambda: b"9" * 10_000, "no JSON"),
    "schema, UTF-16": Seed("schema", lambda: "{}".encode("utf-16"), "no JSON"),
    "schema, a name that is not printable": Seed(
        "schema",
        lambda: _json("schema", "atlantoaxial", lambda found: found["landmarks"].append("\0\n")),
        "letters, digits and '_'",
    ),
    "schema, a name of 100,000 letters": Seed(
        "schema", lambda: _json("schema", "atlantoaxial", lambda found: found.update(name="a" * 99_999 + "-")), "aaa..."
    ),
    "schema, a threshold without end": Seed(
        "schema",
        lambda: _json("schema", "atlantoaxial", lambda found: found["distances"][0].update(threshold_mm=float("inf"))),
        "below 10000 mm. Received: 'inf'",
    ),
    # Manifests and checkpoints: what is wrong is said, not raised.
    "manifest, 100,000 brackets": Seed("manifest", lambda: _DEEP),
    "manifest, infinitely many films": Seed(
        "manifest", lambda: _json("manifest", "films", lambda found: found["counts"]["train"].update(films=1e400))
    ),
    "checkpoint, a list of files": Seed("checkpoint", lambda: _state(lambda found: found.update(files=["a"]))),
    "checkpoint, step infinity": Seed("checkpoint", lambda: _state(lambda found: found.update(step=float("inf")))),
    "checkpoint, a file without end": Seed(
        "checkpoint", lambda: _state(lambda found: found.update(files={"/dev/zero": {"bytes": 0, "sha256": ""}}))
    ),
    # Records.
    "film record, no picture": Seed(
        "film_record", lambda: _film_record("image/encoded"), "holds 1 values. Received: 0"
    ),
    "film record, five numbers of an affine": Seed(
        "film_record", lambda: _film_record("affine/stored_to_native", 1, 0, 0, 0, 1), "holds 6 values. Received: 5"
    ),
    "film record, annotators' points of half a landmark": Seed(
        "film_record", lambda: _film_record("annotators/points", 1, 2, 3), "Received: 3 numbers"
    ),
    "film record, a thousand annotators who give only x": Seed(
        "film_record", lambda: _annotators(1000), "both x and y are numbers, or both NaN. Received: [[[1.0, nan]"
    ),
    "film record, a name of bytes that are no text": Seed(
        "film_record", lambda: _film_record("id", b"\xff\n\xe2\x80\xae")
    ),
    "film record, a position of 70,000 letters": Seed(
        "film_record", lambda: _film_record("position", b"a" * 70_000), "Received: 'aaa"
    ),
    "film record, a picture of 4 gigapixels": Seed(
        "film_record", lambda: _film_record("image/encoded", _png(65_535, 65_535)), "at most 80000000 are read"
    ),
    "film record, a text that says that it has 27 GiB": Seed(
        "film_record",
        lambda: _sound("film_record", "film").replace(b"\n\x08geometry", b"\n\xff\xff\xff\xffmetry"),
        "Not a tf.Example",
    ),
    "study record, no pictures": Seed("study_record", lambda: _pictures(), "pictures of one size. Received: 0"),
    "study record, an empty picture": Seed("study_record", lambda: _pictures(b""), "a grey PNG"),
    "study record, a part of a picture that says that it has 4 GiB": Seed(
        "study_record",
        lambda: _pictures(_tiny_png(), _tiny_png()[:33] + struct.pack(">I4s", 4_294_966_179, b"IDAT") + bytes(99)),
        "the PNG in the record is damaged",
    ),
    "study record, pictures of two sizes": Seed(
        "study_record", lambda: _pictures(_tiny_png(), _png(1, 1, b"\0\0")), "pictures of one size. Received: 2"
    ),
    "study record, a choice that is no object": Seed(
        "study_record", lambda: _study_record("slices/choice", b"[1]"), "a JSON object. Received: '[1]'"
    ),
    "study record, a choice of 100,000 brackets": Seed(
        "study_record", lambda: _study_record("slices/choice", _DEEP), "nested too deep"
    ),
    "study record, three numbers of an affine": Seed(
        "study_record", lambda: _study_record("affine/slices_to_patient", 1, 2, 3), "holds 16 values. Received: 3"
    ),
    "shard, a record longer than the file": Seed(
        "shard", lambda: struct.pack("<Q", 1 << 60) + _sound("shard", "three")[8:], "cut off"
    ),
    # Spreadsheets.
    "labels, no header but patients": Seed(
        "labels",
        lambda: _sound("labels", "commas").split(b"\n", 1)[1].replace(b"ann,", b"SECRET-1,"),
        "lacks the columns",
    ),
    "labels, a quote that takes in other cells": Seed(
        "labels", lambda: _sound("labels", "commas").replace(b"2.5", b'"2.5\nSECRET3.png,x"', 1)
    ),
    "labels, NUL": Seed("labels", lambda: _sound("labels", "commas").replace(b",ann,", b",\0,")),
    "labels, a shifted row": Seed("labels", lambda: _sound("labels", "commas").replace(b",neutral", b"", 1)),
    "outcomes, twice a column that is a patient": Seed(
        "outcomes", lambda: _sound("outcomes", "commas").replace(b"age", b"SECRET-2,SECRET-2"), "column 9"
    ),
    "clinical, UTF-16": Seed("clinical", lambda: "study_uid,age\n1,2\n".encode("utf-16"), "is not UTF-8 text"),
    "clinical, twice a column that is a patient": Seed(
        "clinical", lambda: _sound("clinical", "commas").replace(b"rf", b"SECRET-2,SECRET-2"), "column 6"
    ),
    "records.csv, an age of 5,000 digits": Seed(
        "records_csv", lambda: _sound("records_csv", "three").replace(b"60", b"9" * 5000), "a text of 5000 characters"
    ),
    # Films.
    "film, a PNG of 4 gigapixels": Seed("film", lambda: _png(65_535, 65_535), "at most 80000000 pixels"),
    "film, a JPEG of a thousand scans": Seed("film", _many_scans, "at most 64 scans"),
    "film, JPEG 2000 that takes a minute": Seed("film", lambda: _jpeg2000(8000), "at most 40000000 pixels"),
    "film, sequences 3,000 deep": Seed("film", lambda: _nested_sequences(3000), "RecursionError while reading it"),
    "film, a deflate bomb": Seed("film", _deflate_bomb, "grows beyond"),
    # Studies and volumes.
    "study, a High Bit of one byte": Seed(
        "study",
        lambda: _sound("study", "enhanced").replace(
            b"\x28\x00\x02\x01US\x02\x00\x0b\x00", b"\x28\x00\x02\x01US\x01\x00\x0b"
        ),
    ),
    "film answer, pixels four thousand million times as wide as high": Seed(
        "film_answer", lambda: to_bytes(build_film(ImagerPixelSpacing=["0.2", "4294967296"]))
    ),
    "study, runs that stand for 14 GiB": Seed("study", _run_length_study),
    "volume, 4 million slices": Seed(
        "nifti",
        lambda: _volume(lambda data: data.__setitem__(slice(42, 48), struct.pack("<3h", 32767, 32767, 4))),
        "its header announces",
    ),
    "volume, impossible dimensions": Seed(
        "nifti", lambda: _volume(lambda data: data.__setitem__(slice(40, 44), struct.pack("<2h", 3, -1))), "impossible"
    ),
    "volume, a voxel as wide as a galaxy": Seed(
        "nifti",
        lambda: _volume(lambda data: data.__setitem__(slice(80, 84), struct.pack("<f", 1e30))),
        "a voxel is 0.01 to 100 mm on each side",
    ),
    "volume, a gzip bomb": Seed("nifti", lambda: gzip.compress(bytes(1 << 24), 9, mtime=0), "not a NIfTI file"),
    # Models and weights.
    "landmarker, a card of 100,000 brackets": Seed(
        "landmarker", lambda: _member("landmarker", "two_looks", "model.json", lambda _: _DEEP), "nested too deep"
    ),
    "landmarker, a side of 10 ** 30": Seed(
        "landmarker",
        lambda: _member(
            "landmarker",
            "two_looks",
            "model.json",
            lambda text: text.replace(b'"height": 64', b'"height": 1' + b"0" * 30),
        ),
        "a whole number of 1 to 8192",
    ),
    "landmarker, a network that is none": Seed(
        "landmarker", lambda: _member("landmarker", "two_looks", "model.keras", lambda _: b"PK"), "no .keras file"
    ),
    "safetensors, a header of 70,000 letters": Seed(
        "safetensors", lambda: struct.pack("<Q", 70_002) + b'"' + b"a" * 70_000 + b'"', "not a readable .safetensors"
    ),
    "safetensors, a header longer than the file": Seed(
        "safetensors", lambda: struct.pack("<Q", 1 << 60) + b"{}", "not a readable .safetensors"
    ),
    "film, a colour capture of fewer bits stored than it has": Seed(
        "film",
        lambda: to_bytes(
            build_film(
                np.full((4, 4, 3), 255, "u1"),
                8,
                BitsStored=3,
                HighBit=2,
                SamplesPerPixel=3,
                PhotometricInterpretation="RGB",
                PlanarConfiguration=0,
            )
        ),
    ),
    "clinical, a number of a patient under age": Seed(
        "clinical", lambda: b"study_uid,age\n1.2,SECRET\n", "Received: a text of 6 characters"
    ),
    "pth, a name that is not UTF-8": Seed(
        "pth", lambda: _archive("caf\u00e9").replace(b"\xc3\xa9", b"\x80\xa9"), "damaged"
    ),
    "pth, an archive on two disks": Seed(
        "pth", lambda: struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 2) + _archive("a")[-22:], "damaged"
    ),
}

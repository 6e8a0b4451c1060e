"""A header of more elements, items or bytes than any image's ends in one line, not in minutes and gigabytes."""

import pathlib
import struct

import numpy as np
import pytest
from mri_headers import header as mr_header
from mri_headers import save
from pydicom.dataset import Dataset
from tiny_films import build_film, to_bytes

from raspine.dicom import film, header, mr_object, parse, radiograph
from raspine.dicom.header import FilmError


def empty_elements(count: int) -> bytes:
    return b"".join(struct.pack("<HH2sH", 0x0009, 0x1000 + number, b"CS", 0) for number in range(count))


def empty_items(count: int) -> bytes:
    """A sequence of undefined length, which pydicom reads at once."""
    start = struct.pack("<HH2sHI", 0x0009, 0x1010, b"SQ", 0, 0xFFFFFFFF)
    return start + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def with_more(film_bytes: bytes, more: bytes) -> bytes:
    place = film_bytes.index(b"\x28\x00\x02\x00US")
    return film_bytes[:place] + more + film_bytes[place:]


MORE = {"elements": empty_elements(500), "items": empty_items(500)}


@pytest.fixture
def _low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_READS", 400)
    monkeypatch.setattr(header, "MAX_ITEMS", 100)


@pytest.mark.usefixtures("_low_limits")
@pytest.mark.parametrize("more", MORE)
def test_too_many_elements_of_a_film(more: str) -> None:
    data = to_bytes(build_film())
    film.read_bytes(data)
    with pytest.raises(FilmError, match="more elements than any image's"):
        film.read_bytes(with_more(data, MORE[more]))


@pytest.mark.usefixtures("_low_limits")
@pytest.mark.parametrize("more", MORE)
def test_too_many_elements_of_an_mr_object(tmp_path: pathlib.Path, more: str) -> None:
    path = save(tmp_path / "image", mr_header())
    mr_object.read(path)
    path.write_bytes(with_more(path.read_bytes(), MORE[more]))
    with pytest.raises(FilmError, match="more elements than any image's"):
        mr_object.read(path)


@pytest.mark.parametrize(("limit", "value"), [("MAX_ITEMS", 1), ("MAX_SEQUENCE_BYTES", 100)])
def test_a_sequence_that_is_too_large_is_not_parsed(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 80) + empty_elements(10)
    sequence = struct.pack("<HH2sHI", 0x0028, 0x3010, b"SQ", 0, 3 * len(item)) + 3 * item
    data = to_bytes(build_film())
    place = data.index(b"\xe0\x7f\x10\x00")
    dataset = parse.parse(data[:place] + sequence + data[place:])
    monkeypatch.setattr(header, limit, value)
    with pytest.raises(FilmError, match=r"VOI LUT Sequence \(0028,3010\) holds more than any image's"):
        header.values(dataset, "VOILUTSequence")
    assert header.items(dataset, "VOILUTSequence") == ()


@pytest.mark.parametrize(("first", "accepted"), [(-32768, True), (65535, True), (-32769, False), (1e300, False)])
def test_the_first_value_of_a_table_has_16_bits(first: float, accepted: bool) -> None:
    film_ = build_film(ModalityLUTSequence=[table(first)])
    if accepted:
        film.read_bytes(to_bytes(film_))
    else:
        with pytest.raises(FilmError, match=r"the first value must have 16 bits|must hold"):
            film.read_bytes(to_bytes(film_))


def table(first: float) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "FD", [2.0, float(first), 16.0])
    item.add_new("LUTData", "US", [0, 65535])
    return item


@pytest.mark.parametrize(("uid", "name"), [
    ("1.2.840.10008.5.1.4.1.1.4", "MR Image Storage"), ("1.2.840.10008.5.1.4.1.1.4 ", ""), ("1.2.3", ""), ("", ""),
    ("1.2.840.10008.5.1.4.1.1.1.1\0\x10\0\x10\0PN\x0c\0Secret^Name ", ""),
])  # fmt: skip
def test_only_a_uid_that_is_known_has_a_name(uid: str, name: str) -> None:
    assert header.uid_name(uid) == name


def test_a_uid_that_runs_on_into_a_name_is_not_told() -> None:
    found = Dataset()
    found.add_new("SOPClassUID", "LO", "1.2.840.10008.5.1.4.1.1.1.1\0\x10\0\x10\0PN\x0c\0Secret^Name ")
    with pytest.raises(FilmError, match=r"unknown, '1\.2\.840\.10008\.5\.1\.4\.1\.1\.1\.1';"):
        radiograph.check(found)


def test_a_rescale_beyond_floating_point_is_refused() -> None:
    bright = np.full((4, 4), 4095, np.uint16)
    with pytest.raises(FilmError, match=r"Rescale Slope \(0028,1053\) makes values too large"):
        film.read_bytes(to_bytes(build_film(bright, RescaleSlope="1e308", RescaleIntercept="0")))

"""Every transfer syntax to the same stored values, and what is wrong with those that do not decode."""

import io
import pathlib
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from tiny_films import build_film, picture, to_bytes

from raspine.dicom import decode, film, layout, parse, pixels
from raspine.dicom.header import FilmError

DATA = pathlib.Path(__file__).parents[2] / "data" / "dicom"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
RLE, BASELINE, EXTENDED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
LOSSLESS, JLS, NEAR = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K, J2K_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"


def stored(dataset: Dataset) -> np.ndarray[Any, Any]:
    found = decode.stored(dataset, layout.read(dataset))
    return found.values()[found.codes]


def reread(dataset: Dataset) -> Dataset:
    return parse.parse(to_bytes(dataset))


def compressed(syntax: str, array: np.ndarray[Any, Any], bits: int, **options: Any) -> Dataset:
    dataset = build_film(array, bits)
    dataset.compress(syntax, generate_instance_uid=False, **options)
    return reread(dataset)


def encapsulated(syntax: str, stream: bytes, like: Dataset) -> Dataset:
    like.file_meta.TransferSyntaxUID = syntax
    like.PixelData = encapsulate([stream])
    like["PixelData"].VR = "OB"
    like["PixelData"].is_undefined_length = True
    return like


ARRAYS = {
    "12 bits": (picture(), 12),
    "16 bits": (picture(bits=16), 16),
    "8 bits": (picture(bits=8).astype("u1"), 8),
    "8 of 16 bits": (picture(bits=8), 8),
    "signed 12 bits": ((picture().astype("i4") - 2048).astype("i2"), 12),
    "signed 16 bits": ((picture(bits=16).astype("i4") - 32768).astype("i2"), 16),
}


@pytest.mark.parametrize("case", ARRAYS)
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_uncompressed(syntax, case):
    array, bits = ARRAYS[case]
    np.testing.assert_array_equal(stored(reread(build_film(array, bits, syntax))), array)


@pytest.mark.parametrize("case", ARRAYS)
@pytest.mark.parametrize("syntax", [JLS, J2K])
def test_losslessly_compressed(syntax, case):
    array, bits = ARRAYS[case]
    np.testing.assert_array_equal(stored(compressed(syntax, array, bits)), array)


@pytest.mark.parametrize("case", [case for case in ARRAYS if case != "8 of 16 bits"])  # pydicom encodes 8 of 8
def test_run_lengths(case):
    array, bits = ARRAYS[case]
    np.testing.assert_array_equal(stored(compressed(RLE, array, bits)), array)


def test_near_lossless_jpeg_ls_stays_within_its_bound():
    found = stored(compressed(NEAR, picture(), 12, jls_error=3))
    assert 0 < np.abs(found - picture()).max() <= 3


def test_lossy_jpeg_2000():
    found = stored(compressed(J2K_LOSSY, picture(), 12, j2k_psnr=[70]))
    assert 0 < np.abs(found - picture()).max() <= 8


def test_jpeg_baseline_from_another_encoder():
    array = picture(bits=8).astype("u1")
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "JPEG", quality=100)
    found = stored(reread(encapsulated(BASELINE, stream.getvalue(), build_film(array, 8))))
    np.testing.assert_array_equal(found, np.asarray(Image.open(stream)))
    assert np.abs(found - array.astype(int)).max() <= 2


@pytest.mark.parametrize(
    ("file", "bits", "tolerance"),
    [
        ("jpeg_lossless_57", 12, 0),
        ("jpeg_lossless_70", 16, 0),
        ("jpeg_lossless_70_8bit", 8, 0),
        ("jpeg_lossless_70_signed", 12, 0),
        ("jpeg_lossless_70_colour", 8, 0),
        ("jpeg_baseline_50", 8, 2),  # what the encoder lost
        ("jpeg_extended_51_8bit", 8, 2),
        ("htj2k_201", 12, 0),
    ],
)
def test_files_of_other_encoders(file, bits, tolerance):
    dataset = pydicom.dcmread(DATA / f"{file}.dcm")
    offset = 1 << bits - 1 if dataset.PixelRepresentation else 0
    expected = picture(bits=bits).astype(int) - offset
    assert np.abs(stored(dataset) - expected).max() <= tolerance


def test_twelve_bit_extended_jpeg_agrees_with_another_decoder_to_a_grey_level():
    dataset = pydicom.dcmread(DATA / "jpeg_extended_51_12bit.dcm")
    other = np.load(DATA / "jpeg_extended_51_12bit_decoded_by_dcmtk.npy").astype(int)
    assert np.abs(stored(dataset) - other).max() <= 1
    assert np.abs(stored(dataset) - picture()).max() <= 2


def test_twelve_bit_jpeg_leaves_standard_error_quiet(capfd):
    film.read(DATA / "jpeg_extended_51_12bit.dcm")
    assert capfd.readouterr().err == ""


def test_extended_jpeg_of_eight_bits_in_a_twelve_bit_header():
    dataset = pydicom.dcmread(DATA / "jpeg_extended_51_8bit.dcm")
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    assert np.abs(stored(dataset) - picture(bits=8)).max() <= 2


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG, RLE])
def test_overlay_in_the_high_bits_is_dropped(syntax):
    rubbish = (picture() | 0xA000).astype("u2")
    dataset = build_film(rubbish, 16, syntax if syntax != RLE else EXPLICIT)
    if syntax == RLE:
        dataset.compress(RLE, generate_instance_uid=False)
    dataset.BitsStored, dataset.HighBit = 12, 11
    np.testing.assert_array_equal(stored(reread(dataset)), picture())


def test_values_in_the_high_bits_are_shifted_down():
    dataset = build_film((picture() << 4).astype("u2"), 16)
    dataset.BitsStored, dataset.HighBit = 12, 15
    np.testing.assert_array_equal(stored(reread(dataset)), picture())


def test_signed_values_without_sign_extension():
    dataset = build_film(np.array([[0x0FFF, 0x0800, 0x07FF]], "u2"), 12, PixelRepresentation=1)
    np.testing.assert_array_equal(stored(reread(dataset)), [[-1, -2048, 2047]])


def test_odd_number_of_bytes():
    array = np.arange(15, dtype="u1").reshape(3, 5)
    np.testing.assert_array_equal(stored(reread(build_film(array, 8))), array)


@pytest.mark.parametrize(("syntax", "planar"), [(EXPLICIT, 0), (EXPLICIT, 1), (BIG, 0), (BIG, 1), (RLE, 0)])
def test_colour_capture_with_equal_channels(syntax, planar):
    grey = picture(bits=8).astype("u1")
    colour = np.stack([grey] * 3, axis=0 if planar else -1)
    dataset = build_film(
        colour,
        8,
        syntax if syntax != RLE else EXPLICIT,
        Rows=grey.shape[0],
        Columns=grey.shape[1],
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=planar,
    )
    if syntax == RLE:
        dataset.compress(RLE, generate_instance_uid=False)
    np.testing.assert_array_equal(stored(reread(dataset)), grey)


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE])
def test_bits_beyond_the_stored_ones_of_a_colour_capture_go(syntax):
    grey = picture(bits=8).astype("u1")
    colour = np.stack([grey, grey ^ 128, grey ^ 64], axis=-1)
    dataset = build_film(
        colour, 8, BitsStored=5, HighBit=4, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0
    )
    if syntax == RLE:
        dataset.compress(RLE, generate_instance_uid=False)
    np.testing.assert_array_equal(stored(reread(dataset)), grey & 31)
    assert pixels.displayed(dataset).pixels.shape == grey.shape


def test_fragments_of_one_frame_are_joined():
    dataset = pydicom.dcmread(DATA / "jpeg_lossless_70.dcm")
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = encapsulate([frame], fragments_per_frame=3)
    np.testing.assert_array_equal(stored(dataset), picture(bits=16))


BAD: dict[str, tuple[Dataset, str]] = {
    "no pixel data": (build_film(PixelData=None), r"7FE0,0010.*none"),
    "empty pixel data": (build_film(PixelData=b""), r"7FE0,0010.*empty"),
    "float pixel data": (build_film(PixelData=None, FloatPixelData=b"\0" * 8), r"7FE0,0008"),
    "truncated": (build_film(PixelData=b"\0" * 100), r"truncated.*3552.*100"),
    "no rows": (build_film(Rows=None), r"0028,0010.*missing"),
    "zero columns": (build_film(Columns=0), r"0028,0011.*0"),
    "enormous": (build_film(Rows=60000, Columns=60000), r"0028,0010.*60000"),
    "many pixels": (build_film(Rows=19000, Columns=19000), r"pixels.*19000 x 19000"),
    "multi-frame": (build_film(NumberOfFrames=5), r"0028,0008.*5"),
    "32 bits": (build_film(BitsAllocated=32), r"0028,0100.*32"),
    "stored beyond allocated": (build_film(BitsStored=17), r"0028,0101.*17"),
    "high bit below stored": (build_film(HighBit=3), r"0028,0102.*3"),
    "palette": (build_film(PhotometricInterpretation="PALETTE COLOR"), r"0028,0004.*PALETTE COLOR"),
    "declared JPEG 2000 but raw": (build_film(syntax=EXPLICIT), r"JPEG 2000.*not encapsulated"),
    "declared RLE but raw": (build_film(syntax=EXPLICIT), r"RLE.*not encapsulated"),
    "declared JPEG-LS but JPEG": (pydicom.dcmread(DATA / "jpeg_lossless_70.dcm"), r"JPEG-LS.*a JPEG stream"),
    "declared raw but JPEG": (pydicom.dcmread(DATA / "jpeg_lossless_70.dcm"), r"uncompressed.*encapsulated"),
    "video": (pydicom.dcmread(DATA / "jpeg_lossless_70.dcm"), r"0002,0010.*not supported.*MPEG"),
    "other size": (pydicom.dcmread(DATA / "jpeg_lossless_70.dcm"), r"are 50, 37 and 1.*has 48, 37 and 1"),
}


def test_bad_pixels_are_refused_in_one_line():
    for name, syntax in (
        ("declared JPEG 2000 but raw", J2K),
        ("declared RLE but raw", RLE),
        ("declared JPEG-LS but JPEG", JLS),
        ("declared raw but JPEG", EXPLICIT),
        ("video", "1.2.840.10008.1.2.4.100"),
    ):
        BAD[name][0].file_meta.TransferSyntaxUID = syntax
    BAD["other size"][0].Rows = 50
    for name, (dataset, message) in BAD.items():
        with pytest.raises(FilmError, match=message) as caught:
            stored(dataset)
        assert "\n" not in str(caught.value), name


@pytest.mark.parametrize("syntax", [RLE, JLS, J2K])
def test_truncated_compressed_pixels(syntax):
    dataset = compressed(syntax, picture(), 12)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    with pytest.raises(FilmError, match="7FE0,0010"):
        stored(encapsulated(syntax, frame[: len(frame) // 2], dataset))


@pytest.mark.parametrize("file", ["jpeg_lossless_70", "jpeg_baseline_50", "jpeg_extended_51_12bit"])
def test_truncated_jpeg_pixels(file):
    dataset = pydicom.dcmread(DATA / f"{file}.dcm")
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    with pytest.raises(FilmError, match=r"7FE0,0010.*truncated"):
        stored(encapsulated(dataset.file_meta.TransferSyntaxUID, frame[: len(frame) // 2], dataset))


def test_excess_pixel_data_is_flagged():
    dataset = build_film()
    dataset.PixelData += b"\0" * 64
    assert decode.stored(dataset, layout.read(dataset)).flags == ("excess_pixel_data",)


def test_true_colour_is_refused():
    colour = np.zeros((4, 4, 3), "u1")
    colour[0, 0] = (10, 200, 30)
    dataset = build_film(colour, 8, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    with pytest.raises(FilmError, match=r"grey.*RGB.*190"):
        stored(dataset)


def test_deflate_bomb_is_not_inflated(monkeypatch):
    data = to_bytes(build_film(np.zeros((2000, 100), "u2"), syntax=DEFLATED))
    monkeypatch.setattr(parse, "MAX_INFLATED_BYTES", 10_000)
    with pytest.raises(FilmError, match="deflated"):
        parse.parse(data)


def test_truncated_deflated_file():
    data = to_bytes(build_film(syntax=DEFLATED))
    with pytest.raises(FilmError, match="truncated"):
        parse.parse(data[:-100])


def test_frame_that_asks_for_too_much_memory_is_refused_before_decoding():
    dataset = compressed(J2K, picture(), 12)
    frame = bytearray(pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1))
    start = frame.index(b"\xff\x51")
    frame[start + 6 : start + 14] = b"\x00\x01\x00\x00" * 2
    with pytest.raises(FilmError, match="65536"):
        stored(encapsulated(J2K, bytes(frame), dataset))


def test_jpeg_2000_beyond_what_is_decoded_in_time_is_refused(monkeypatch):
    monkeypatch.setattr(decode, "MAX_JPEG2000_PIXELS", 1000)
    with pytest.raises(FilmError, match=r"JPEG 2000 frame has at most 1000 pixels. Received: 48 x 37"):
        stored(compressed(J2K, picture(), 12))
    stored(compressed(JLS, picture(), 12))


def test_a_jpeg_of_more_scans_than_any_encoder_writes_is_refused():
    dataset = pydicom.dcmread(DATA / "jpeg_baseline_50.dcm")
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    start = frame.index(b"\xff\xda")
    scans = frame[:start] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" * 64 + frame[start:]
    with pytest.raises(FilmError, match="at most 64 scans"):
        stored(encapsulated(dataset.file_meta.TransferSyntaxUID, scans, dataset))

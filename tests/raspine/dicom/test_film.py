"""A film from file to pixels, millimetres and flags; and every kind of file that is none."""

import io
import logging
import os
import pathlib
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pydicom.data
import pytest
from PIL import Image
from tiny_films import build_film, picture, to_bytes

from raspine.dicom import film
from raspine.dicom.film import FilmError, read, read_bytes

DATA = pathlib.Path(__file__).parents[2] / "data" / "dicom"


def png(array: np.ndarray[Any, Any], kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


def test_a_whole_film():
    dataset = build_film(
        PhotometricInterpretation="MONOCHROME1",
        PresentationLUTShape="INVERSE",
        WindowCenter=2048,
        WindowWidth=4096,
        SeriesDescription="HWS seitlich Inklination",
        IssuerOfPatientID="Hospital",
        BurnedInAnnotation="YES",
        PresentationIntentType="FOR PROCESSING",
    )
    shown = read_bytes(to_bytes(dataset))
    assert shown.pixels.dtype == np.uint16
    assert shown.pixels.flags.c_contiguous
    expected = np.rint((1 - np.clip((picture() - 2047.5) / 4095 + 0.5, 0, 1)) * 65535)
    np.testing.assert_array_equal(shown.pixels, expected)
    assert shown.valid is None
    assert shown.position == "flexion"
    assert shown.patient_key == "Hospital\\SECRET-ID"
    assert set(shown.flags) == {"detector_plane_uncorrected", "burned_in_annotation", "for_processing"}
    np.testing.assert_array_equal(shown.to_native.matrix, np.eye(2, 3))


def test_every_flag_is_explained():
    from raspine.dicom import orientation, radiograph, raster, spacing

    modules = (orientation, radiograph, raster, spacing)
    named = {getattr(module, key) for module in modules for key in vars(module) if key.startswith("FLAG_")}
    assert named <= set(film.FLAGS)


def test_padding_turns_with_the_film():
    array = picture()
    array[:, 0] = 0
    shown = read_bytes(to_bytes(build_film(array, PixelPaddingValue=0, PatientOrientation=["A", "F"])))
    assert shown.valid is not None
    assert not shown.valid[:, -1].any()
    assert not shown.pixels[~shown.valid].any()


def test_repr_hides_who_it_is():
    assert "SECRET" not in repr(read_bytes(to_bytes(build_film())))


@pytest.mark.parametrize("name", ["film", "film.png", "film.dcm", "FILM.IMA"])
def test_files_are_told_apart_by_content(tmp_path, name):
    (tmp_path / name).write_bytes(to_bytes(build_film()))
    np.testing.assert_array_equal(read(tmp_path / name).pixels, read_bytes(to_bytes(build_film())).pixels)


@pytest.mark.parametrize("keep_meta", [True, False])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_old_files_without_preamble_or_meta(syntax, keep_meta):
    data = to_bytes(build_film(syntax=syntax))
    length = int.from_bytes(data[140:144], "little")
    bare = data[132:] if keep_meta else data[144 + length :]
    np.testing.assert_array_equal(read_bytes(bare).pixels, read_bytes(data).pixels)


@pytest.mark.parametrize(("white", "scale"), [(255, 257), (65535, 1)])
def test_grey_png_keeps_its_values(white, scale):
    array = picture(bits=8 if white == 255 else 16).astype("u1" if white == 255 else "u2")
    shown = read_bytes(png(array), spacing=(0.1, 0.2))
    np.testing.assert_array_equal(shown.pixels, array.astype(int) * scale)
    assert shown.spacing.millimetres == (0.1, 0.2)
    assert shown.spacing.source == "given"
    assert shown.flags == ("orientation_unknown",)
    assert (shown.patient_key, shown.position) == (None, None)


def test_png_without_spacing_has_none():
    shown = read_bytes(png(picture(bits=8).astype("u1")))
    assert shown.spacing.millimetres is None
    assert "no_spacing" in shown.flags


@pytest.mark.parametrize("depth", ["u1", "u2"])
def test_colour_png_with_equal_channels(depth):
    import cv2

    grey = picture(bits=8 if depth == "u1" else 16).astype(depth)
    done, data = cv2.imencode(".png", np.stack([grey] * 3, -1))
    assert done
    scale = 257 if depth == "u1" else 1
    np.testing.assert_array_equal(read_bytes(data.tobytes()).pixels, grey.astype(int) * scale)


def test_jpeg_and_its_exif_orientation():
    array = picture(bits=8).astype("u1")
    plain = read_bytes(png(array, "JPEG", quality=100))
    assert np.abs(plain.pixels / 257 - array).max() <= 2
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_bytes(png(array, "JPEG", quality=100, exif=exif))
    assert "exif_orientation_ignored" in turned.flags
    np.testing.assert_array_equal(turned.pixels, plain.pixels)


def true_colour(*pixel: int) -> np.ndarray[Any, Any]:
    array = np.full((4, 4, len(pixel)), 255, "u1")
    array[0, 0] = pixel
    return array


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello", "not a DICOM"),
        (b"\0" * 5000, "not a DICOM"),
        (b"\0" * 128 + b"DICM", "Rows|not a film"),
        (png(true_colour(255, 0, 0)), "grey"),
        (png(true_colour(255, 0, 0), "JPEG"), "grey"),
        (png(true_colour(9, 9, 9, 9)), "transparent"),
        (png(picture(bits=16))[:-100], "PNG file is damaged or truncated"),
        (png(picture(bits=8).astype("u1"), "JPEG")[:-200], "JPEG file is damaged or truncated"),
        (to_bytes(build_film(Modality="MR")), r"not a radiograph.*0008,0060.*MR"),
        (to_bytes(build_film(SOPClassUID="1.2.840.10008.5.1.4.1.1.2")), r"not a radiograph.*CT Image Storage"),
        (to_bytes(build_film(NumberOfFrames=3)), r"0028,0008.*3"),
        (to_bytes(build_film(ImagerPixelSpacing=[0.1, -0.1])), r"0018,1164.*-0.1"),
        (to_bytes(build_film())[:-1000], "truncated|cut off"),
    ],
)
def test_what_is_no_film_is_refused_in_one_line(data, message):
    with pytest.raises(FilmError, match=message) as caught:
        read_bytes(data)
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value).upper()


@pytest.mark.parametrize("name", ["test-SR.dcm", "reportsi.dcm", "rtplan.dcm", "waveform_ecg.dcm", "CT_small.dcm"])
def test_other_objects_are_named(name):
    path = pydicom.data.get_testdata_file(name, download=False)
    with pytest.raises(FilmError, match=r"not a radiograph: SOP Class UID \(0008,0016\) is '.* Storage'"):
        read(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FilmError, match="No such file"):
        read(tmp_path / "none.dcm")
    with pytest.raises(FilmError, match="not a regular file"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FilmError, match="not a regular file"):
        read(tmp_path / "pipe")


def seeds() -> list[bytes]:
    """Returns small valid files of every kind, to be damaged."""
    files = [path.read_bytes() for path in sorted(DATA.glob("*.dcm"))]
    for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"):
        files.append(to_bytes(build_film(syntax=syntax, WindowCenter=9, WindowWidth=9, PixelPaddingValue=0)))
    for syntax in ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"):
        dataset = build_film()
        dataset.compress(syntax, generate_instance_uid=False)
        files.append(to_bytes(dataset))
    return [*files, png(picture(bits=16)), png(picture(bits=8).astype("u1"), "JPEG")]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Returns a file with some bytes changed, lost or added, or cut off."""
    found = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 8])):
        place, kind = chance.randrange(len(found)), chance.random()
        if kind < 0.7:
            found[place] = chance.choice([0, 1, 128, 255, chance.randrange(256)])
        elif kind < 0.8:
            del found[max(place, 1) :]
        elif kind < 0.9:
            del found[place : place + chance.randrange(1, 9)]
        else:
            found[place:place] = chance.randbytes(chance.randrange(1, 5))
        if not found:
            return b""
    return bytes(found)


def test_no_damage_gets_past_film_error(capfd, caplog):
    chance, files = random.Random(7), seeds()
    refusals = []
    with caplog.at_level(logging.WARNING):
        for turn in range(1500):
            try:
                read_bytes(damaged(files[turn % len(files)], chance))
            except FilmError as error:
                refusals.append(str(error))
    assert len(refusals) > 300
    assert not [line for line in refusals if "\n" in line or "not foreseen" in line or "SECRET" in line.upper()]
    assert "SECRET" not in (capfd.readouterr().err + caplog.text).upper()


def test_damaged_values_are_not_quoted_on_standard_error(tmp_path):
    data = to_bytes(build_film(PatientBirthDate="19991231")).replace(b"19991231", b"SECRET-1")
    (tmp_path / "film.dcm").write_bytes(data)
    code = (
        "import logging, sys; logging.basicConfig()\n"
        "from raspine.dicom import film\n"
        "print(film.read(sys.argv[1]).pixels.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "film.dcm"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("(48, 37)\n", "")

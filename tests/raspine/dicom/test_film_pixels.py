"""Stored values to values as displayed: hand-computed arrays, then pydicom and highdicom as oracles."""

import highdicom
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_windowing
from tiny_films import a_lut, build_film, picture

from raspine.dicom import pixels
from raspine.dicom.header import FilmError

W = 65535


def shown(values: list[list[int]], bits: int = 12, dtype: str = "u2", voi: int = 0, **tags: object) -> NDArray:
    return pixels.displayed(build_film(np.array(values, dtype), bits, **tags), voi).pixels


def test_linear_window_is_the_formula_of_the_standard():
    # c 100, w 101: 50 and below black, (x - 99.5) / 100 + 0.5 between, above 149.5 white.
    found = shown([[0, 49, 50, 100, 149, 150, 4095]], WindowCenter=100, WindowWidth=101)
    expected = [0, 0, round(0.005 * W), round(0.505 * W), round(0.995 * W), W, W]
    np.testing.assert_array_equal(found, [expected])


def test_linear_exact_window_has_no_half_pixel():
    found = shown([[50, 75, 100, 150]], WindowCenter=100, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_array_equal(found, [[0, round(0.25 * W), round(0.5 * W), W]])


def test_window_of_width_one_is_a_step():
    np.testing.assert_array_equal(shown([[99, 100]], WindowCenter=100, WindowWidth=1), [[0, W]])


def test_sigmoid_window():
    found = shown([[100, 200, 0]], WindowCenter=100, WindowWidth=200, VOILUTFunction="SIGMOID")
    expected = [round(W / (1 + np.exp(-4 * (x - 100) / 200))) for x in (100, 200, 0)]
    np.testing.assert_array_equal(found, [expected])


def test_rescale_comes_before_the_window():
    found = shown(
        [[0, 50, 100]],
        RescaleSlope=2,
        RescaleIntercept=-100,
        WindowCenter=0,
        WindowWidth=200,
        VOILUTFunction="LINEAR_EXACT",
    )
    np.testing.assert_array_equal(found, [[0, round(0.5 * W), W]])


def test_modality_lut_comes_before_the_window_and_holds_its_ends():
    found = shown(
        [[0, 10, 11, 12, 99]],
        ModalityLUTSequence=a_lut([100, 300, 200], 10),
        WindowCenter=200,
        WindowWidth=200,
        VOILUTFunction="LINEAR_EXACT",
    )
    np.testing.assert_array_equal(found, [[0, 0, W, round(0.5 * W), round(0.5 * W)]])


@pytest.mark.parametrize(("bits", "white"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
def test_voi_lut_goes_before_a_window_and_is_scaled_by_its_bits(bits, white):
    found = shown(
        [[0, 5, 6, 7, 4000]],
        VOILUTSequence=a_lut([0, white // 3, white], 5, bits),
        WindowCenter=1,
        WindowWidth=1,
    )
    middle = round(white // 3 / white * W)
    np.testing.assert_array_equal(found, [[0, 0, middle, W, W]])


def test_voi_lut_of_negative_values():
    film = build_film(np.array([[0, 1, 2]], "u2"), RescaleSlope=1, RescaleIntercept=-2)
    film.VOILUTSequence = a_lut([0, W, 0], -2)
    np.testing.assert_array_equal(pixels.displayed(film).pixels, [[0, W, 0]])
    # The same first value, written unsigned as many devices do.
    film.VOILUTSequence = a_lut([0, W, 0], W - 1)
    np.testing.assert_array_equal(pixels.displayed(film).pixels, [[0, W, 0]])


@pytest.mark.parametrize("data", [b"\x00\x80\xff\x00", b"\x00\x00\x80\x00\xff\x00"])
def test_eight_bit_table_as_bytes_or_words(data):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [3, 0, 8])
    item.add_new("LUTData", "OW", data)
    np.testing.assert_array_equal(shown([[0, 1, 2]], VOILUTSequence=[item]), [[0, 128 * 257, W]])


def test_window_by_index_and_a_missing_one():
    tags = {"WindowCenter": [100, 10], "WindowWidth": [1, 1]}
    np.testing.assert_array_equal(shown([[50]], voi=0, **tags), [[0]])
    np.testing.assert_array_equal(shown([[50]], voi=1, **tags), [[W]])
    with pytest.raises(FilmError, match=r"0028,1051.*2"):
        shown([[50]], voi=2, **tags)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted", "flags"),
    [
        ("MONOCHROME1", None, True, ()),
        ("MONOCHROME2", None, False, ()),
        ("MONOCHROME1", "INVERSE", True, ()),  # not inverted twice
        ("MONOCHROME2", "IDENTITY", False, ()),
        ("MONOCHROME2", "INVERSE", True, ("inversion_contradiction",)),
        ("MONOCHROME1", "IDENTITY", False, ("inversion_contradiction",)),
    ],
)
def test_inversion_happens_once(photometric, shape, inverted, flags):
    film = build_film(
        np.array([[0, 100]], "u2"),
        PhotometricInterpretation=photometric,
        PresentationLUTShape=shape,
        WindowCenter=50,
        WindowWidth=50,
    )
    found = pixels.displayed(film)
    np.testing.assert_array_equal(found.pixels, [[W, 0]] if inverted else [[0, W]])
    assert found.flags == flags


def test_padding_is_masked_black_and_left_out_of_percentiles():
    values = np.array([[4095, 4095, 4095, 10, 20]], "u2")
    film = build_film(values, PixelPaddingValue=4095, PhotometricInterpretation="MONOCHROME1")
    found = pixels.displayed(film)
    np.testing.assert_array_equal(found.valid, [[False, False, False, True, True]])
    np.testing.assert_array_equal(found.pixels, [[0, 0, 0, W, 0]])


def test_padding_range_has_two_ends_in_any_order():
    values = np.array([[0, 1, 2, 3, 10]], "u2")
    for first, last in ((1, 3), (3, 1)):
        found = pixels.displayed(build_film(values, PixelPaddingValue=first, PixelPaddingRangeLimit=last))
        np.testing.assert_array_equal(found.valid, [[True, False, False, False, True]])


def test_padding_of_signed_pixels_written_unsigned():
    found = pixels.displayed(build_film(np.array([[-2000, 5]], "i2"), 16, PixelPaddingValue=63536))
    np.testing.assert_array_equal(found.valid, [[False, True]])


def test_unused_padding_value_leaves_no_mask():
    assert pixels.displayed(build_film(np.array([[1, 2]], "u2"), PixelPaddingValue=9)).valid is None


def test_without_a_window_robust_percentiles_of_the_film():
    values = np.arange(1000, dtype="u2").reshape(10, 100)
    found = pixels.displayed(build_film(values))
    # 0.5 % of 1000 values are 5: the fifth is 4, and 995 are up to 994.
    expected = np.rint(np.clip((values.astype(float) - 4) / (994 - 4), 0, 1) * W)
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.flags == ("no_voi",)


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 5, "WindowWidth": 0},
        {"WindowCenter": 5, "WindowWidth": 0.5},
        {"WindowCenter": 5, "WindowWidth": -3, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 5, "WindowWidth": 5, "VOILUTFunction": "CUBIC"},
        {"VOILUTSequence": a_lut([1, 2], 0, 99)},
    ],
)
def test_damaged_voi_is_flagged_and_replaced(tags):
    found = pixels.displayed(build_film(np.array([[0, 10]], "u2"), **tags))
    assert found.flags == ("voi_unusable",)
    np.testing.assert_array_equal(found.pixels, [[0, W]])


@pytest.mark.parametrize(
    ("tags", "tag"),
    [
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "0028,1053"),
        ({"ModalityLUTSequence": a_lut([1, 2], 0, 40)}, "0028,3002"),
    ],
)
def test_damaged_modality_values_are_refused(tags, tag):
    with pytest.raises(FilmError, match=tag):
        shown([[1]], **tags)


def test_constant_film_is_black_and_inverted_white():
    np.testing.assert_array_equal(shown([[7, 7], [7, 7]]), np.zeros((2, 2)))
    np.testing.assert_array_equal(shown([[7]], PhotometricInterpretation="MONOCHROME1"), [[W]])


def test_film_of_padding_alone():
    found = pixels.displayed(build_film(np.array([[3, 3]], "u2"), PixelPaddingValue=3))
    assert found.valid is not None
    assert not found.valid.any()
    assert not found.pixels.any()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_whole_chain_agrees_with_highdicom(photometric, function):
    film = build_film(
        picture(),
        PhotometricInterpretation=photometric,
        PresentationLUTShape="INVERSE" if photometric == "MONOCHROME1" else "IDENTITY",
        RescaleSlope=1,  # highdicom applies the half pixel of LINEAR before the slope, pydicom as the standard says
        RescaleIntercept=-50,
        WindowCenter=1500,
        WindowWidth=2500,
        VOILUTFunction=function,
    )
    frame = highdicom.Image.from_dataset(film).get_frame(
        1, apply_modality_transform=True, apply_voi_transform=True, apply_presentation_lut=True
    )
    np.testing.assert_allclose(pixels.displayed(film).pixels, frame * W, atol=0.51)


@pytest.mark.filterwarnings("ignore:overflow")  # in the oracle
@settings(max_examples=40)
@given(
    st.integers(1, 16),
    st.booleans(),
    st.floats(0.01, 100) | st.floats(-100, -0.01),
    st.integers(-5000, 5000),
    st.floats(-5000, 5000),
    st.floats(2, 10000),
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    st.integers(0, 2**32 - 1),
)
def test_rescale_and_window_agree_with_pydicom(bits, signed, slope, intercept, centre, width, function, seed):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    stored = np.random.default_rng(seed).integers(low, high, (5, 4), endpoint=True)
    film = build_film(
        stored.astype("i2" if signed else "u2"),
        bits,
        RescaleSlope=f"{slope:.5g}",
        RescaleIntercept=intercept,
        WindowCenter=f"{centre:.6g}",
        WindowWidth=f"{width:.6g}",
        VOILUTFunction=function,
    )
    oracle = apply_windowing(apply_modality_lut(stored, film), film)
    ends = sorted(float(film.RescaleSlope) * end + intercept for end in (low, high))
    if slope < 0:  # pydicom's output range runs backwards then
        oracle = ends[1] - oracle + ends[0]
    expected = (oracle - ends[0]) / (ends[1] - ends[0]) * W
    np.testing.assert_allclose(pixels.displayed(film).pixels, expected, atol=0.51)

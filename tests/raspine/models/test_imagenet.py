import pathlib

import keras
import numpy as np
import pytest

from raspine.models import imagenet, resnet

GREY = np.random.default_rng(0).normal(size=(2, 64, 64, 1)).astype(np.float32)


def _features(model: keras.Model, slices: int, scale: float) -> np.ndarray:
    last = keras.Model(model.input, model.get_layer(resnet.last_stage(model)).output)
    return np.asarray(last(scale * np.repeat(GREY, slices, -1), training=False))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, np.ndarray]:
    """The library's weights file with vectors of random values, and its features of grey."""
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
    random = np.random.default_rng(1)
    model.set_weights([w if w.ndim > 1 else random.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    # The library's published files are of the layout that Keras 2 wrote, as are whole models in HDF5.
    path = tmp_path_factory.mktemp("weights") / "resnet50_notop.h5"
    model.save(path)
    return path, np.asarray(model(np.repeat(GREY, 3, -1), training=False))


@pytest.mark.parametrize(("slices", "per_slice", "context"), [(6, False, 0), (1, True, 0), (2, True, 1)])
def test_grey_gives_the_library_s_features(
    library: tuple[pathlib.Path, np.ndarray], slices: int, per_slice: bool, context: int
) -> None:
    path, expected = library
    model = resnet.resnet(50, (64, 64, slices), per_slice=per_slice, context=context)
    logit = model.get_layer("logit").get_weights()[0]
    # A unit of two grey levels doubles the first kernel.
    imagenet.load_into(model, path, grey_per_unit=2.0)
    got = _features(model, slices, 0.5)[:: slices if per_slice else 1]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(model.get_layer("logit").get_weights()[0], logit)


def test_inflated_by_hand() -> None:
    kernel = np.array([1.0, 2.0, 3.0], np.float32).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(imagenet.inflated(kernel, 2).ravel(), [3, 3])
    np.testing.assert_array_equal(imagenet.inflated(kernel, 1).ravel(), [6])


def test_refusals_leave_the_model_as_it_was(
    library: tuple[pathlib.Path, np.ndarray], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = resnet.resnet(50, (32, 32, 1))
    before = model.get_weights()
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(b"no HDF5")
    with pytest.raises(imagenet.WeightsError, match=r"damaged\.h5 holds no weights of ResNet50"):
        imagenet.load_into(model, damaged)
    with pytest.raises(imagenet.WeightsError, match=r"absent\.h5 is no file"):
        imagenet.load_into(model, tmp_path / "absent.h5")

    def offline(**_: object) -> keras.Model:
        raise OSError("URL fetch failure\non the net")

    monkeypatch.setitem(imagenet._NETWORKS, 50, offline)
    with pytest.raises(imagenet.WeightsError, match=r"\(URL fetch failure\).*give its path\.$") as caught:
        imagenet.load_into(model)
    assert "\n" not in str(caught.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_other_depths_are_refused(library: tuple[pathlib.Path, np.ndarray]) -> None:
    with pytest.raises(imagenet.WeightsError, match=r"depths \(50, 101, 152\). Received: 14"):
        imagenet.load_into(resnet.resnet(14, (32, 32, 1)), library[0])

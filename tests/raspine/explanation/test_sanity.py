import keras
import numpy as np
import pytest

from raspine.explanation import cascade, sanity
from raspine.models import resnet


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return resnet.resnet(14, (64, 64, 2), per_slice=True, clinical=1)


def _inputs(batch: int = 4) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(3, 5, (batch, 64, 64, 2)).astype(np.float32), np.ones((batch, 1), np.float32)]


def test_randomised_draws_every_kernel_anew(model: keras.Model) -> None:
    before = [weight.copy() for weight in model.get_weights()]
    fresh, same = (sanity.randomised(model, 1) for _ in range(2))
    other = sanity.randomised(model, 2)
    kernels = 0
    for mine, weight in zip(fresh.weights, model.weights, strict=True):
        assert mine.shape == weight.shape
        if weight.name == "kernel":
            kernels += 1
            assert not np.array_equal(mine, weight)
            assert np.std(mine) == pytest.approx(np.std(weight), rel=0.3)
    assert kernels == len({w.numpy().ravel()[0] for w in fresh.weights if w.name == "kernel"})
    for a, b in zip(fresh.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(fresh.get_weights(), other.get_weights(), strict=True))
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_calibration_takes_the_batch_s_statistics(model: keras.Model) -> None:
    inputs = _inputs()
    fresh = sanity.randomised(model, 1, inputs)
    assert fresh.get_layer("conv1_bn").momentum == 0.9
    # In inference the calibrated network normalises that batch as training does.
    for name in ("conv1_bn", "conv3_block1_1_bn"):
        inside = keras.Model(fresh.input, fresh.get_layer(name).output)
        in_training = inside(inputs, training=True).numpy()
        cascade.calibrate(fresh, fresh.layers, inputs)
        np.testing.assert_allclose(inside(inputs, training=False), in_training, atol=1e-3)


def test_energy_inside_by_hand() -> None:
    maps = np.zeros((3, 2, 2, 2), np.float32)
    maps[0, 0] = [[1, 2], [3, -5]]
    maps[0, 1, 0, 0] = 4
    maps[1] = 1
    mask = np.zeros(maps.shape, bool)
    mask[:, 0, 1] = True
    np.testing.assert_allclose(sanity.energy_inside(maps, mask), [0.3, 0.25, np.nan])


def test_energy_of_a_map_of_all_slices_counts_the_union() -> None:
    maps = np.array([[[1, 2], [3, 4]]], np.float32)
    mask = np.zeros((1, 2, 2, 2), bool)
    mask[0, 0, 0, 0] = mask[0, 1, 1, 0] = True
    np.testing.assert_allclose(sanity.energy_inside(maps, mask), [0.4])
    np.testing.assert_allclose(sanity.energy_inside(maps, mask[:, 0]), [0.1])
    with pytest.raises(ValueError, match=r"same shape. Received: \(1, 2, 2\) and \(1, 2, 3\)"):
        sanity.energy_inside(maps, np.zeros((1, 2, 3), bool))


def test_dilated_by_a_disc() -> None:
    mask = np.zeros((2, 9, 9), bool)
    mask[0, 4, 4] = True
    wide = sanity.dilated(mask, 3)
    assert not wide[1].any()
    rows, columns = np.nonzero(wide[0])
    assert np.hypot(rows - 4, columns - 4).max() == 3
    assert wide[0, 4, 1]
    assert not wide[0, 1, 1]
    np.testing.assert_array_equal(sanity.dilated(mask, 0), mask)


def test_blocks_that_began_switched_off_are_on_in_a_randomised_network() -> None:
    """Otherwise no 3 x 3 convolution would reach the logit, and the comparison would be with a simpler network."""
    model = resnet.resnet(14, (32, 32, 2), zero_init=True)
    assert not model.get_layer("conv5_block1_3_bn").gamma.numpy().any()
    fresh = sanity.randomised(model, 1)
    gammas = [layer.gamma.numpy() for layer in fresh.layers if hasattr(layer, "gamma")]
    assert all((gamma == 1).all() for gamma in gammas)
    assert not model.get_layer("conv5_block1_3_bn").gamma.numpy().any()

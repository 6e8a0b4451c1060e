import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from raspine.models import float32, folding, heatmaps, hrnet, inference, layers, resnet, winograd

SIDE = 64


def unsettle(network: keras.Model, seed: int = 0) -> keras.Model:
    """Gives every normalisation averages, scales and shifts of its own."""
    random = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, layers.FusedBatchNormalization | keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            layer.set_weights(
                [random.uniform(low, high, size) for low, high in ((0.4, 1.2), (-1, 1), (-1, 1), (0.3, 3))]
            )
    return network


def risk_network(**changes: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    return unsettle(resnet.resnet(14, (SIDE, SIDE, 6), **changes))


def studies(network: keras.Model, count: int = 3) -> Any:
    random = np.random.default_rng(2)
    given = [
        tf.constant(random.standard_normal((count, *shape.shape[1:])), tf.float32)
        for shape in keras.tree.flatten(network.inputs)
    ]
    return {"image": given[0], "clinical": given[1]} if len(given) > 1 else given[0]


def compiled(network: keras.Model, precision: str = "float32") -> Any:
    return tf.function(inference.fast(network, precision))


RISK: dict[str, dict[str, Any]] = {
    "plain": {},
    "keras": {"normalization": "keras"},
    "synchronized": {"normalization": "synchronized"},
    "clinical": {"clinical": 4, "dropout": 0.3},
    "per slice": {"per_slice": True, "context": 1},
    "per slice and clinical": {"per_slice": True, "clinical": 2, "pool": "mean_max"},
}


@pytest.mark.parametrize("changes", RISK.values(), ids=RISK.keys())
def test_the_logit_of_a_risk_network(changes: dict[str, Any]) -> None:
    network = risk_network(**changes)
    given = studies(network)
    expected = network(given, training=False).numpy()
    assert np.ptp(expected) > 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(compiled(network)(given), expected, atol=1e-4 * np.abs(expected).max())
    kinds = {type(layer) for layer in folding.folded(network).layers}
    assert not kinds & {layers.FusedBatchNormalization, keras.layers.BatchNormalization, layers.PointwiseConvolution}


@pytest.mark.parametrize(
    ("normalization", "pointwise"), [("fused", "matmul"), ("keras", "matmul"), ("synchronized", "convolution")]
)
def test_the_points_of_a_landmark_network(monkeypatch: pytest.MonkeyPatch, normalization: str, pointwise: str) -> None:
    monkeypatch.setattr(hrnet, "SMALL_DEPTH", hrnet.Depth(1, (1, 1, 1), 1))
    keras.utils.set_random_seed(1)
    network = unsettle(
        hrnet.hrnet(16, 4, (SIDE, SIDE, 1), small=True, batch_normalization=normalization, pointwise=pointwise)
    )
    given = studies(network)
    expected, found = network(given, training=False), compiled(network)(given)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    points = [heatmaps.decode(heatmaps.spatial_softmax(maps, 2.0))[0] for maps in (found, expected)]
    np.testing.assert_allclose(points[0], points[1], atol=1e-3)


def test_a_bfloat16_network_answers_in_float32() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = risk_network()
    finally:
        keras.config.set_dtype_policy("float32")
    given = studies(network)
    expected = float32.twin(network)(given, training=False).numpy()
    np.testing.assert_allclose(compiled(network)(given), expected, atol=1e-4 * np.abs(expected).max())
    assert {layer.compute_dtype for layer in folding.folded(network).layers} == {"float32"}


def test_bfloat16_is_near_and_its_outputs_are_float32() -> None:
    network = risk_network()
    given = studies(network)
    expected = network(given, training=False).numpy()
    found = compiled(network, "bfloat16")(given)
    assert found.dtype == tf.float32
    difference = np.abs(found.numpy() - expected).max() / np.abs(expected).max()
    assert 1e-6 < difference < 0.05


def test_any_number_of_studies() -> None:
    network = risk_network()
    answer = compiled(network)
    given = studies(network, 5)
    together = answer(given).numpy()
    np.testing.assert_allclose(np.concatenate([answer(given[:1]), answer(given[1:])]), together, rtol=1e-4)


def test_the_weights_are_those_of_the_first_answer() -> None:
    network = risk_network()
    given = studies(network)
    answer = compiled(network)
    before = answer(given).numpy()
    network.get_layer("logit").set_weights([np.zeros((2048, 1)), np.ones(1)])
    np.testing.assert_array_equal(answer(given).numpy(), before)
    np.testing.assert_allclose(compiled(network)(given), 1.0)


def test_an_unknown_layer_with_weights_runs_as_it_is() -> None:
    images = keras.Input((8, 8, 2))
    maps = keras.layers.DepthwiseConv2D(3)(layers.SymmetricConvolution(2)(images))
    network = keras.Model(images, maps)
    assert folding.folded(network) is network
    given = tf.ones((1, 8, 8, 2))
    np.testing.assert_allclose(inference.fast(network)(given), network(given), rtol=1e-6)


def test_a_convolution_that_two_layers_read_is_not_folded() -> None:
    images = keras.Input((8, 8, 2))
    maps = layers.SymmetricConvolution(2)(images)
    normalized = layers.batch_normalization("fused")(maps)
    network = keras.Model(images, keras.layers.Add()([maps, normalized]))
    assert folding.folded(network) is network


@pytest.mark.parametrize("size", [(16, 16), (17, 22), (3, 5)])
def test_minimal_filtering_is_a_convolution(size: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    maps = random.standard_normal((2, *size, 5))
    kernel = random.standard_normal((3, 3, 5, 7))
    found = winograd.convolve(tf.constant(maps, tf.float32), tf.constant(winograd.kernel(kernel)))
    expected = np.zeros((2, *size, 7))
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for row in range(3):
        for column in range(3):
            part = padded[:, row : row + size[0], column : column + size[1]]
            expected += part @ kernel[row, column]
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_wide_convolutions_run_by_minimal_filtering() -> None:
    keras.utils.set_random_seed(1)
    network = unsettle(resnet.resnet(14, (256, 256, 1)))
    twin = folding.folded(network)
    minimal = [layer.name for layer in twin.layers if isinstance(layer, folding.MinimalConvolution)]
    assert minimal == [f"conv{stage}_block1_2_conv" for stage in (3, 4, 5)]
    assert not any(
        isinstance(layer, folding.MinimalConvolution) for layer in folding.folded(network, "bfloat16").layers
    )
    given = studies(network, 1)
    expected = network(given, training=False).numpy()
    np.testing.assert_allclose(twin(given, training=False), expected, atol=1e-4 * np.abs(expected).max())


def test_the_cpu_chooses(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inference.has_amx("processor\t: 0\nflags\t\t: fpu avx512f amx_bf16 amx_tile\n")
    assert not inference.has_amx("flags\t\t: fpu avx512f avx512_bf16\nbugs\t\t: amx_bf16\n")
    network = keras.Model(
        images := keras.Input((8, 8, 2)),
        layers.SymmetricConvolution(2)(layers.batch_normalization("fused")(layers.SymmetricConvolution(2)(images))),
    )
    for flags, differs in (("amx_bf16", True), ("avx2", False)):
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
        monkeypatch.setattr(inference, "_CPU", tmp_path / "cpuinfo")
        given = tf.constant(np.random.default_rng(0).standard_normal((1, 8, 8, 2)), tf.float32)
        apart = np.abs(inference.fast(network, "auto")(given) - inference.fast(network)(given)).max()
        assert bool(apart > 1e-6) is differs


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="'float16'"):
        inference.fast(risk_network(), "float16")

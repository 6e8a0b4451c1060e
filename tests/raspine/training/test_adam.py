import json
import pathlib
from collections.abc import Callable

import forked
import keras
import numpy as np
import pytest
import tensorflow as tf

from raspine.training.adam import FusedAdam

SHAPES = ((3, 4), (5,), ())
STEPS = 6
# The kernel takes 1 - beta from float32 betas, Keras from double ones: 1.3e-5 of 1 - 0.999.
TOLERANCE = {"rtol": 4e-5, "atol": 4e-6}
REPLICAS = pathlib.Path(__file__).with_name("adam_on_two_replicas.py")


def _variables() -> list[keras.Variable]:
    generator = np.random.default_rng(0)
    return [
        keras.Variable(generator.normal(size=shape).astype(np.float32), name=f"v{i}") for i, shape in enumerate(SHAPES)
    ]


def _gradients(step: int) -> list[tf.Tensor]:
    generator = np.random.default_rng(step + 1)
    scale = 10.0 ** generator.uniform(-6, 2)  # some far below epsilon's square, some clipped
    return [tf.constant(generator.normal(0, scale, shape).astype(np.float32)) for shape in SHAPES]


def _run(optimizer: keras.optimizers.Optimizer, graph: bool = False) -> list[np.ndarray]:
    """Every value after some steps: the variables, then the optimizer's own (averages and moments)."""
    variables = _variables()
    optimizer.build(variables)

    def step(*gradients: tf.Tensor) -> None:
        optimizer.apply(list(gradients), variables)

    if graph:
        step = tf.function(step)
    for number in range(STEPS):
        step(*_gradients(number))
    return [variable.numpy() for variable in (*variables, *optimizer.variables)]


def _schedule() -> keras.optimizers.schedules.LearningRateSchedule:
    return keras.optimizers.schedules.CosineDecay(0.1, 5, warmup_target=0.3, warmup_steps=2)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        dict,
        lambda: {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
        lambda: {"learning_rate": _schedule()},
        lambda: {"learning_rate": 0.1, "clipnorm": 0.5},
        lambda: {"learning_rate": 0.1, "global_clipnorm": 0.5, "weight_decay": 0.1},
        lambda: {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 4},
        lambda: {"learning_rate": 0.1, "gradient_accumulation_steps": 2},
        lambda: {"learning_rate": 0.1, "amsgrad": True},
    ],
)
def test_equals_keras_adam(arguments: Callable[[], dict], graph: bool) -> None:
    got = _run(FusedAdam(**arguments()), graph)
    expected = _run(keras.optimizers.Adam(**arguments()), graph)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, **TOLERANCE)


def test_decay_equals_adamw() -> None:
    got = _run(FusedAdam(0.1, weight_decay=0.2))
    for one, other in zip(got, _run(keras.optimizers.AdamW(0.1, weight_decay=0.2)), strict=True):
        np.testing.assert_allclose(one, other, **TOLERANCE)


def test_two_steps_by_hand() -> None:
    variable = keras.Variable(np.array([1.0], np.float32))
    optimizer = FusedAdam(0.1, beta_1=0.5, beta_2=0.75, epsilon=0.5)
    for gradient in (2.0, -1.0):
        optimizer.apply([tf.constant([gradient])], [variable])
    # m: 1, then 0; v: 1, then 1. The first step is 0.1 * sqrt(1 - 0.75) / (1 - 0.5) * 1 / (1 + 0.5).
    assert variable.numpy() == pytest.approx([1 - 0.1 / 1.5], rel=1e-6)


def test_several_steps_in_one_graph_count_each() -> None:
    variables = _variables()
    optimizer = FusedAdam(0.1)
    optimizer.build(variables)

    @tf.function
    def steps() -> None:
        for number in range(STEPS):
            optimizer.apply(_gradients(number), variables)

    steps()
    assert optimizer.iterations.numpy() == STEPS
    for one, other in zip(variables, _run(keras.optimizers.Adam(0.1)), strict=False):
        np.testing.assert_allclose(one, other, **TOLERANCE)


def test_sparse_gradients_take_keras_operations() -> None:
    table = np.ones((4, 2), np.float32)
    results = []
    for kind in (FusedAdam, keras.optimizers.Adam):
        variable = keras.Variable(table)
        optimizer = kind(0.1)
        for row in (1, 3):
            gradient = tf.IndexedSlices(tf.constant([[1.0, 2.0]]), tf.constant([row]), tf.constant([4, 2]))
            optimizer.apply([gradient], [variable])
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)


def _model(policy: str = "float32") -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    maps = keras.layers.Dense(8, "relu", dtype=policy)(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(maps))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy: str) -> None:
    generator = np.random.default_rng(0)
    inputs, targets = generator.normal(size=(8, 6)), generator.normal(size=(8, 1))
    weights = []
    for kind in (FusedAdam, keras.optimizers.Adam):
        optimizer = kind(0.01)
        if policy == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model = _model(policy)
        model.compile(optimizer, "mse", jit_compile=False)
        model.fit(inputs, targets, batch_size=8, epochs=4, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_training_resumes_from_a_saved_model(tmp_path: pathlib.Path) -> None:
    generator = np.random.default_rng(0)
    inputs, targets = generator.normal(size=(8, 6)), generator.normal(size=(8, 1))
    model = _model()
    model.compile(FusedAdam(0.01, weight_decay=0.1), "mse", jit_compile=False)
    model.fit(inputs, targets, epochs=3, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is FusedAdam
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for trained in (model, again):
        trained.fit(inputs, targets, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_replicas_equal_one_device() -> None:
    """In a process of its own: logical devices must be made before TensorFlow starts."""
    done = forked.run(str(REPLICAS), [], REPLICAS.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    differences = json.loads(done.stdout.splitlines()[-1])
    assert differences["replicas"] == 2
    assert differences["replicas_apart"] == 0
    assert differences["weights"] < 1e-5
    assert differences["moving_mean"] < 1e-6
    assert differences["moving_variance"] < 1e-6

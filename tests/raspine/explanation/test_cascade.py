import keras
import numpy as np
import pytest

from raspine.explanation import cascade, sanity
from raspine.models import resnet


@pytest.fixture(scope="module")
def networks() -> tuple[keras.Model, keras.Model, list[np.ndarray]]:
    keras.utils.set_random_seed(0)
    trained = resnet.resnet(14, (64, 32, 2), per_slice=True, clinical=1)
    random = np.random.default_rng(0)
    inputs = [random.normal(1, 2, (4, 64, 32, 2)).astype(np.float32), np.ones((4, 1), np.float32)]
    return trained, sanity.randomised(trained, 7, inputs), inputs


def test_the_stages_follow_the_network() -> None:
    names = {"conv1_conv": "conv1", "conv5_block2_out": "conv5", "logit": "logit", "attention_score": "logit"}
    assert {name: cascade.stage_of(name) for name in names} == names
    assert cascade.stage_of("clinical_hidden") == "logit"


def test_weights_are_replaced_down_to_a_stage(networks: tuple[keras.Model, keras.Model, list[np.ndarray]]) -> None:
    trained, fresh, inputs = networks
    before = [weight.copy() for weight in trained.get_weights()]
    course = cascade.Cascade(trained, fresh, inputs)
    np.testing.assert_allclose(course.network(inputs), trained(inputs), rtol=1e-5)
    seen = 0
    for stage in ("conv3", "logit"):  # back too
        course.randomise(stage)
        replaced = cascade.STAGES[: cascade.STAGES.index(stage) + 1]
        for layer in course.network.layers:
            changed = cascade.stage_of(layer.name) in replaced
            for place, weight in enumerate(layer.get_weights()):
                source = (fresh if changed else trained).get_layer(layer.name)
                if changed and layer.weights[place].name.startswith("moving"):
                    continue
                np.testing.assert_array_equal(weight, source.get_weights()[place])
                seen += 1
    assert seen > 100
    for old, now in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_replaced_layers_are_calibrated_behind_the_trained_ones(
    networks: tuple[keras.Model, keras.Model, list[np.ndarray]],
) -> None:
    trained, fresh, inputs = networks
    course = cascade.Cascade(trained, fresh, inputs)
    course.randomise("conv4")
    for name in ("conv4_block1_0_bn", "conv4_block1_1_bn"):
        layer = course.network.get_layer(name)
        given = keras.Model(course.network.input, layer.input)(inputs, training=False).numpy()
        np.testing.assert_allclose(layer.moving_mean, given.mean((0, 1, 2)), rtol=1e-3, atol=1e-4)
        assert (layer.momentum, layer.trainable) == (0.9, True)


def test_at_its_end_it_is_the_untrained_network(networks: tuple[keras.Model, keras.Model, list[np.ndarray]]) -> None:
    trained, fresh, inputs = networks
    course = cascade.Cascade(trained, fresh, inputs)
    course.randomise(cascade.STAGES[-1])
    np.testing.assert_allclose(course.network(inputs), fresh(inputs), rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="stage must be one of"):
        course.randomise("conv6")

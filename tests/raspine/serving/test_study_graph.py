import conftest
import keras
import numpy as np
import pytest
import tensorflow as tf

from raspine import risk
from raspine.explanation import gradcam
from raspine.inputs import slices
from raspine.models import resnet
from raspine.serving import signatures, study_graph

SIZE = (96, 64)


def _model(per_slice: bool) -> risk.RiskModel:
    keras.utils.set_random_seed(5)
    network = resnet.resnet(26, (*SIZE, 3), per_slice=per_slice, clinical=0 if per_slice else 2)
    columns = () if per_slice else ("age",)
    settings = risk.Settings(
        slices.Choice(count=3, size=(100, 80), pixel_mm=1.0), *SIZE, columns, ((50.0, 10.0),) * len(columns),
        per_slice=per_slice,
    )  # fmt: skip
    return risk.RiskModel(network, settings, {})


@pytest.mark.parametrize("per_slice", [False, True])
def test_the_map_in_the_graph_is_that_of_tf_keras_vis(per_slice: bool) -> None:
    model = _model(per_slice)
    pixels = np.stack([conftest.smooth(100, 80, seed) for seed in range(12)]).reshape(4, 3, 100, 80)
    inputs = model.inputs(model.framed(pixels), tf.constant(np.full((4, 6), 40.0, np.float32)))
    found = tf.function(study_graph.Mapped(model).answer)(inputs)
    images, clinical = (inputs, None) if per_slice else (inputs["image"], inputs["clinical"])
    expected = gradcam.Explainer(model.network)(images, clinical)
    assert expected.shape == ((4, 3, *SIZE) if per_slice else (4, *SIZE))
    assert (expected.reshape(4, -1).max(1) > 1e-2).sum() >= 2
    assert expected.std() > 1e-3
    np.testing.assert_allclose(found[signatures.MAP], expected, atol=1e-5 * max(1, expected.max()))
    np.testing.assert_allclose(found[signatures.RISK], model.risk(pixels, np.full((4, 6), 40.0, np.float32)), atol=1e-6)

"""The float32 twin of a network trained in bfloat16: tf-keras-vis and gradients of small maps want float32."""

from collections.abc import Callable
from typing import Any

import keras


def twin(model: keras.Model) -> keras.Model:
    """Returns a network of the same weights that computes in float32; the model itself if it already does.

    Args:
      model: functional, of layers that are registered with Keras.
    """
    if is_own(model):
        return model
    same = keras.models.clone_model(model, clone_function=from_config(lambda config: config | {"dtype": "float32"}))
    same.set_weights(model.get_weights())
    return same


def is_own(model: keras.Model) -> bool:
    """Returns whether a network computes in float32, so that it is its own twin."""
    return all(layer.compute_dtype == "float32" for layer in model.layers)


def from_config(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[keras.layers.Layer], Any]:
    """Returns a function for `keras.models.clone_model` that makes each layer anew from its changed configuration."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        return layer.from_config(config if isinstance(layer, keras.layers.InputLayer) else change(config))

    return clone

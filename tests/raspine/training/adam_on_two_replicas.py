"""Trains a small network on one device and on two replicas; prints how far the results are apart, as JSON."""

import json

import keras
import numpy as np
import tensorflow as tf

from raspine.models.layers import FusedBatchNormalization, PointwiseConvolution, SymmetricConvolution
from raspine.training.adam import FusedAdam

EPOCHS = 3


def data() -> tuple[np.ndarray, np.ndarray]:
    """Two equal halves of a batch: then each replica's statistics are those of the whole batch."""
    generator = np.random.default_rng(0)
    images, targets = generator.normal(size=(2, 8, 8, 3)), generator.normal(size=(2, 8, 8, 2))
    return np.tile(images, (2, 1, 1, 1)).astype("f"), np.tile(targets, (2, 1, 1, 1)).astype("f")


def trained() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    maps = SymmetricConvolution(6, 3)(inputs)
    maps = FusedBatchNormalization(activation="relu", name="norm")(maps)
    model = keras.Model(inputs, PointwiseConvolution(2, use_bias=True)(maps))
    optimizer = FusedAdam(0.01, weight_decay=0.1, use_ema=True)
    model.compile(optimizer, "mse", jit_compile=False)
    model.fit(*data(), batch_size=4, epochs=EPOCHS, shuffle=False, verbose=0)
    return model


def furthest(ones: list, others: list) -> float:
    pairs = zip(ones, others, strict=True)
    return max(float(np.abs(np.asarray(one) - np.asarray(other)).max()) for one, other in pairs)


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    single = trained()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        double = trained()
    copies = [strategy.experimental_local_results(weight.value) for weight in double.weights]
    norm, other = single.get_layer("norm"), double.get_layer("norm")
    result = {
        "replicas": strategy.num_replicas_in_sync,
        "replicas_apart": furthest([first for first, _ in copies], [second for _, second in copies]),
        "weights": furthest(single.get_weights(), double.get_weights()),
        "moving_mean": furthest([norm.moving_mean], [other.moving_mean]),
        "moving_variance": furthest([norm.moving_variance], [other.moving_variance]),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

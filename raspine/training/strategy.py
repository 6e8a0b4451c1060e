"""Where a network trains: one device, or every GPU (or logical CPU) of the machine."""

import tensorflow as tf

NAMES = ("one_device", "mirrored")


def make(name: str) -> tf.distribute.Strategy:
    """Returns the strategy of that name.

    `one_device` takes the first GPU when there is one, else the CPU; `mirrored` all GPUs, else all logical CPUs.

    Raises:
      ValueError: an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"A strategy is one of {', '.join(NAMES)}. Received: '{name}'.")
    gpus = [device.name.replace("/physical_device:", "/") for device in tf.config.list_physical_devices("GPU")]
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(gpus[0] if gpus else "/CPU:0")
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    return tf.distribute.MirroredStrategy(gpus or cpus)


def split_cpu(count: int) -> None:
    """Makes `count` logical CPUs of the machine's one, to run `mirrored` without GPUs; before any TensorFlow work."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)

"""tf.data pipelines and augmentation, a file per task."""

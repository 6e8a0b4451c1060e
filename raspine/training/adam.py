"""Adam through TensorFlow's fused kernel."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="raspine")
class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam (Kingma and Ba, 2015) with one operation per variable instead of some ten.

    Takes the arguments of `keras.optimizers.Adam` and gives its result, up to float32 rounding: in both,
    epsilon is added to the square root of the raw second moment, outside the bias correction (the paper's
    "epsilon hat"). With `weight_decay` the decay is decoupled, as in `keras.optimizers.AdamW`. Clipping,
    schedules, averaging of weights, gradient accumulation and saved state are Keras's own. `amsgrad` and
    sparse gradients take Keras's operations.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates a variable and its two moments in place.

        Args:
          gradient: a tensor of the variable's shape.
          variable: the `tf.Variable` to update; under a distribution strategy, a replica's own.
          learning_rate: scalar, before bias correction.
        """
        if self.amsgrad or not isinstance(gradient, tf.Tensor) or not _is_resource(variable):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        step = tf.cast(self.iterations.value + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


def _is_resource(variable: Any) -> bool:
    handle = getattr(variable, "handle", None)
    return handle is not None and handle.dtype == tf.resource

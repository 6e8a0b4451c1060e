"""Adam through TensorFlow's fused kernel."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="raspine")
class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam (Kingma and Ba, 2015) with one operation per variable instead of some ten.

    Takes the arguments of `keras.optimizers.Adam` and gives its result, up to float32 rounding: in both, epsilon is
    added to the square root of the raw second moment, outside the bias correction (the paper's "epsilon hat"). With
    `weight_decay` the decay is decoupled, as in `keras.optimizers.AdamW`. Clipping, schedules, averaging of weights,
    gradient accumulation and saved state are Keras's own. `amsgrad` and sparse gradients take Keras's operations.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates a variable and its two moments in place.

        Args:
          gradient: a tensor of the variable's shape.
          variable: the `tf.Variable` to update; under a distribution strategy, a replica's own.
          learning_rate: scalar, before bias correction; or what `_step_scalars` makes of it.
        """
        scalars = learning_rate if isinstance(learning_rate, dict) else self._step_scalars(learning_rate)
        if self.amsgrad or not isinstance(gradient, tf.Tensor) or not _is_resource(variable):
            super().update_step(gradient, variable, scalars["lr"])
            return
        index = self._get_variable_index(variable)
        if variable.dtype != tf.float32:
            scalars = {name: tf.cast(scalar, variable.dtype) for name, scalar in scalars.items()}
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=tf.cast(gradient, variable.dtype),
            **scalars,
        )

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        # Keras hands the learning rate on to every `update_step`, to the right replica: the other scalars go with it,
        # so that a network of a thousand variables traces them once.
        super()._backend_update_step(grads, trainable_variables, self._step_scalars(learning_rate))

    def _step_scalars(self, learning_rate: Any) -> dict[str, tf.Tensor]:
        """Returns the kernel's scalar arguments for this step, float32."""
        beta_1, beta_2 = tf.constant(self.beta_1), tf.constant(self.beta_2)
        step = tf.cast(self.iterations, tf.float32) + 1
        return {
            "lr": tf.cast(learning_rate, tf.float32),
            "beta1": beta_1,
            "beta2": beta_2,
            "beta1_power": tf.pow(beta_1, step),
            "beta2_power": tf.pow(beta_2, step),
            "epsilon": tf.constant(self.epsilon),
        }


def _is_resource(variable: Any) -> bool:
    handle = getattr(variable, "handle", None)
    return handle is not None and handle.dtype == tf.resource

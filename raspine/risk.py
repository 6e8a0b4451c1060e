"""A trained risk network with all it needs from slices to a risk: the model directory, and its use."""

import dataclasses
import functools
import math
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import atomic, clinical, model_directory, model_identity, quoting
from raspine.inputs import framing, slices, studies
from raspine.model_directory import CARD, MAX_SIDE, WEIGHTS, ModelDirectoryError
from raspine.models import float32, inference

FORMAT = 1
TASK = "deformity"
DEFAULT_THRESHOLD = 0.5
VERDICTS = ("negative", "positive")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What leads from slices to a risk; stands in the model directory as JSON.

    Attributes:
      choice: which slices of a volume the network was trained on.
      height: of the network's input, pixels, cut from the middle of the slices.
      width: of the network's input, pixels.
      columns: names of the clinical columns that the network takes.
      scale: their (mean, deviation) over the training studies.
      logit_shift: added to the logit; takes the weighting of the classes back, so that after training by cross-entropy
        the risk is a probability at the prevalence of the training studies. The focal loss and smoothed labels give
        no probabilities.
      per_slice: whether one encoder looks at each slice, so that each gets a map of its own.
    """

    choice: slices.Choice
    height: int
    width: int
    columns: tuple[str, ...] = ()
    scale: tuple[tuple[float, float], ...] = ()
    logit_shift: float = 0.0
    per_slice: bool = False

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= MAX_SIDE:
                raise ValueError(f"'{name}' is a whole number of 1 to {MAX_SIDE}. Received: {quoting.received(value)}.")
        if not isinstance(self.per_slice, bool) or not math.isfinite(self.logit_shift):
            raise ValueError("'per_slice' is true or false, and 'logit_shift' a finite number.")
        if not all(math.isfinite(mean) and 0 < deviation < math.inf for mean, deviation in self.scale):
            raise ValueError(
                f"'scale' holds finite means and deviations above 0. Received: {quoting.received(self.scale)}."
            )
        if unknown := set(self.columns) - set(clinical.COLUMNS):
            raise ValueError(f"No clinical columns: {', '.join(sorted(unknown))}.")
        if len(self.scale) != len(self.columns):
            raise ValueError(f"{len(self.columns)} clinical columns need as many scales. Received: {len(self.scale)}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Settings":
        """Returns the settings that `RiskModel.described` gave as JSON values.

        Raises:
          ValueError, KeyError, TypeError, AttributeError: they are none.
        """
        read = {
            "choice": slices.Choice.from_dict(values["choice"]),
            "columns": tuple(values["columns"]),
            "scale": tuple((float(mean), float(deviation)) for mean, deviation in values["scale"]),
        }
        return cls(**{**values, **read})

    @property
    def places(self) -> tuple[int, ...]:
        """Positions of the clinical columns in `clinical.COLUMNS`."""
        return tuple(clinical.COLUMNS.index(name) for name in self.columns)


class RiskModel:
    """Gives the risk of a later deformity from the slices of a baseline study.

    Attributes:
      network: standardised slices (and clinical values) to one logit.
      settings: what comes before and after.
      card: what is known of its training: versions, data hash, figures, the threshold; free JSON.
      fast: whether a twin answers that holds the weights as they are at the first answer (see `models.inference`):
        for a network that is trained no further.
      precision: of that twin.
    """

    def __init__(
        self,
        network: keras.Model,
        settings: Settings,
        card: dict[str, Any] | None = None,
        fast: bool = False,
        precision: str = "float32",
        threshold: float | None = None,
    ):
        expected = (None, settings.height, settings.width, settings.choice.count)
        shapes = [expected, (None, 2 * len(settings.columns))][: 2 if settings.columns else 1]
        if [tuple(one.shape) for one in network.inputs] != shapes or network.output_shape != (None, 1):
            received = quoting.line([tuple(one.shape) for one in (*network.inputs, *network.outputs)])
            raise ModelDirectoryError(f"The network takes and gives {received}, its settings say {shapes}, (None, 1).")
        self.network, self.settings, self.card = network, settings, card or {}
        self.fast, self.precision, self._threshold = fast, inference.checked(precision), threshold
        self._logit = tf.function(lambda inputs: self._answering(inputs)[:, 0], reduce_retracing=True)

    @functools.cached_property
    def _answering(self) -> inference.Network:
        if self.fast:
            return inference.fast(self.network, self.precision)
        return functools.partial(self.network, training=False)

    def answering(self, fast: bool, precision: str = "float32") -> "RiskModel":
        """Returns the same network, answering by the fast way or by itself; see `load`."""
        return RiskModel(self.network, self.settings, self.card, fast, precision, self._threshold)

    def as_trained(self) -> "RiskModel":
        """Returns the network as trained, not folded, in float32; always the same one, since each traces its graph."""
        is_one = not self.fast and float32.is_own(self.network)
        return self if is_one else self._trained

    @functools.cached_property
    def _trained(self) -> "RiskModel":
        return RiskModel(float32.twin(self.network), self.settings, self.card, threshold=self._threshold)

    def with_threshold(self, threshold: float) -> "RiskModel":
        """Returns the same network with another threshold, which `save` does not keep."""
        return RiskModel(self.network, self.settings, self.card, self.fast, self.precision, threshold)

    @property
    def threshold(self) -> float:
        """From which risk on a verdict is positive: the one given, Youden's on the validation studies, else 0.5."""
        if self._threshold is not None:
            return self._threshold
        chosen = self.card.get("validation", {}).get("val_threshold")
        return DEFAULT_THRESHOLD if chosen is None else float(chosen)

    @functools.cached_property
    def identity(self) -> model_identity.ModelIdentity:
        """Which model this is: the same for the same weights, settings and threshold."""
        settings = {
            "task": TASK,
            "settings": self.described(),
            "threshold": self.threshold,
            "network": model_identity.architecture(self.network),
        }
        return model_identity.of_model(TASK, self.network.get_weights(), settings, self.fast, self.precision)

    def described(self) -> dict[str, Any]:
        """Returns the settings as JSON values."""
        return {**dataclasses.asdict(self.settings), "choice": self.settings.choice.to_dict()}

    def inputs(self, images: tf.Tensor, clinical_values: tf.Tensor | None = None) -> studies.Inputs | tf.Tensor:
        """Returns what the network takes.

        Args:
          images: float32 [batch, height, width, slice], values 0..1, cut to the network's size.
          clinical_values: float32 [batch, column] as in `clinical.COLUMNS`, NaN where missing; all missing if None.
        """
        if clinical_values is None:
            clinical_values = tf.fill((tf.shape(images)[0], len(clinical.COLUMNS)), np.float32(np.nan))
        scale = tf.constant(np.array(self.settings.scale, np.float32).reshape(-1, 2).T)
        return studies.network_inputs(framing.standardise(images), clinical_values, self.settings.places, scale)

    def framed(self, pixels: NDArray[np.uint16] | tf.Tensor) -> tf.Tensor:
        """Returns float32 [study, height, width, slice], values 0..1, from slices as `inputs.slices` takes them.

        Args:
          pixels: uint16 [study, slice, row, column]; works eagerly and in a graph.
        """
        images = tf.cast(tf.transpose(tf.convert_to_tensor(pixels), (0, 2, 3, 1)), tf.float32) / 65535.0
        return studies.cut(images, (self.settings.height, self.settings.width))

    def logits(self, images: tf.Tensor, clinical_values: tf.Tensor | None = None) -> tf.Tensor:
        """Returns float32 [batch]: the network's logit, the weighting of the classes taken back; see `inputs`."""
        return self.logits_of(self.inputs(images, clinical_values))

    def logits_of(self, inputs: studies.Inputs | tf.Tensor) -> tf.Tensor:
        """Returns `logits` of what `inputs` returns; graph ops."""
        return tf.cast(self._logit(inputs), tf.float32) + self.settings.logit_shift

    def risk(
        self, pixels: NDArray[np.uint16], clinical_values: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Returns float32 [study], 0..1: the risk of studies.

        Args:
          pixels: uint16 [study, slice, row, column], from `inputs.slices.take` by `settings.choice`.
          clinical_values: float32 [study, column] as in `clinical.COLUMNS`, NaN where missing.
        """
        values = None if clinical_values is None else tf.constant(clinical_values, tf.float32)
        return tf.sigmoid(self.logits(self.framed(pixels), values)).numpy()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the model directory `folder`, replacing an older one."""
        with atomic.atomic_directory(folder, replace=True) as aside:
            self.network.save(aside / WEIGHTS)
            whole = {"format": FORMAT, "task": TASK, "settings": self.described(), "card": self.card}
            atomic.write_json(aside / CARD, whole)


def verdict(risk: float, threshold: float) -> str:
    """Returns `positive` from the threshold on, else `negative`."""
    return VERDICTS[int(risk >= threshold)]


def load(folder: str | os.PathLike[str], fast: bool = True, precision: str = "float32") -> RiskModel:
    """Returns the risk model in a model directory (`best/` or `last/` of a run).

    Args:
      folder: the model directory.
      fast: whether it answers by the fast way, which does not follow its network when that is trained further.
      precision: "float32", "bfloat16" or "auto" of the fast way, see `models.inference.fast`. Risks of the default do
        not depend on the CPU.

    Raises:
      ModelDirectoryError: the folder is not one, or of another format or task.
      ValueError: for an unknown precision.
    """
    inference.checked(precision)
    with model_directory.understood(folder):
        stored = model_directory.card(folder, TASK, FORMAT)
        settings, card = Settings.from_dict(stored["settings"]), _checked(stored["card"])
    return RiskModel(model_directory.network(folder), settings, card, fast, precision)


def _checked(card: Any) -> dict[str, Any]:
    """Returns what is known of the training, once the threshold in it is one."""
    chosen = dict(card).get("validation", {}).get("val_threshold")
    if chosen is not None and not 0.0 <= float(chosen) <= 1.0:
        raise ValueError(f"'val_threshold' is 0 to 1. Received: {quoting.received(chosen)}")
    return dict(card)

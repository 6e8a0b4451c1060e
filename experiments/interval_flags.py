"""The flags of experiments.evaluate that say how intervals are made, whatever is scored."""

from absl import flags

from raspine.evaluation import resampling

CONFIDENCE = flags.DEFINE_float("confidence", 0.95, "Of all intervals.", lower_bound=0.5, upper_bound=0.999)
SEED = flags.DEFINE_integer("bootstrap_seed", 0, "Of the resamples of patients.", lower_bound=0)
RESAMPLES = flags.DEFINE_integer("resamples", resampling.RESAMPLES, "Resamples of patients.", 200, 100_000)

"""Scores a model on a split of a data set.

    python -m experiments.evaluate --model=run/best --data=DIR --split=test --output_dir=DIR

What the model is for stands in its directory. A landmark model is scored on films, in millimetres of the native
pixels: summary.json (mean radial error, detection rates, failures, PCK, errors of the distances, sensitivity and
specificity; all over, by landmark, by position, by patient group, by patient, and between annotators, with intervals
that draw patients, agreement of model and annotators, and what verdicts are worth), films.csv (a row for each film and
landmark, then for each film and distance), raters.csv (each distance as each rater measured it), landmarks.png and
distances.png, and in overlays/ the best, median and worst films: rings are the annotator, dots the model. A landmark
that was not found is left out of the mean, and counts as a failure and against the detection rates. A film without
spacing is counted and left out of everything in mm. The truth is the annotators' consensus, or --annotator.

A risk model is scored on studies: summary.json (AUC with DeLong's interval on the logit scale; sensitivity,
specificity, PPV, NPV, accuracy with Wilson's, and what else follows from the four cells; calibration; net benefit; by
patient group; all at one threshold), studies.csv, roc.png, precision_recall.png, confusion.png and risks.png. When
patients have several studies, intervals draw patients. The threshold is frozen from another run (--threshold_from:
external validation), given (--threshold), or chosen on the validation split of --data; data without one are judged
at the model's own. summary.json says which.

Both leave tensorboard/ with the figures beside the model's recipe, curves and pictures; experiments.report makes one
page of it all.

Exits with 0 when something was scored, 1 when there was nothing, 2 when the flags are wrong.
"""

from collections.abc import Sequence

from absl import flags

from experiments import film_evaluation, interval_flags, models, requests, risk_threshold, study_evaluation
from raspine import landmarker, program

_MODEL = flags.DEFINE_string("model", None, "Model directory: best/ or last/ of a run.", required=True)
_DATA = flags.DEFINE_string("data", None, "Data set of data_prep.radiographs or data_prep.mri.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "Which films or studies.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make.", required=True)
_BATCH = flags.DEFINE_integer("batch", 8, "Films or studies that go through the network together.", lower_bound=1)
for _module in (film_evaluation, study_evaluation, risk_threshold, interval_flags):
    flags.adopt_module_key_flags(_module)


def main(argv: Sequence[str]) -> None:
    """Scores the model that the flags name."""
    program.check_flags_alone(argv)
    program.check_new_folder(_OUTPUT_DIR.value)
    film_evaluation.check()
    study_evaluation.check()
    task = models.task(_MODEL.value)
    is_film = task == landmarker.TASK
    foreign = (*study_evaluation.NAMES, *risk_threshold.NAMES) if is_film else film_evaluation.NAMES
    if given := [name for name in foreign if flags.FLAGS[name].present]:
        raise program.UsageError(f"--{given[0]} is not for a model of {task}.")
    request = requests.Request(_MODEL.value, _DATA.value, _SPLIT.value, _OUTPUT_DIR.value, _BATCH.value)
    print(film_evaluation.evaluate(request) if is_film else study_evaluation.evaluate(request))


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

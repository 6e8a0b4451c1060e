"""What experiments.predict and dicom_results ask of their flags and arguments alike: a model, films or studies."""

import os
from collections.abc import Sequence

from absl import flags

from experiments import endpoints, film_prediction, models, prediction, risk_threshold, study_prediction
from raspine import landmarker, program
from raspine.serving.remote import RemoteModel

MODEL = flags.DEFINE_string("model", "", "Model directory: best/ or last/ of a run; or give --endpoint.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make.", required=True)


def check(paths: Sequence[str], pictures: bool) -> None:
    """Checks what can be checked before the network is loaded, or a server asked.

    Args:
      paths: the arguments.
      pictures: whether there will be pictures.

    Raises:
      UsageError: a file or folder is missing, or the flags do not fit together.
    """
    endpoints.check(bool(MODEL.value))
    if not paths:
        raise program.UsageError("name the films or studies: files or folders after the flags.")
    for path in paths:
        if not os.path.exists(path):
            raise program.UsageError(f"no such file or folder: '{path}'.")
    program.check_new_folder(OUTPUT_DIR.value)
    film_prediction.check()
    study_prediction.check(pictures, remote=not MODEL.value)


def is_for_films(remote: RemoteModel | None) -> bool:
    """Returns whether the model reads films; otherwise it reads studies.

    Args:
      remote: the model behind an endpoint; None for --model.

    Raises:
      UsageError: the folder is no model directory, or a flag is given that is for the other task.
    """
    task = remote.task if remote else models.task(MODEL.value)
    is_film = task == landmarker.TASK
    prediction.refuse_foreign(
        (*study_prediction.NAMES, *risk_threshold.NAMES) if is_film else film_prediction.NAMES, task
    )
    return is_film

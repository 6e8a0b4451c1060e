"""What truth.json says about synthetic studies, by the pseudonyms of a data set: Bayes scores, masks of the signs."""

import csv
import json
import pathlib
import shutil
from typing import Any

from experiments import steps

REFERENCE_FIELDS = ("study", "score")


def of_data(phantom: pathlib.Path, private_log: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns the truth of each study of a data set by its pseudonym.

    Args:
      phantom: folder of data_prep.phantom --kind=mri.
      private_log: of the data_prep.mri run on it.
    """
    truth = json.loads((phantom / "truth.json").read_text(encoding="utf-8"))
    by_uid = {study["study_uid"]: study for study in truth["studies"]}
    return {pseudonym: by_uid[uid] for pseudonym, uid in steps.names(private_log, "study").items() if uid in by_uid}


def bayes_auc(phantom: pathlib.Path) -> float:
    """Returns the AUC that the best possible reader of the signs has over all such patients."""
    return float(json.loads((phantom / "truth.json").read_text(encoding="utf-8"))["bayes_auc"])


def write_reference(path: pathlib.Path, studies: dict[str, dict[str, Any]]) -> None:
    """Writes the Bayes score of each study as experiments.evaluate takes it with --reference."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(REFERENCE_FIELDS)
        writer.writerows((pseudonym, study["bayes_score"]) for pseudonym, study in sorted(studies.items()))


def gather_masks(folder: pathlib.Path, phantom: pathlib.Path, studies: dict[str, dict[str, Any]]) -> None:
    """Copies the masks of the signs to where experiments.explain looks for them, named by pseudonym."""
    folder.mkdir(parents=True)
    for pseudonym, study in studies.items():
        shutil.copy(phantom / study["mask"], folder / f"{pseudonym}.nii.gz")

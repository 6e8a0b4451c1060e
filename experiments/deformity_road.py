"""The deformity road on synthetic studies: DICOM, TFRecords, a network, figures beside the best possible, Grad-CAM."""

import dataclasses
import json
import pathlib
import shutil
from typing import Any

from experiments import phantom_truth, steps

_SIGNS = {"1": "behind the dens", "2": "worn disc"}  # labels of the phantom's masks


@dataclasses.dataclass(frozen=True)
class Plan:
    """How large the road is.

    Attributes:
      train, validation, test: synthetic patients in each split.
      unseen: patients of another seed, with everything that a scanner sends, for experiments.predict.
      matrix: rows and columns that the scanners acquire; 0 for their own.
      size: (rows, columns) of the slices.
      pixel_mm: of the slices.
      methods: of the explanation, the first one is Grad-CAM.
      check_studies: whose maps are checked.
      flagfile: of the training.
      seed: of the patients and the training.
    """

    train: int
    validation: int
    test: int
    unseen: int
    matrix: int
    size: tuple[int, int]
    pixel_mm: float
    flagfile: pathlib.Path
    seed: int
    methods: tuple[str, ...] = ("gradcam", "gradcam++", "layercam", "saliency")
    check_studies: int = 16

    @property
    def patients(self) -> int:
        """Patients of all splits."""
        return self.train + self.validation + self.test


def run(work: pathlib.Path, results: pathlib.Path, plan: Plan) -> None:
    """Goes the whole road.

    Args:
      work: folder for what lies in between.
      results: folder to make: best/, summary.json, predictions.json, pictures.
      plan: how large.
    """
    _make_records(work, plan)
    model = f"--model={work / 'run' / 'best'}"
    steps.run(
        f"training a ResNet on {plan.train} synthetic patients",
        "experiments.train",
        f"--flagfile={plan.flagfile}",
        f"--data={work / 'records'}",
        f"--output_dir={work / 'run'}",
        f"--seed={plan.seed}",
    )
    _evaluate(work, model, plan)
    _predict(work, model, plan)
    _collect(work, results)
    steps.run("exporting a SavedModel", "experiments.export", model, f"--output_dir={results / 'export'}")
    steps.report(results)


def _make_records(work: pathlib.Path, plan: Plan) -> None:
    studies = work / "studies"
    steps.run(
        "making synthetic MRI studies as DICOM",
        "data_prep.phantom",
        "--kind=mri",
        f"--patients={plan.patients}",
        f"--seed={plan.seed}",
        "--content=baseline_t2",
        "--doubtful=0",
        f"--matrix={plan.matrix}",
        f"--output_dir={studies}",
    )
    steps.run(
        "writing TFRecords, split by patient",
        "data_prep.mri",
        f"--studies={studies / 'dicom'}",
        f"--outcomes={studies / 'outcomes.csv'}",
        f"--split_counts={plan.train},{plan.validation},{plan.test}",
        "--stratify",
        f"--pixel_mm={plan.pixel_mm}",
        f"--size={plan.size[0]},{plan.size[1]}",
        f"--private_log={work / 'names.csv'}",
        f"--output_dir={work / 'records'}",
    )


def _evaluate(work: pathlib.Path, model: str, plan: Plan) -> None:
    studies, data = work / "studies", f"--data={work / 'records'}"
    truth = phantom_truth.of_data(studies, work / "names.csv")
    phantom_truth.write_reference(work / "bayes.csv", truth)
    phantom_truth.gather_masks(work / "masks", studies, truth)
    steps.run(
        "evaluating on unseen patients",
        "experiments.evaluate",
        model,
        data,
        "--split=test",
        f"--reference={work / 'bayes.csv'}",
        f"--output_dir={work / 'evaluated'}",
    )
    steps.run(
        "explaining: maps by four methods, and whether they mean anything",
        "experiments.explain",
        model,
        data,
        "--split=test",
        f"--masks={work / 'masks'}",
        f"--method={','.join(plan.methods)}",
        "--checks=all",
        f"--check_studies={plan.check_studies}",
        f"--output_dir={work / 'explained'}",
    )


def _predict(work: pathlib.Path, model: str, plan: Plan) -> None:
    others = work / "others"
    steps.run(
        "making other patients, with every series that a scanner sends",
        "data_prep.phantom",
        "--kind=mri",
        f"--patients={plan.unseen}",
        f"--seed={plan.seed + 1}",
        f"--output_dir={others}",
    )
    steps.run(
        "scoring their study folders",
        "experiments.predict",
        model,
        f"--output_dir={work / 'predicted'}",
        str(others / "dicom"),
    )


def _collect(work: pathlib.Path, results: pathlib.Path) -> None:
    shutil.copytree(work / "evaluated", results)
    shutil.copytree(work / "explained", results / "explained")
    for name in ("predictions.json", "predictions.csv", "refused.csv", "overlays"):
        shutil.move(work / "predicted" / name, results / name)
    steps.collect(work, results)


def figures(work: pathlib.Path, results: pathlib.Path) -> list[str]:
    """Returns what the road has shown, in lines for people."""
    best_possible = phantom_truth.bayes_auc(work / "studies")
    summary = _json(results / "summary.json")
    energy = _json(results / "explained" / "explanations.json")["energy"]
    by_label = energy.get("by_label", {})
    low, high = summary["auc_ci"]
    return [
        f"Deformity, synthetic studies of patients unseen in training ({summary['n']} studies):",
        f"  AUC                        {summary['auc']:.3f} [{low:.3f}, {high:.3f}]",
        f"  the Bayes score's AUC      {summary['reference_auc']:.3f} on them, {best_possible:.3f} over all patients",
        f"  Grad-CAM within the signs  {_energy(energy)}",
        *(f"    {name:<24} {_energy(by_label[label])}" for label, name in _SIGNS.items() if label in by_label),
        f"  study folders scored       {len(_json(results / 'predictions.json'))}",
    ]


def _energy(measured: dict[str, Any]) -> str:
    """Returns the shares of Grad-CAM's energy; a map may be empty in every study."""
    shares = [measured["gradcam"][which] for which in ("trained", "randomised")]
    trained, randomised = ("none" if share is None else f"{share:.1%}" for share in shares)
    return f"{trained}, of randomised networks {randomised}"


def _json(path: pathlib.Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))

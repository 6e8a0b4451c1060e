"""The results of a cross-validation: per fold, over folds, pooled by repeat, over the number of training patients."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments import cross_figures, cross_pooled, cross_tables
from experiments.cross_request import Request
from experiments.cross_tables import Judged
from raspine import atomic, landmarks, program, provenance
from raspine.evaluation import keypoints, over_folds
from raspine.inputs import redealing
from raspine.inputs.folds import Fold, leaked

Figures = Mapping[str, over_folds.Bounds]
_FEW = 10  # folds of all repeats
_NOTES = (
    "every figure is of internal validation: the patients come from the same source as those in training.",
    "the networks of different folds differ; none of them is the network to use: train one on all patients for that.",
)


def write(request: Request, folds: Sequence[Fold], thin: Sequence[Fold], source: redealing.Contents) -> str:
    """Writes summary.json, studies.csv or films.csv, and the pictures; returns the closing line.

    Args:
      request: what was asked for.
      folds: all whole ones.
      thin: those of the learning curve.
      source: the records.

    Raises:
      NothingDone: a patient was in two parts.
    """
    judged, judged_thin = cross_tables.read(request, folds), cross_tables.read(request, thin)
    schema = None if request.is_studies else landmarks.from_dict(source.manifest["schema"])
    figures = cross_tables.film_figures(schema) if schema else cross_tables.STUDY_FIGURES
    main = main_figures(schema)
    pooled = [
        {"repeat": repeat + 1, **(cross_pooled.films(some, schema) if schema else cross_pooled.studies(some))}
        for repeat, some in _by_repeat(judged)
    ]
    curve = learning_curve([*judged_thin, *[one for one in judged if one.fold.repeat == 0]], figures) if thin else []
    summary = {
        "task": request.task,
        "synthetic": bool(source.manifest.get("synthetic")),
        "n": len(source.records),
        "n_patients": len(source.by_patient()),
        "n_positive_patients": sum(map(any, source.by_patient().values())),
        **_asked(request),
        **over_all(judged, figures),
        "by_fold": [_row(one, figures) for one in judged],
        "pooled": pooled,
        "learning_curve": curve,
        "leakage": leakage([*judged, *judged_thin], source),
        "data_hash": source.manifest.get("data_hash"),
        **provenance.describe(),
    }
    few = (
        f"{len(judged)} folds give the intervals of means {len(judged) - 1} degrees of freedom: --repeats narrows them."
    )
    summary["notes"] = [
        *_notes(summary, figures),
        *([few] if len(judged) < _FEW else []),
        *_NOTES,
        cross_pooled.FIXED_NOTE,
        *([] if schema else [cross_pooled.AUC_NOTE]),
    ]
    cross_tables.write(request, judged)
    cross_figures.folds(request.folder / "cross_validation.png", summary, main)
    if curve:
        cross_figures.learning_curve(request.folder / "learning_curve.png", summary, main)
    atomic.write_json(request.folder / "summary.json", keypoints.as_json(summary))
    return f"{_closing(summary, main)}: {request.folder}"


def main_figures(schema: landmarks.Schema | None) -> dict[str, str]:
    """Returns the figures that are drawn, with their names for people; of films with a schema, else of studies."""
    if schema is None:
        names = {"auc": "AUC"}
        return names | {name: name.replace("_", " ") for name in ("sensitivity", "specificity", "balanced_accuracy")}
    found = {"mre_mm": "mean radial error"}
    found |= {f"{d.name}_mae_mm": f"{d.name.upper()}, mean absolute error" for d in schema.distances}
    found |= {"sdr_2mm": "detected within 2 mm"}
    if cross_tables.verdict_names(schema):
        found |= {"verdict_sensitivity": "sensitivity", "verdict_specificity": "specificity"}
    return found


def over_all(judged: Sequence[Judged], figures: Figures) -> dict[str, Any]:
    """Returns each figure's mean over folds, `NAME_sd`, `NAME_ci`, `NAME_folds` (how many have it), and its method."""
    ratio = float(np.mean([_ratio(one.fold) for one in judged]))
    found: dict[str, Any] = {}
    for name, bounds in figures.items():
        values = [one.figure(name) for one in judged]
        told = over_folds.mean(values, ratio, bounds).to_dict()
        found |= {name: told["value"], f"{name}_sd": over_folds.deviation(values), f"{name}_ci": told["ci"]}
        found |= {f"{name}_folds": told["n"]} | ({f"{name}_note": told["note"]} if told["note"] else {})
    return {**found, "ci_method": over_folds.METHOD, "test_to_train": ratio, "confidence": 0.95}


def learning_curve(judged: Sequence[Judged], figures: Figures) -> list[dict[str, Any]]:
    """Returns a point for each share of the training patients, over the folds of the first repeat.

    Args:
      judged: the folds of the first repeat, whole and thinned.
      figures: by name, with the values that they can have.
    """
    points = []
    for share in sorted({one.fold.share for one in judged}):
        some = [one for one in judged if one.fold.share == share]
        patients = float(np.mean([len(one.fold.train) for one in some]))
        rows = [_row(one, figures) for one in some]
        points.append({"share": share, "n_train_patients": patients, **over_all(some, figures), "by_fold": rows})
    return points


def leakage(judged: Sequence[Judged], source: redealing.Contents) -> dict[str, Any]:
    """Returns what was checked about patients in two parts, from the tables of judged records.

    Raises:
      NothingDone: a patient was judged who took part in training, or not all were judged once a repeat.
    """
    two = {patient for one in judged for patient in leaked(one.fold.parts)}
    outside = {row["patient"] for one in judged for row in one.rows if row["patient"] not in set(one.fold.test)}
    whole = [one for one in judged if one.fold.share == 1]
    everyone = sorted(source.by_patient())
    is_once = all(
        sorted(patient for one in some for patient in {row["patient"] for row in one.rows}) == everyone
        for _, some in _by_repeat(whole)
    )
    if two or outside or not is_once:
        raise program.NothingDone(
            f"leak: {len(two)} patients in two parts of a fold, {len(outside)} judged outside the test part, "
            f"every patient judged once a repeat: {is_once}. Name another --output_dir and start anew."
        )
    return {
        "checked": "the patients of all judged records against those that the network learned from or was chosen on",
        "trainings": len(judged),
        "patients_in_two_parts": 0,
        "patients_judged_outside_test": 0,
        "every_patient_judged_once_a_repeat": True,
    }


def _by_repeat(judged: Sequence[Judged]) -> list[tuple[int, list[Judged]]]:
    repeats = sorted({one.fold.repeat for one in judged})
    return [(repeat, [one for one in judged if one.fold.repeat == repeat]) for repeat in repeats]


def _ratio(fold: Fold) -> float:
    """Returns the patients who test over those who do not: choosing an epoch belongs to the training."""
    return len(fold.test) / (len(fold.train) + len(fold.validation))


def _row(one: Judged, figures: Figures) -> dict[str, Any]:
    patients = {f"n_{part}_patients": len(names) for part, names in one.fold.parts.items()}
    counts = {"n": one.summary.get("n"), "positives": one.summary.get("positives")}
    # Intervals of a single fold stand in its own summary.json.
    values = {name: one.summary.get(name) for name in figures}
    return {"repeat": one.fold.repeat + 1, "fold": one.fold.number + 1, **patients, **counts, **values}


def _asked(request: Request) -> dict[str, Any]:
    wanted = request.sensitivity
    rule = "Youden's index" if wanted is None else f"sensitivity of at least {wanted:g}"
    return {
        "folds": request.folds,
        "repeats": request.repeats,
        "inner_fraction": request.inner,
        "splits": list(request.splits),
        "fold_seed": request.seed,
        "seed": request.training_seed,
        "threshold_rule": f"{rule} on the inner validation patients" if request.is_studies else None,
        "flags": [list(arguments) for arguments in request.stages],
    }


def _notes(summary: Mapping[str, Any], figures: Figures) -> list[str]:
    return [f"{name}: {summary[f'{name}_note']}" for name in figures if summary.get(f"{name}_note")]


def _closing(summary: Mapping[str, Any], main: Mapping[str, str]) -> str:
    def told(name: str) -> str:
        value, ends = summary[name], summary[f"{name}_ci"]
        if value is None:
            return f"{main[name]} -"
        return f"{main[name]} {value:.3g}" + (f" [{ends[0]:.3g}, {ends[1]:.3g}]" if ends else "")

    trained = f"{summary['repeats']} x {summary['folds']} folds of {summary['n_patients']} patients"
    return f"{trained}: {', '.join(told(name) for name in list(main)[:3])} (mean over folds)"

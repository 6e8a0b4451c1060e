"""Charts of made-up data, among them crowded and sparse ones, long words and large counts."""

from collections.abc import Callable
from typing import Any

import numpy as np

from raspine.evaluation.estimate import Estimate, undefined
from raspine.report import charts
from raspine.report.charts import Chart, FlowStep, ForestRow

SPLITS = ("train", "validation", "test")
LANDMARKS = ("anterior_arch_posterior", "dens_anterior", "dens_posterior", "posterior_arch_anterior")


def around(value: float, half: float, n: int = 0) -> Estimate:
    return Estimate(value, (value - half, value + half), n, "made up")


def scored(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    outcomes = (np.arange(n) % 3 == 0).astype(int)
    return np.clip(0.35 + 0.25 * outcomes + random.normal(0, 0.2, n), 0, 1), outcomes


def films(n: int = 400) -> dict[str, Any]:
    random = np.random.default_rng(1)
    reference = np.abs(random.normal(2, 1.3, n))
    measured = reference + random.normal(0.1, 0.7, n)
    measured[3] = np.nan
    return {
        "reference": reference,
        "measured": measured,
        "films": [f"F{film:05d}" for film in range(n)],
        "patients": [f"P{film // 5:04d}" for film in range(n)],
        "groups": [("neutral", "flexion", "extension")[film % 3] for film in range(n)],
    }


def errors(n: int = 408) -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)
    made = {name: np.exp(random.normal(-0.2, 0.6, n)) for name in LANDMARKS}
    made["dens_anterior"][:3] = np.nan
    made["dens_posterior"][0] = 64.0
    return made


def history(epochs: int, task: str) -> list[dict[str, Any]]:
    rows = []
    for epoch in range(1, epochs + 1):
        row: dict[str, Any] = {"epoch": epoch, "loss": 3 / epoch + 0.2}
        if task == "deformity":
            row |= {"val_loss": 3 / epoch + 0.4, "val_auc": 0.8 - 0.3 / epoch, "val_threshold": 0.3}
        elif epoch % 2 == 0:
            row |= {"val_pck": 1 - 0.3 / epoch, "val_mre_mm": 12 / epoch, "val_sdr_2mm": 1 - 1 / epoch}
        rows.append(row)
    return rows


def _roc(n: int, name: str) -> Chart:
    scores, outcomes = scored(n)
    return charts.roc(
        scores,
        outcomes,
        area=around(0.81, 0.1),
        threshold=0.45,
        band=charts.roc_band(scores, outcomes, resamples=100),
        operating={"sensitivity": around(0.68, 0.15), "specificity": around(0.8, 0.1)},
        name=name,
    )


def _calibration(n: int, name: str) -> Chart:
    risks, outcomes = scored(n)
    figures: dict[str, Any] = {"slope": around(0.84, 0.4), "intercept": around(-0.1, 0.2), "Brier score": 0.21}
    bins = charts.calibration_bins(risks, outcomes, 8)
    return charts.calibration(risks, outcomes, **bins, statistics=figures, name=name)


def _decision_curve() -> Chart:
    x = np.linspace(0.01, 0.9, 90)
    lines = {"model": 0.3 - 0.25 * x, "clinical variables": 0.3 - 0.35 * x, "treat all": 0.33 - 0.67 * x / (1 - x)}
    return charts.decision_curve(x, lines, chosen=0.3)


def _scatter() -> Chart:
    figures = {"Pearson r": around(0.86, 0.04), "ICC(A,1)": around(0.85, 0.05)}
    return charts.agreement_scatter(**films(), threshold=3.0, deming=(0.95, 0.2), statistics=figures)


def _bland_altman() -> Chart:
    limits: dict[str, Any] = {"bias": around(0.1, 0.1), "lower": around(-1.2, 0.15), "upper": around(1.4, 0.15)}
    return charts.bland_altman(**films(), **limits, margin=1.5)


def _two_films_differ() -> Chart:
    none = undefined("limits need three films")
    return charts.bland_altman([13, 14.0], [12, 15.0], bias=0.0, lower=none, upper=none, what="SAC", name="two_films")


def _rows() -> list[ForestRow]:
    return [
        ForestRow("under 40", around(1.1, 0.3, 40), "age"),
        ForestRow("60 and older", around(1.3, 0.4, 8), "age"),
        ForestRow("F", around(1.1, 0.1, 3000), "sex"),
        ForestRow("extension", undefined("no film"), "view"),
        ForestRow("SIEMENS Healthineers 3 T", around(1.0, 0.1, 200), "scanner"),
        ForestRow("other", around(12.8, 1.0, 4), "scanner"),
    ]


def _ratios() -> Chart:
    rows = [ForestRow("LR+", Estimate(5.89, (2.7, 12.6), 67)), ForestRow("LR−", Estimate(0.29, (0.1, 0.76), 67))]
    return charts.forest(rows, value_name="likelihood ratio", reference=1.0, logarithmic=True, name="ratios")


def _ages() -> Chart:
    ages = [None if patient % 50 == 0 else float(min(90, 35 + patient % 61)) for patient in range(400)]
    return charts.age_histogram(ages, [SPLITS[patient % 3] for patient in range(400)], order=SPLITS)


def _scanners() -> Chart:
    names = ("SIEMENS Healthineers 1.5 T", "GE MEDICAL SYSTEMS 3 T", "Philips 1.5 T", "other", "")
    values = [names[patient % 5] for patient in range(4000)]
    groups = [SPLITS[patient % 3] for patient in range(4000)]
    return charts.category_bars(values, groups, order=SPLITS, what="scanner", name="scanners")


def _one_sex() -> Chart:
    return charts.category_bars(["F"] * 4000, ["validation"] * 4000, name="one_sex")


def _flow() -> Chart:
    left = [("no pixel spacing", 7), ("not a lateral view of the cervical spine", 5)]
    steps = [FlowStep("Films found", 4712, "911 patients", left), FlowStep("Films kept", 4700, "906 patients")]
    counts = zip(SPLITS, (3480, 803, 408), strict=True)
    parts = [FlowStep(split.capitalize(), count, f"{count // 5} patients") for split, count in counts]
    return charts.cohort_flow(steps, parts)


def _flow_of_paper_1() -> Chart:
    left = [("without baseline sagittal T2", 12), ("excluded on review", 56), ("already deformed", 29)]
    steps = [
        FlowStep("Found by search", 3248),
        FlowStep("With an MRI", 2276),
        FlowStep("Two MRIs at least 1,000 days apart and a code of rheumatoid arthritis", 303, "", left),
        FlowStep("Kept", 220, "33 cases"),
    ]
    parts = [FlowStep("Training", 153, "21 cases"), FlowStep("Test", 67, "12 cases")]
    return charts.cohort_flow(steps, parts, name="flow_paper_1")


def _folds() -> Chart:
    random = np.random.default_rng(3)
    folds = {"ResNet-101": random.normal(0.8, 0.06, 25).tolist(), "clinical variables": [0.7, 0.7, float("nan")]}
    return charts.fold_dots(folds, {"ResNet-101": around(0.8, 0.07), "clinical variables": around(0.7, 0.1)})


def _trust() -> Chart:
    methods = ("Grad-CAM", "Grad-CAM++", "SmoothGrad", "Score-CAM", "Saliency")
    checks = ("randomisation", "repeatability across seeds", "localisation", "deletion")
    words = [["pass", "fail", "unknown", "pass"]] * 5
    values = [[0.1, 0.92, float("nan"), -0.04]] * 5
    return charts.trust_strip(methods, checks, values, words)


def _risks(n: int, name: str) -> Chart:
    risks, outcomes = scored(n)
    studies, patients = [f"S{study:05d}" for study in range(n)], [f"P{study:04d}" for study in range(n)]
    return charts.risks_by_outcome(risks, outcomes, threshold=0.45, studies=studies, patients=patients, name=name)


def _confusion() -> Chart:
    rates: dict[str, Any] = {
        "sensitivity": around(0.68, 0.1),
        "specificity": around(0.53, 0.1),
        "PPV": 0.45,
        "NPV": 0.74,
    }
    return charts.confusion_matrix(15, 7, 18, 20, rates=rates)


def _undecided() -> Chart:
    words: dict[str, Any] = {"positive": "ADI > 3 mm", "negative": "ADI ≤ 3 mm"}
    return charts.confusion_matrix(1068, 11, 141, 1186, undecided=(1, 22), name="undecided", **words)


SAMPLES: dict[str, Callable[[], Chart]] = {
    "cohort_flow": _flow,
    "flow_paper_1": _flow_of_paper_1,
    "ages": _ages,
    "scanners": _scanners,
    "one_sex": _one_sex,
    "training": lambda: charts.training_curves(history(11, "subluxation"), 8),
    "training_risk": lambda: charts.training_curves(history(100, "deformity"), 100, name="training_risk"),
    "one_epoch": lambda: charts.training_curves(history(1, "deformity"), 1, name="one_epoch"),
    "roc": lambda: _roc(90, "roc"),
    "roc_of_three": lambda: _roc(3, "roc_of_three"),
    "rocs": lambda: charts.rocs({"ResNet-101": (*scored(90), around(0.8, 0.1)), "clinical": (*scored(90, 5), 0.7)}),
    "precision_recall": lambda: charts.precision_recall(*scored(90), average_precision=0.7, threshold=0.45),
    "calibration": lambda: _calibration(90, "calibration"),
    "calibration_of_two": lambda: _calibration(2, "calibration_of_two"),
    "decision_curve": _decision_curve,
    "risks": lambda: _risks(400, "risks"),
    "risks_of_two": lambda: _risks(2, "risks_of_two"),
    "confusion": _confusion,
    "undecided": _undecided,
    "scatter": _scatter,
    "two_points": lambda: charts.agreement_scatter([13, 14], [12, 15], what="SAC", threshold=13, name="two_points"),
    "bland_altman": _bland_altman,
    "two_films": _two_films_differ,
    "landmark_errors": lambda: charts.error_by_landmark(errors()),
    "cumulative_error": lambda: charts.cumulative_error({"all": np.concatenate([*errors().values()]), **errors()}),
    "group_errors": lambda: charts.group_errors(_rows(), overall=around(1.05, 0.08, 400)),
    "ratios": _ratios,
    "learning_curve": lambda: charts.learning_curve([20, 40, 80], [[0.6, 0.7], [0.7, np.nan], [0.78, 0.8]]),
    "folds": _folds,
    "trust": _trust,
    "nothing": lambda: charts.roc([0.1, 0.2], [0, 0], name="nothing"),
}  # fmt: skip

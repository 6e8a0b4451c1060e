"""What a risk or a call is worth on patients whose outcome is known: one summary with intervals, ready for JSON.

Each row counts as one independent patient unless `patients` says whom it belongs to. A figure that is undefined is
null, and `notes` says why.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import auc, clustered, confusion, curves, intervals, resampling, scored, weighted_figures
from raspine.evaluation import calibration as calibrated
from raspine.evaluation.estimate import Estimate, undefined

NONE = -1
_CALIBRATION = (
    "brier", "brier_scaled", "mean_risk", "calibration_gap", "calibration_intercept", "calibration_slope",
    "calibration_error",
)  # fmt: skip
_WITHOUT_INTERVAL = ("calibration_error",)
_OTHERS = (
    ", that of the AUC from Obuchowski's variance, those of the recalibration from cluster-robust errors, both with "
    "Student's t; those of the calibration curve take rows as independent"
)
_NO_RISK = "no calibration, since the scores are not risks between 0 and 1"


def summary(
    scores: ArrayLike,
    outcomes: ArrayLike,
    threshold: float,
    threshold_source: str = "given",
    seed: int = 0,
    confidence: float = 0.95,
    patients: ArrayLike | None = None,
    auc_method: str = "delong_logit",
    share_method: str = "wilson",
    resamples: int = resampling.RESAMPLES,
) -> dict[str, Any]:
    """Returns discrimination, decisions at the threshold, and calibration.

    Intervals stand beside their figure as `NAME_ci`, [low, high]: of the AUC see `auc.area` (`auc_ci_method` names what
    was used), of the average precision and of the decisions see `curves` and `intervals`, of calibration `calibration`.
    When patients have several rows they are intervals of a bootstrap that draws patients, and of the AUC Obuchowski's,
    with the bootstrap's as `auc_ci_bootstrap`. `notes` says why a figure is missing or an interval has another method.

    Args:
      scores: float [row], risk 0..1; of scores beyond it the calibration is not computed.
      outcomes: int [row], 1 positive, 0 negative.
      threshold: positive from here up, chosen on other patients.
      threshold_source: where the threshold comes from, for people.
      seed: of the bootstrap.
      confidence: of all intervals, 0..1.
      patients: any [row], whom each row belongs to; None when each is another patient.
      auc_method: one of auc.METHODS.
      share_method: `wilson` or `clopper_pearson`, of rows that are patients.
      resamples: of the bootstrap of patients.

    Raises:
      ScoresError: scores, outcomes and patients do not fit, or the threshold is no number.
      ValueError: a method is not known.
    """
    numbers, positive = scored.checked(scores, outcomes)
    codes = scored.patient_codes(patients, numbers.size)
    bootstrap = clustered.Bootstrap(resamples, seed, confidence)
    cells = confusion.at(numbers, positive, threshold)
    area = auc.area(numbers, positive, confidence, auc_method, patients)
    discrimination = {"auc": area, "average_precision": _average_precision(numbers, positive, codes, bootstrap)}
    of_cells = _of_cells(numbers >= threshold, positive, codes, bootstrap, share_method)
    prevalence = {"prevalence": _prevalence(positive, codes, bootstrap, share_method)}
    trust = _calibration(numbers, positive, codes, bootstrap)
    everything = {**prevalence, **discrimination, **of_cells, **trust}
    is_risk = bool(((numbers >= 0) & (numbers <= 1)).all())
    curve = calibrated.groups(numbers, positive, confidence=confidence) if is_risk else ()
    return {
        "n": cells.n,
        "positives": int(positive.sum()),
        **_written(prevalence),
        **_written(discrimination),
        "auc_ci_method": area.method or None,
        "auc_se": _plain(area.standard_error),
        **_auc_bootstrap(numbers, positive, codes, bootstrap),
        "threshold": float(threshold),
        "threshold_source": threshold_source,
        **_written(of_cells),
        "confusion": cells.to_dict(),
        **_written(trust),
        "calibration_curve": [group.to_dict() for group in curve] if is_risk else None,
        "confidence": confidence,
        "notes": _notes(everything) + _clusters_note(codes, _OTHERS),
    }


def decisions(
    cells: confusion.Confusion, seed: int = 0, confidence: float = 0.95, share_method: str = "wilson"
) -> dict[str, Any]:
    """Returns what follows from the four cells, each cell counting independent patients, and the cells.

    Shares, F1, balanced accuracy, MCC, kappa, likelihood ratios and the diagnostic odds ratio, each with `_ci`; and
    `notes`.

    Args:
      cells: the decisions.
      seed: of the bootstrap of F1.
      confidence: of all intervals, 0..1.
      share_method: `wilson` or `clopper_pearson`.

    Raises:
      ValueError: the method is not known.
    """
    figures = intervals.of_cells(cells, confidence, share_method, seed)
    return {**_written(figures), "confusion": cells.to_dict(), "notes": _notes(figures)}


def verdicts(
    found: ArrayLike,
    truth: ArrayLike,
    patients: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    share_method: str = "wilson",
    resamples: int = resampling.RESAMPLES,
) -> dict[str, Any]:
    """Returns what calls without scores are worth, films' verdicts for example.

    A film without verdict counts as wrong: false negative when its truth is positive, false positive when it is
    negative (intention to diagnose: Schuetz, Schlattmann and Dewey, BMJ 345 (2012) e6717). Films of unknown truth are
    left out. Beside each figure stands `NAME_ci`, which draws patients when they have several films, and
    `NAME_ci_unclustered`, which takes films as independent (Wilson's of shares).

    Args:
      found: int [film], 1 positive, 0 negative, -1 none.
      truth: int [film], the same.
      patients: any [film], whom each film belongs to; None when each is another patient.
      seed: of the bootstrap.
      confidence: of all intervals, 0..1.
      share_method: `wilson` or `clopper_pearson`, of the unclustered shares.
      resamples: of the bootstrap of patients.

    Raises:
      ScoresError: found, truth and patients do not fit, or a verdict is another number.
      ValueError: the method is not known.
    """
    answers, truths = (_verdict_codes(codes) for codes in (found, truth))
    if answers.shape != truths.shape:
        raise scored.ScoresError(
            f"found and true verdicts are lists of one length. Received: {answers.size}, {truths.size}."
        )
    known = truths != NONE
    codes = scored.patient_codes(patients, truths.size)[known]
    answers, positive = answers[known], truths[known] == 1
    # Wrong whatever the truth.
    called = np.where(answers == NONE, ~positive, answers == 1)
    cells = confusion.of_calls(called, positive)
    bootstrap = clustered.Bootstrap(resamples, seed, confidence)
    apart = intervals.of_cells(cells, confidence, share_method, seed)
    figures = clustered.of_cells(called, positive, codes, bootstrap) if clustered.is_clustered(codes) else apart
    silent = int((answers == NONE).sum())
    said = [f"{silent} without verdict count as wrong."] if silent else []
    return {
        "n": cells.n,
        "n_patients": int(np.unique(codes).size),
        **_written(figures),
        **{f"{name}_ci_unclustered": figure.to_dict()["ci"] for name, figure in apart.items()},
        "confusion": {
            **cells.to_dict(),
            "positive_without_verdict": int((positive & (answers == NONE)).sum()),
            "negative_without_verdict": int((~positive & (answers == NONE)).sum()),
        },
        "confidence": confidence,
        "notes": _notes(figures) + said + _clusters_note(codes),
    }


def calibration(
    scores: ArrayLike,
    outcomes: ArrayLike,
    patients: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = resampling.RESAMPLES,
) -> dict[str, Any]:
    """Returns whether risks mean what they say.

    The Brier score, plain and scaled, the mean risk and its distance from the prevalence, intercept and slope of the
    logistic recalibration, and the expected calibration error, each with `_ci` where it has one; and `notes`.

    Args:
      scores: float [row], risk 0..1.
      outcomes: int [row], 1 positive, 0 negative.
      patients: any [row], whom each row belongs to; None when each is another patient.
      seed: of the bootstrap.
      confidence: of all intervals, 0..1.
      resamples: of the bootstrap.

    Raises:
      ScoresError: scores, outcomes and patients do not fit, or a score is no risk.
    """
    risks, positive = calibrated.checked(scores, outcomes)
    codes = scored.patient_codes(patients, risks.size)
    figures = _calibration(risks, positive, codes, clustered.Bootstrap(resamples, seed, confidence))
    return {**_written(figures), "notes": _notes(figures)}


def _calibration(
    risks: scored.Scores, positive: scored.Outcomes, codes: NDArray[np.intp], bootstrap: clustered.Bootstrap
) -> dict[str, Estimate]:
    if risks.min() < 0 or risks.max() > 1:
        return dict.fromkeys(_CALIBRATION, undefined(_NO_RISK, risks.size))
    drawn = bootstrap.confidence, bootstrap.seed, bootstrap.resamples
    return {
        "brier": calibrated.brier(risks, positive, codes, *drawn),
        "brier_scaled": calibrated.scaled_brier(risks, positive, codes, *drawn),
        "mean_risk": resampling.shares(risks, np.ones(risks.size), codes, *bootstrap.options),
        "calibration_gap": _gap(risks, positive, codes, bootstrap),
        "calibration_intercept": calibrated.intercept(risks, positive, codes, bootstrap.confidence),
        "calibration_slope": calibrated.slope(risks, positive, codes, bootstrap.confidence),
        "calibration_error": calibrated.expected_error(risks, positive),
    }


def _gap(
    risks: scored.Scores, positive: scored.Outcomes, codes: NDArray[np.intp], bootstrap: clustered.Bootstrap
) -> Estimate:
    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return weights @ (risks - positive) / weights.sum(axis=1)

    return clustered.weighted(of, codes, bootstrap, bounds=(-1.0, 1.0))


def _of_cells(
    called: NDArray[np.bool_],
    positive: scored.Outcomes,
    codes: NDArray[np.intp],
    bootstrap: clustered.Bootstrap,
    share_method: str,
) -> dict[str, Estimate]:
    if clustered.is_clustered(codes):
        return clustered.of_cells(called, positive, codes, bootstrap)
    cells = confusion.of_calls(called, positive)
    return intervals.of_cells(cells, bootstrap.confidence, share_method, bootstrap.seed)


def _prevalence(
    positive: scored.Outcomes, codes: NDArray[np.intp], bootstrap: clustered.Bootstrap, share_method: str
) -> Estimate:
    if clustered.is_clustered(codes):
        return resampling.shares(positive, np.ones_like(positive), codes, *bootstrap.options)
    return intervals.share(int(positive.sum()), positive.size, bootstrap.confidence, share_method)


def _average_precision(
    scores: scored.Scores, positive: scored.Outcomes, codes: NDArray[np.intp], bootstrap: clustered.Bootstrap
) -> Estimate:
    plain = curves.average_precision(scores, positive, bootstrap.confidence)
    if not (clustered.is_clustered(codes) and plain.is_defined):
        return plain
    drawn = clustered.weighted(curves.weighted_average_precision(scores, positive), codes, bootstrap)
    return dataclasses.replace(drawn, value=plain.value)


def _auc_bootstrap(
    scores: scored.Scores, positive: scored.Outcomes, codes: NDArray[np.intp], bootstrap: clustered.Bootstrap
) -> dict[str, Any]:
    if not clustered.is_clustered(codes):
        return {}
    found = clustered.weighted(weighted_figures.auc(scores, positive), codes, bootstrap)
    return {"auc_ci_bootstrap": found.to_dict()["ci"]}


def _verdict_codes(codes: ArrayLike) -> NDArray[np.int64]:
    numbers = np.asarray(codes)
    if numbers.ndim != 1 or not np.isin(numbers, (1, 0, NONE)).all():
        raise scored.ScoresError("verdicts are a list of 1 (positive), 0 (negative) and -1 (none).")
    return numbers.astype(np.int64)


def _written(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    """Returns `NAME` and `NAME_ci` of each figure; None where undefined."""
    result: dict[str, Any] = {}
    for name, figure in figures.items():
        plain = figure.to_dict()
        result |= {name: plain["value"], f"{name}_ci": plain["ci"]}
        if name in _WITHOUT_INTERVAL:
            del result[f"{name}_ci"]
    return result


def _notes(figures: Mapping[str, Estimate]) -> list[str]:
    """Returns a sentence for each reason, with the figures that it is about."""
    by_reason: dict[str, list[str]] = {}
    for name, figure in figures.items():
        if figure.note:
            by_reason.setdefault(figure.note.rstrip("."), []).append(name)
    return [f"{', '.join(names)}: {reason}." for reason, names in by_reason.items()]


def _clusters_note(codes: NDArray[np.intp], others: str = "") -> list[str]:
    patients = np.unique(codes).size
    if patients == codes.size:
        return []
    return [f"{codes.size} rows of {patients} patients: intervals come from a bootstrap that draws patients{others}."]


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

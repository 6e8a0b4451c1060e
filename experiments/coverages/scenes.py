"""The simulated situations: how a cohort is drawn, what is asked of it, and by which intervals."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from scipy import stats

from experiments.coverages import cohorts, exact
from raspine.evaluation import auc, confusion, intervals, resampling, weighted_figures
from raspine.evaluation.confusion import Confusion
from raspine.evaluation.estimate import Estimate, Interval
from raspine.evaluation.resampled import METHODS, Bounds, Method, Resampled

Answers = dict[str, dict[str, Interval]]
CLUSTERED, ORDINARY = "clustered bootstrap", "ordinary bootstrap"
_RISK_FIGURES = {"sensitivity": cohorts.SENSITIVITY, "specificity": cohorts.SPECIFICITY, "AUC": cohorts.AUC}
_OF_COUNTS = {"Wilson": intervals.wilson, "Clopper-Pearson": intervals.clopper_pearson}
# Figure -> of the cells, its range, and the interval without resampling with its name.
_OF_CELLS: dict[str, tuple[weighted_figures.OfCells, Bounds, str, Callable[[Confusion], Estimate]]] = {
    "F1": (weighted_figures.f1, (0.0, 1.0), "multinomial bootstrap, percentile", intervals.f1),
    "balanced accuracy": (weighted_figures.balanced_accuracy, (0.0, 1.0), "MOVER", intervals.balanced_accuracy),
    "MCC": (weighted_figures.mcc, (-1.0, 1.0), "delta method, Fisher's z", intervals.mcc),
    "kappa": (weighted_figures.kappa, (-1.0, 1.0), "delta method", intervals.kappa),
}
_OF_AUC = {
    "DeLong": "delong",
    "DeLong, logit scale": "delong_logit",
    "Hanley-McNeil": "hanley_mcneil",
    "Newcombe": "newcombe",
}


@dataclasses.dataclass(frozen=True)
class Scene:
    """A situation.

    Attributes:
      name: for people.
      truths: figure -> its true value.
      answers: takes a generator and the number of resamples, draws one cohort, gives figure -> method -> interval.
      exact: gives (figure, method) -> coverage known without simulation.
      recommended: methods that must cover 91-98 %.
    """

    name: str
    truths: Mapping[str, float]
    answers: Callable[[np.random.Generator, int], Answers]
    exact: Callable[[], Mapping[tuple[str, str], float]]
    recommended: frozenset[tuple[str, str]]


def of_risks(fixed: bool) -> Scene:
    """Returns paper 1's situation: sensitivity, specificity and AUC, and what rests on all cells where they are random.

    Args:
      fixed: whether every cohort has exactly 12 positive patients; otherwise each patient has the same chance.
    """
    truths = dict(_RISK_FIGURES) if fixed else _RISK_FIGURES | _true_figures()
    return Scene(
        f"{cohorts.PATIENTS} patients, {'' if fixed else 'on average '}{cohorts.POSITIVES} positive",
        truths,
        functools.partial(_risk_answers, fixed, tuple(truths)),
        functools.partial(_exact_shares, fixed),
        frozenset(
            [("sensitivity", "Wilson"), ("specificity", "Wilson"), ("AUC", "DeLong, logit scale")]
            + [(figure, _named("bootstrap", "t")) for figure in truths if figure == "AUC" or figure in _OF_CELLS]
        ),
    )


def of_films(share: float) -> Scene:
    """Returns paper 2's situation: a share of films, several a patient.

    Args:
      share: its true value.
    """
    figure = "share of films"
    return Scene(
        f"{cohorts.FILMS} films of {cohorts.FILM_PATIENTS} patients, ICC {cohorts.ICC:g}, {figure} {share:g}",
        {figure: share},
        functools.partial(_film_answers, figure, share),
        dict,
        frozenset((figure, _named(CLUSTERED, method)) for method in METHODS),
    )


def all_scenes() -> list[Scene]:
    """Returns the situations of the study."""
    return [of_risks(fixed=True), of_risks(fixed=False), of_films(0.57), of_films(0.86)]


def _true_figures() -> dict[str, float]:
    prevalence = cohorts.POSITIVES / cohorts.PATIENTS
    tp, tn = prevalence * cohorts.SENSITIVITY, (1 - prevalence) * cohorts.SPECIFICITY
    cells = [np.array([cell]) for cell in (tp, prevalence - tp, 1 - prevalence - tn, tn)]
    return {name: float(figure(*cells)[0]) for name, (figure, *_) in _OF_CELLS.items()}


def _exact_shares(fixed: bool) -> dict[tuple[str, str], float]:
    figures = ("sensitivity", "specificity")
    return {(figure, method): _exact_share(figure, method, fixed) for figure in figures for method in _OF_COUNTS}


def _exact_share(figure: str, method: str, fixed: bool) -> float:
    size = cohorts.POSITIVES if figure == "sensitivity" else cohorts.PATIENTS - cohorts.POSITIVES
    of_count = functools.partial(_of_count, method)
    if fixed:
        return exact.coverage(_RISK_FIGURES[figure], size, of_count)
    return exact.coverage_of_random_n(_RISK_FIGURES[figure], cohorts.PATIENTS, size / cohorts.PATIENTS, of_count)


@functools.cache
def _of_count(method: str, counted: int, total: int) -> Interval:
    return _OF_COUNTS[method](counted, total)


def _risk_answers(fixed: bool, figures: Iterable[str], rng: np.random.Generator, resamples: int) -> Answers:
    cohort = cohorts.risks(rng, fixed)
    seed = int(rng.integers(2**31))
    answers = {
        "sensitivity": _share_answers(cohort.called, cohort.positive, resamples, seed),
        "specificity": _share_answers(~cohort.called, ~cohort.positive, resamples, seed),
        "AUC": _auc_answers(cohort, resamples, seed),
    }
    others = (figure for figure in figures if figure not in answers)
    return answers | {figure: _cell_answers(figure, cohort, resamples, seed) for figure in others}


def _share_answers(right: np.ndarray, members: np.ndarray, resamples: int, seed: int) -> dict[str, Interval]:
    counted, total = int((right & members).sum()), int(members.sum())
    found = resampling.resampled_shares(right & members, members, np.arange(len(members)), resamples, seed)
    return {method: _of_count(method, counted, total) for method in _OF_COUNTS} | _bootstraps("bootstrap", found)


def _auc_answers(cohort: cohorts.Risks, resamples: int, seed: int) -> dict[str, Interval]:
    scores, outcomes = cohort.scores, cohort.positive
    answers = {name: auc.area(scores, outcomes, method=method).interval for name, method in _OF_AUC.items()}
    if not 0 < outcomes.sum() < outcomes.size:
        return answers
    figure = weighted_figures.auc(scores, outcomes)
    found = resampling.resampled(figure, np.arange(outcomes.size), resamples, seed, bounds=(0, 1))
    return answers | _bootstraps("bootstrap", found)


def _cell_answers(name: str, cohort: cohorts.Risks, resamples: int, seed: int) -> dict[str, Interval]:
    of_cells, bounds, method, interval = _OF_CELLS[name]
    figure = weighted_figures.of_decisions(cohort.called, cohort.positive, of_cells)
    found = resampling.resampled(figure, np.arange(cohort.positive.size), resamples, seed, bounds)
    plain = interval(confusion.of_calls(cohort.called, cohort.positive)).interval
    return {method: plain} | _bootstraps("bootstrap", found)


def _film_answers(figure: str, share: float, rng: np.random.Generator, resamples: int) -> Answers:
    cohort = cohorts.films(rng, share)
    seed = int(rng.integers(2**31))
    right, films = cohort.right, cohort.right.size
    every = np.ones(films)
    answers = {method: _of_count(method, int(right.sum()), films) for method in _OF_COUNTS}
    together = resampling.resampled_shares(right, every, cohort.patient, resamples, seed)
    return {
        figure: {f"{name}, unclustered": ends for name, ends in answers.items()}
        | {_named(ORDINARY, "percentile"): _ordinary(int(right.sum()), films)}
        | _bootstraps(CLUSTERED, together)
    }


def _ordinary(counted: int, total: int) -> Interval:
    """Returns the percentiles of infinitely many resamples of single films: their counts are binomial."""
    low, high = stats.binom.ppf([0.025, 0.975], total, counted / total) / total
    return float(low), float(high)


def _bootstraps(kind: str, found: Resampled) -> dict[str, Interval]:
    return {_named(kind, method): found.estimate(method).interval for method in METHODS}


def _named(kind: str, method: Method) -> str:
    return f"{kind}, {'BCa' if method == 'bca' else method}"

"""The rows of a study plan: how many cases each figure needs, and what given cases give."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from raspine.evaluation import sample_size
from raspine.evaluation.sample_size import Cases, ShareMethod, Variance

Row = dict[str, Any]
CERTAINTY = 0.9  # with which enough patients of a class are among those enrolled


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a study expects and wants.

    Attributes:
      sensitivity: expected, as specificity, auc and prevalence.
      specificity: see sensitivity.
      auc: see sensitivity.
      prevalence: see sensitivity.
      widths: wanted full widths of the intervals of these.
      sd_mm: standard deviation of the differences between two measurements of a case.
      bias_mm: their true mean.
      widths_mm: wanted full widths of the intervals of bias and limits of agreement.
      margins_mm: of equivalence.
      power: wanted, of the test of equivalence.
      confidence: of all intervals.
      share_interval: of sensitivity and specificity.
      variance: of the AUC.
      films_per_patient: on average, 1 when every case is another patient.
      icc: intraclass correlation of two films of a patient.
      variation: coefficient of variation of the films a patient.
      given: films (or patients) with and without the disease that there are.
    """

    sensitivity: float = 0.75
    specificity: float = 0.87
    auc: float = 0.82
    prevalence: float = 12 / 67
    widths: Sequence[float] = (0.3, 0.2, 0.1)
    sd_mm: float = 2.0
    bias_mm: float = 0.0
    widths_mm: Sequence[float] = (1.0, 0.5)
    margins_mm: Sequence[float] = (1.5, 2.0)
    power: float = 0.9
    confidence: float = 0.95
    share_interval: ShareMethod = "wilson"
    variance: Variance = "hanley_mcneil"
    films_per_patient: float = 1.0
    icc: float = 0.0
    variation: float = 0.0
    given: Cases = dataclasses.field(default_factory=lambda: Cases(12, 55))

    @property
    def is_clustered(self) -> bool:
        """Whether patients have several films."""
        return self.films_per_patient > 1


def needed(plan: Plan) -> list[Row]:
    """Returns how many cases each wanted width needs.

    Returns:
      Rows of `figure`, `expected`, `wanted`, `positives`, `negatives`, `cases` (all together, on average enough),
      `surely` (enough of the class in 9 of 10 studies) or, with several films a patient, `films` and `patients`, and
      `note` where there is no answer. `films` and `patients` tell as much as the independent cases; for bias and
      equivalence, whose t has patients - 1 degrees of freedom, some more.
    """
    return [_answered(plan, row, of) for row, of in (*_diagnostic(plan), *_in_mm(plan))]


def given(plan: Plan) -> list[Row]:
    """Returns how wide intervals the given cases give, and the power of the tests of equivalence.

    Returns:
      Rows of `figure`, `expected`, `cases`, `gives` (full width or power), and `low` and `high` where they are known.
    """
    positives, negatives = (_worth(plan, count) for count in (plan.given.positives, plan.given.negatives))
    cases, total = Cases(positives, negatives), _worth(plan, plan.given.total)
    low, high = sample_size.auc_interval(plan.auc, cases, plan.confidence, plan.variance)
    share = _share_width(plan)
    rows = [
        _gives("sensitivity", plan.sensitivity, positives, share(positives, plan.sensitivity)),
        _gives("specificity", plan.specificity, negatives, share(negatives, plan.specificity)),
        {**_gives("AUC", plan.auc, cases.total, high - low), "low": low, "high": high},
    ]
    if min(total, _patients(plan)) < 2:
        return rows
    spread, width = f"SD {plan.sd_mm:g}", sample_size.limits_width(total, plan.sd_mm, plan.confidence)
    return [
        *rows,
        _gives("bias, mm", spread, total, _bias_width(plan, total)),
        _gives("limits of agreement, mm", spread, total, width),
        *(
            _gives(_equivalence(margin), _spread(plan), total, _power(plan, total, margin))
            for margin in plan.margins_mm
        ),
    ]


def curve(plan: Plan, totals: Iterable[int]) -> Iterator[Row]:
    """Yields `cases` (independent ones, all together) and the width of `sensitivity`, `specificity` and `AUC` there."""
    share = _share_width(plan)
    for total in totals:
        cases = sample_size.divided(total, plan.prevalence)
        low, high = sample_size.auc_interval(plan.auc, cases, plan.confidence, plan.variance)
        yield {
            "cases": total,
            "sensitivity": share(cases.positives, plan.sensitivity),
            "specificity": share(cases.negatives, plan.specificity),
            "AUC": high - low,
        }


def _diagnostic(plan: Plan) -> Iterator[tuple[Row, Callable[[], Row]]]:
    for width in plan.widths:
        yield _asked("sensitivity", plan.sensitivity, width), _of_class(plan, width, plan.sensitivity, "positives")
        yield _asked("specificity", plan.specificity, width), _of_class(plan, width, plan.specificity, "negatives")
        yield _asked("AUC", plan.auc, width), _of_area(plan, width)


def _of_class(plan: Plan, width: float, share: float, name: str) -> Callable[[], Row]:
    chance = plan.prevalence if name == "positives" else 1 - plan.prevalence

    def cases() -> Row:
        count = sample_size.share_cases(width, share, plan.confidence, plan.share_interval)
        return {
            name: count,
            "cases": sample_size.enrolled(count, chance),
            "surely": sample_size.enrolled(count, chance, CERTAINTY),
        }

    return cases


def _of_area(plan: Plan, width: float) -> Callable[[], Row]:
    def cases() -> Row:
        found = sample_size.auc_cases(width, plan.auc, plan.prevalence, plan.confidence, plan.variance)
        return {"positives": found.positives, "negatives": found.negatives, "cases": found.total}

    return cases


def _in_mm(plan: Plan) -> Iterator[tuple[Row, Callable[[], Row]]]:
    spread = f"SD {plan.sd_mm:g}"
    for width in plan.widths_mm:
        yield _asked("bias, mm", spread, width), _of_bias(plan, width)
        yield _asked("limits of agreement, mm", spread, width), _of_limits(plan, width)
    for margin in plan.margins_mm:
        yield _asked(_equivalence(margin), _spread(plan), f"power {plan.power:g}"), _of_equivalence(plan, margin)


def _of_bias(plan: Plan, width: float) -> Callable[[], Row]:
    def cases() -> Row:
        found = {"cases": sample_size.bias_pairs(width, plan.sd_mm, plan.confidence)}
        if not plan.is_clustered:
            return found
        patients = sample_size.clustered_bias_patients(width, plan.sd_mm, *_clusters(plan), plan.confidence)
        return found | _films(plan, patients)

    return cases


def _of_limits(plan: Plan, width: float) -> Callable[[], Row]:
    return lambda: {"cases": sample_size.limits_pairs(width, plan.sd_mm, plan.confidence)}


def _of_equivalence(plan: Plan, margin: float) -> Callable[[], Row]:
    def cases() -> Row:
        found = {"cases": sample_size.tost_pairs(plan.power, plan.sd_mm, margin, plan.bias_mm)}
        if not plan.is_clustered:
            return found
        expected = plan.power, plan.sd_mm, margin, *_clusters(plan), plan.bias_mm
        return found | _films(plan, sample_size.clustered_tost_patients(*expected))

    return cases


def _films(plan: Plan, patients: int) -> Row:
    return {"films": sample_size.films_of(patients, plan.films_per_patient), "patients": patients}


def _answered(plan: Plan, row: Row, of: Callable[[], Row]) -> Row:
    try:
        found = of()
    except sample_size.OutOfReachError as error:
        return {**row, "note": str(error)}
    if plan.is_clustered:
        # The number of cases of a class varies by more than a binomial count when films share patients.
        found.pop("surely", None)
        count, patients = sample_size.films(found["cases"], *_clusters(plan))
        found = {"films": count, "patients": patients} | found
    return row | found


def _asked(figure: str, expected: float | str, wanted: float | str) -> Row:
    return {"figure": figure, "expected": expected, "wanted": wanted}


def _gives(figure: str, expected: float | str, cases: int, value: float) -> Row:
    return {"figure": figure, "expected": expected, "cases": cases, "gives": value}


def _equivalence(margin: float) -> str:
    return f"equivalence within {margin:g} mm"


def _spread(plan: Plan) -> str:
    return f"SD {plan.sd_mm:g}, bias {plan.bias_mm:g}"


def _clusters(plan: Plan) -> tuple[float, float, float]:
    return plan.films_per_patient, plan.icc, plan.variation


def _patients(plan: Plan) -> int:
    return math.floor(plan.given.total / plan.films_per_patient + 1e-9)


def _worth(plan: Plan, count: int) -> int:
    return sample_size.effective(count, *_clusters(plan))


def _bias_width(plan: Plan, total: int) -> float:
    if plan.is_clustered:
        return sample_size.clustered_bias_width(_patients(plan), plan.sd_mm, *_clusters(plan), plan.confidence)
    return sample_size.bias_width(total, plan.sd_mm, plan.confidence)


def _power(plan: Plan, total: int, margin: float) -> float:
    if plan.is_clustered:
        return sample_size.clustered_tost_power(_patients(plan), plan.sd_mm, margin, *_clusters(plan), plan.bias_mm)
    return sample_size.tost_power(total, plan.sd_mm, margin, plan.bias_mm)


def _share_width(plan: Plan) -> Callable[[int, float], float]:
    return lambda n, share: sample_size.share_width(n, share, plan.confidence, plan.share_interval)

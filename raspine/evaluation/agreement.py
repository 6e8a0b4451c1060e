"""How far two raters agree on a distance: everything a reader asks about one pair, and all pairs of a set of raters.

Which rater is first decides the sign: differences are first minus second, and Deming's line gives first from second.
"""

import dataclasses
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from raspine.evaluation import bland_altman, correlation, deming, equivalence, icc, repeated_limits
from raspine.evaluation.bland_altman import Limits
from raspine.evaluation.deming import Line
from raspine.evaluation.equivalence import Equivalence
from raspine.evaluation.estimate import Estimate
from raspine.evaluation.paired import Paired, complete
from raspine.evaluation.repeated_limits import RepeatedLimits

INDEPENDENT = "takes films of one patient as independent, so the interval may be too narrow: read `repeated` instead."
INDEPENDENT_TEST = (
    "takes films of one patient as independent, so the test may be too eager: read `tost_clustered` instead."
)

Kind = Literal["model and consensus", "model and rater", "rater and consensus", "rater and rater"]


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Two raters on the same films.

    Attributes:
      n: films that both measured.
      n_left_out: films that lack a value.
      n_patients: patients of the n films; None when not given.
      pearson: correlation; no measure of agreement by itself.
      spearman: rank correlation.
      icc_a1: absolute agreement of single readings.
      icc_c1: consistency of single readings.
      bias: mean of first minus second; with the next three, every film counts as independent.
      sd: standard deviation of a difference.
      lower_limit: of agreement.
      upper_limit: of agreement.
      repeated: these four with films nested in patients; None without patients.
      slope_of_bias: of the difference over the mean.
      tost: equivalence within the margin, every film counting as independent; None without margin.
      tost_clustered: the same with patients as clusters; None without margin or patients.
      deming: first = intercept + slope * second.
      notes: sentences that a reader must know.
    """

    n: int
    n_left_out: int
    n_patients: int | None
    pearson: Estimate
    spearman: Estimate
    icc_a1: Estimate
    icc_c1: Estimate
    bias: Estimate
    sd: Estimate
    lower_limit: Estimate
    upper_limit: Estimate
    repeated: RepeatedLimits | None
    slope_of_bias: Estimate
    tost: Equivalence | None
    tost_clustered: Equivalence | None
    deming: Line
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values by the names of the attributes."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {name: value.to_dict() if hasattr(value, "to_dict") else value for name, value in values.items()}
        return {**plain, "notes": list(self.notes)}


@dataclasses.dataclass(frozen=True)
class RaterPair:
    """Who was compared with whom, and the outcome."""

    first: str
    second: str
    kind: Kind
    agreement: Agreement

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values: `first`, `second`, `kind` and everything of the agreement."""
        return {"first": self.first, "second": self.second, "kind": self.kind, **self.agreement.to_dict()}


def between(
    first: ArrayLike,
    second: ArrayLike,
    margin: float | None = None,
    patients: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Agreement:
    """Compares two raters.

    Args:
      first: float [film], mm, NaN where missing.
      second: float [film], mm, NaN where missing.
      margin: mm, of the test of equivalence (its level is 0.05, its interval 90 %, whatever the confidence); None: no
        test. `equivalence.MARGINS_MM` has those of the radiograph paper.
      patients: pseudonym of each film's patient; None when every film is another patient's.
      confidence: 0..1, of the intervals.

    Raises:
      ValueError: lengths differ, a value is infinite, a film has no patient, or margin or confidence is out of bounds.
    """
    both = complete(first, second, patients)
    table = np.column_stack([first, second])
    tested = None if margin is None else equivalence.tost(first, second, margin)
    clustered = None
    if margin is not None and patients is not None:
        clustered = equivalence.clustered_tost(first, second, margin, patients)
    limits = bland_altman.limits(first, second, confidence)
    return Agreement(
        n=both.n,
        n_left_out=both.left_out,
        n_patients=None if patients is None else both.n_patients,
        pearson=correlation.pearson(first, second, confidence, patients),
        spearman=correlation.spearman(first, second, confidence, patients),
        icc_a1=icc.absolute(table, confidence, patients),
        icc_c1=icc.consistency(table, confidence, patients),
        **vars(_warned_limits(limits) if both.repeats else limits),
        repeated=None if patients is None else repeated_limits.limits(first, second, patients, confidence),
        slope_of_bias=bland_altman.slope(first, second, confidence, patients),
        tost=_warned_test(tested) if tested and both.repeats else tested,
        tost_clustered=clustered,
        deming=deming.fit(first, second, confidence=confidence, patients=patients),
        notes=tuple(_notes(both, patients is not None, margin is not None)),
    )


def pairs(
    values: Mapping[str, ArrayLike],
    margin: float | None = None,
    patients: Sequence[str] | None = None,
    confidence: float = 0.95,
    model: str = "model",
    consensus: str = "consensus",
    consensus_of: Collection[str] | None = None,
) -> list[RaterPair]:
    """Compares every two raters: the model with the consensus and each rater first, then raters with each other.

    Args:
      values: name of each rater, the model and the consensus among them if they are there, to float [film], mm, NaN
        where missing.
      margin: mm, of the test of equivalence; None: no test.
      patients: pseudonym of each film's patient; None when every film is another patient's.
      confidence: 0..1, of the intervals.
      model: which name is the model.
      consensus: which name is the consensus.
      consensus_of: raters who made the consensus; None when not known. A rater's agreement with a consensus that is
        partly their own says little, and a note says so.

    Raises:
      ValueError: as `between`.
    """
    order = [name for name in (model, consensus) if name in values]
    order += [name for name in values if name not in order]
    found = []
    for first, second in itertools.combinations(order, 2):
        # The consensus is the reference, so it stands second.
        if first == consensus:
            first, second = second, first
        kind = _kind(first, second, model, consensus)
        outcome = between(values[first], values[second], margin, patients, confidence)
        if kind == "rater and consensus":
            outcome = dataclasses.replace(outcome, notes=(*outcome.notes, *_own_consensus(first, consensus_of)))
        found.append(RaterPair(first, second, kind, outcome))
    return sorted(found, key=lambda pair: pair.kind == "rater and consensus")


def _kind(first: str, second: str, model: str, consensus: str) -> Kind:
    if first == model:
        return "model and consensus" if second == consensus else "model and rater"
    return "rater and consensus" if second == consensus else "rater and rater"


def _own_consensus(rater: str, consensus_of: Collection[str] | None) -> Iterator[str]:
    if consensus_of is None:
        yield "It is not known who made the consensus: if this rater took part, the two agree in part by construction."
    elif rater in consensus_of:
        yield "This rater took part in the consensus: the two agree in part by construction."


def _notes(pairs: Paired, patients_given: bool, tested: bool) -> Iterator[str]:
    if pairs.left_out:
        lacking = (
            "film that lacks a rater's value was" if pairs.left_out == 1 else "films that lack a rater's value were"
        )
        yield f"{pairs.left_out} {lacking} left out."
    if not patients_given:
        yield "Patients were not given: films count as independent; if patients repeat, intervals may be too narrow."
    elif pairs.repeats:
        whole = f"{pairs.n} films of {pairs.n_patients} patient{'' if pairs.n_patients == 1 else 's'}: "
        test = " and `tost`" if tested else ""
        yield f"{whole}`bias`, `sd`, `lower_limit`, `upper_limit`{test} take films as independent; all others do not."


def _warned_limits(limits: Limits) -> Limits:
    return Limits(*[_warned(value, INDEPENDENT) for value in vars(limits).values()])


def _warned_test(test: Equivalence) -> Equivalence:
    return dataclasses.replace(test, difference=_warned(test.difference, INDEPENDENT_TEST))


def _warned(estimate: Estimate, caution: str) -> Estimate:
    """The same with a caution, where there is an interval that needs it."""
    return dataclasses.replace(estimate, note=caution) if estimate.has_interval else estimate

"""The clinical values that a model took, as a report states them; see `raspine.clinical` for their numbers."""

import math
from collections.abc import Mapping

from highdicom.sr import CodedConcept, Measurement, QualitativeEvaluation

from raspine.dicom_results import concepts
from raspine.dicom_results.errors import ResultError

_YEARS: Mapping[str, CodedConcept] = {"age": concepts.AGE, "disease_duration": concepts.DISEASE_DURATION}
_CHOICES: Mapping[str, tuple[CodedConcept, CodedConcept, CodedConcept]] = {
    "sex": (concepts.SEX, concepts.MALE, concepts.FEMALE),
    "rf": (concepts.RHEUMATOID_FACTOR, concepts.NO, concepts.YES),
    "anti_ccp": (concepts.ANTI_CCP, concepts.NO, concepts.YES),
    "biologic": (concepts.BIOLOGIC, concepts.NO, concepts.YES),
}
"""The concept, and what 0 and 1 of it mean."""
_DIGITS = 6  # of a float32


def known(values: Mapping[str, float]) -> dict[str, float]:
    """Returns the values that are not NaN, as a report can state them.

    Args:
      values: by name as in `clinical.COLUMNS`: years, or 0 and 1.

    Raises:
      ResultError: a name or a value is none of those.
    """
    found = {name: float(f"{value:.{_DIGITS}g}") for name, value in values.items() if not math.isnan(value)}
    for name, value in found.items():
        if not (math.isfinite(value) if name in _YEARS else name in _CHOICES and value in (0.0, 1.0)):
            raise ResultError(f"a clinical value is years of {', '.join(_YEARS)}, or 0 or 1 of {', '.join(_CHOICES)}.")
    return found


def measurements(values: Mapping[str, float]) -> list[Measurement]:
    """Returns the numbers of years among known values."""
    return [Measurement(name, values[key], concepts.YEARS) for key, name in _YEARS.items() if key in values]


def evaluations(values: Mapping[str, float]) -> list[QualitativeEvaluation]:
    """Returns the choices among known values."""
    return [
        QualitativeEvaluation(name, meanings[int(values[key])])
        for key, (name, *meanings) in _CHOICES.items()
        if key in values
    ]


def line(values: Mapping[str, float]) -> str:
    """Returns known values for people, e.g. `age 63 years, sex: female`."""
    years = [f"{name.meaning.lower()} {values[key]:g} years" for key, name in _YEARS.items() if key in values]
    choices = [
        f"{name.meaning.lower()}: {meanings[int(values[key])].meaning.lower()}"
        for key, (name, *meanings) in _CHOICES.items()
        if key in values
    ]
    return ", ".join([*years, *choices])

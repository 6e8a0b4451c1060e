r"""Says how many cases an interval of wanted width needs, and how wide an interval given cases give.

    python -m experiments.sample_size --sensitivity=0.8 --specificity=0.9 --prevalence=0.2 --widths=0.2,0.1
    python -m experiments.sample_size --positives=79 --negatives=327 --films_per_patient=4.7 --icc=0.5

Without flags: the figures of a study with 12 positive of 67 patients. Widths are full widths, from end to end. A case
is an independent patient; with --films_per_patient and --icc the table says also how many films of how many patients
tell as much, and --positives and --negatives count films. Sensitivity and specificity: mean width over all counts that
may come out. AUC: on the logit scale. Bias and limits of agreement: mm, of the differences of two measurements.
Equivalence: power of two one-sided paired tests at 5 %. With several films a patient, bias and equivalence rest on t
with patients - 1 degrees of freedom, so they take some more films than what tells as much as the cases.

Exits with 0 when there is a table, 2 when the flags are wrong.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, cast, get_args

from absl import flags

from experiments import planned_cases
from experiments.planned_cases import Plan
from raspine import atomic, program
from raspine.evaluation.sample_size import Cases, ShareMethod, Variance

_LOW, _HIGH = 0.001, 0.999  # of a share
_SENSITIVITY = flags.DEFINE_float("sensitivity", 0.75, "Expected.", lower_bound=_LOW, upper_bound=_HIGH)
_SPECIFICITY = flags.DEFINE_float("specificity", 0.87, "Expected.", lower_bound=_LOW, upper_bound=_HIGH)
_AUC = flags.DEFINE_float("auc", 0.82, "Expected.", lower_bound=_LOW, upper_bound=_HIGH)
_PREVALENCE = flags.DEFINE_float(
    "prevalence", 12 / 67, "Share of the cases with the disease.", lower_bound=_LOW, upper_bound=_HIGH
)
_WIDTHS = flags.DEFINE_list("widths", ["0.3", "0.2", "0.1"], "Wanted full widths, each between 0.001 and 1.")
_SD = flags.DEFINE_float(
    "sd_mm", 2.0, "Standard deviation of the differences of two measurements.", lower_bound=1e-6, upper_bound=1e6
)
_BIAS = flags.DEFINE_float("bias_mm", 0.0, "True mean of these differences.", lower_bound=-1e6, upper_bound=1e6)
_WIDTHS_MM = flags.DEFINE_list("widths_mm", ["1.0", "0.5"], "Wanted full widths of bias and limits of agreement.")
_MARGINS = flags.DEFINE_list("margins_mm", ["1.5", "2.0"], "Margins of equivalence.")
_POWER = flags.DEFINE_float(
    "power", 0.9, "Wanted power of the test of equivalence.", lower_bound=_LOW, upper_bound=_HIGH
)
_CONFIDENCE = flags.DEFINE_float("confidence", 0.95, "Of all intervals.", lower_bound=0.5, upper_bound=0.9999)
_INTERVAL = flags.DEFINE_enum(
    "interval",
    "wilson",
    get_args(ShareMethod),
    "Of sensitivity and specificity; Clopper-Pearson never covers less than it says.",
)
_VARIANCE = flags.DEFINE_enum(
    "auc_variance",
    "hanley_mcneil",
    get_args(Variance),
    "Of the AUC: Hanley and McNeil's, on the safe side, or that of normal scores of one variance.",
)
_FILMS = flags.DEFINE_float("films_per_patient", 1.0, "On average.", lower_bound=1, upper_bound=1000)
_ICC = flags.DEFINE_float("icc", 0.0, "Correlation of films of one patient.", lower_bound=0, upper_bound=1)
_VARIATION = flags.DEFINE_float(
    "films_cv", 0.0, "Coefficient of variation of the films a patient.", lower_bound=0, upper_bound=100
)
_POSITIVES = flags.DEFINE_integer("positives", 12, "Cases with the disease.", lower_bound=1, upper_bound=10**7)
_NEGATIVES = flags.DEFINE_integer("negatives", 55, "Cases without it.", lower_bound=1, upper_bound=10**7)
_JSON = flags.DEFINE_string("json", None, "File for the same figures as JSON.")
_PICTURE = flags.DEFINE_string("picture", None, "PNG file for the widths over the number of cases.")

_NEEDED = ("figure", "expected", "wanted", "positives", "negatives", "cases", "surely", "films", "patients", "note")
_TEXT = ("figure", "expected", "note")
_OUTCOMES = ("gives", "low", "high")
_GIVEN = ("figure", "expected", "cases", *_OUTCOMES)


def main(argv: Sequence[str]) -> None:
    """Prints the tables that the flags ask for."""
    program.check_flags_alone(argv)
    plan = _plan()
    needed, given = planned_cases.needed(plan), planned_cases.given(plan)
    print(f"Needed for intervals of {plan.confidence:.4g} (`surely`: enough in 9 of 10 studies)\n")
    print(_table(_NEEDED, needed))
    whose = "" if any(flags.FLAGS[flag.name].present for flag in (_POSITIVES, _NEGATIVES)) else " (paper 1's cases)"
    cases = f"{plan.given.positives} with and {plan.given.negatives} without the disease"
    print(f"\nGiven{whose}: {cases} (`gives`: width, power)\n")
    print(_table(_GIVEN, given))
    for line in _written(plan, {"plan": dataclasses.asdict(plan), "needed": needed, "given": given}):
        print(line)


def _plan() -> Plan:
    if _ICC.value and _FILMS.value == 1:
        raise program.UsageError("--icc is of several films a patient: give --films_per_patient as well.")
    for name, path, ending in (("json", _JSON.value, ""), ("picture", _PICTURE.value, ".png")):
        if path and (pathlib.Path(path).is_dir() or not path.lower().endswith(ending)):
            raise program.UsageError(f"--{name} is a file{' that ends in .png' if ending else ''}. Received: '{path}'.")
    return Plan(
        sensitivity=_SENSITIVITY.value,
        specificity=_SPECIFICITY.value,
        auc=_AUC.value,
        prevalence=_PREVALENCE.value,
        widths=_numbers(_WIDTHS, 0.001, 0.9999),
        sd_mm=_SD.value,
        bias_mm=_BIAS.value,
        widths_mm=_numbers(_WIDTHS_MM, 1e-6, 1e6),
        margins_mm=_numbers(_MARGINS, 1e-6, 1e6),
        power=_POWER.value,
        confidence=_CONFIDENCE.value,
        share_interval=cast(ShareMethod, _INTERVAL.value),
        variance=cast(Variance, _VARIANCE.value),
        films_per_patient=_FILMS.value,
        icc=_ICC.value,
        variation=_VARIATION.value,
        given=Cases(_POSITIVES.value, _NEGATIVES.value),
    )


def _numbers(flag: flags.FlagHolder[Any], low: float, high: float) -> list[float]:
    rule = f"--{flag.name} are numbers from {low:g} to {high:g}, divided by commas."
    try:
        found = [float(value) for value in flag.value]
    except ValueError as error:
        raise program.UsageError(f"{rule} Received: {','.join(flag.value)}.") from error
    if not all(low <= value <= high for value in found):
        raise program.UsageError(f"{rule} Received: {','.join(flag.value)}.")
    return found


def _table(columns: Sequence[str], rows: Sequence[planned_cases.Row]) -> str:
    shown = [name for name in columns if any(name in row for row in rows)]
    cells = [list(shown), *([_cell(name, row) for name in shown] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(shown))]
    sides = ["<" if name in _TEXT else ">" for name in shown]
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)).rstrip()
        for line in cells
    )


def _cell(name: str, row: planned_cases.Row) -> str:
    value = row.get(name, "")
    if isinstance(value, float):
        # Rounded to 1 a power or an end of an AUC's interval would claim certainty.
        if name in _OUTCOMES and not row["figure"].endswith(", mm") and value > _HIGH:
            return f"> {_HIGH}"
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _written(plan: Plan, report: dict[str, Any]) -> list[str]:
    if _JSON.value:
        atomic.write_json(_JSON.value, report)
    if _PICTURE.value:
        from experiments import planned_cases_chart

        with atomic.atomic_file(_PICTURE.value) as aside:
            planned_cases_chart.draw(plan, aside)
    places = [place for place in (_JSON.value, _PICTURE.value) if place]
    return [f"\nWritten: {', '.join(places)}"] if places else []


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()

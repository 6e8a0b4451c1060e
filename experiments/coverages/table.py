"""The coverage study for people: Markdown."""

import itertools
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
_HEADER = ("figure", "truth", "interval", "coverage", "MC error", "exact", "too high", "too low", "width", "undefined")
_NOTES = """- Nominal coverage is 95 %. Coverage and width are of the cohorts with an interval; `undefined` is the share
  without.
- `MC error` is the standard error of the simulation. `exact` is the coverage by enumeration of all counts.
- `too high` and `too low`: intervals that lie wholly above or below the truth; 2.5 % each would be even.
- **Bold** intervals are the ones raspine recommends and must cover 91 to 98 %.
- `bootstrap, t` (the default): the value and Student's quantile times the resamples' standard deviation, on the
  logit scale. A share of 0 or 1 has no bootstrap interval; Wilson's stands in for it.
- Scores are binormal with equal variances; decisions are drawn apart from them. Films are beta-binomial: two films
  of a patient have the intraclass correlation named, on the scale of 0 and 1; patients have 1 to about 20 films."""


def markdown(report: dict[str, Any]) -> str:
    """Returns the report as Markdown.

    Args:
      report: `command`, `seconds`, `processor_seconds`, `cohorts`, `resamples`, `seed`, `verdict` and `rows`.
    """
    parts = [
        "# Coverage of 95 % intervals, by simulation",
        f"    {report['command']}",
        f"{report['cohorts']:,} synthetic cohorts a situation, {report['resamples']:,} resamples a bootstrap, seed "
        f"{report['seed']}; {report['seconds']:.0f} seconds, {report['processor_seconds']:.0f} of them processor time.",
        report["verdict"],
    ]
    for situation, rows in itertools.groupby(report["rows"], lambda row: row["situation"]):
        parts += [f"## {situation}", grid(_HEADER, [_cells(row) for row in rows])]
    return "\n\n".join([*parts, "## How to read it", _NOTES]) + "\n"


def grid(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> list[str]:
    method = f"**{row['method']}**" if row["is_recommended"] else row["method"]
    return [
        row["figure"],
        f"{row['truth']:.3g}",
        method,
        _percent(row["coverage"]),
        _percent(row["standard_error"]),
        _percent(row["exact"]),
        _percent(row["above"]),
        _percent(row["below"]),
        "" if row["width"] is None else f"{row['width']:.3f}",
        _percent(row["undefined"]),
    ]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"

"""Agreement of model and raters: scatter with the line of identity, Bland and Altman, and the table of all pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine.evaluation import agreement, confusion, equivalence, film_evidence
from raspine.report import blocks, cells, charts, facts, gather, reference, rules, wording

MODEL, CONSENSUS = film_evidence.MODEL, film_evidence.CONSENSUS
Array = NDArray[np.float64]
_MAIN = (
    ("bias", "Bias, mm"), ("lower_limit", "Lower limit, mm"), ("upper_limit", "Upper limit, mm"),
    ("icc_a1", "ICC(A,1)"),
)  # fmt: skip
_MORE = (("icc_c1", "ICC(C,1)"), ("pearson", "Pearson"), ("spearman", "Spearman"))
_OF_LIMITS = ("bias", "sd", "lower_limit", "upper_limit")


def section(run: gather.Run) -> blocks.Section:
    """Returns the agreement on distances, or of raters on outcomes."""
    title = "Agreement: model and raters"
    parts = _grades(run) if run.kind == "studies" else _of_films(run)
    if not parts:
        text = "No distance was measured by two: `python -m experiments.evaluate` compares, on labelled data."
        parts = [blocks.Text(text, "missing")]
    return blocks.Section("agreement", title, parts, "Agreement")


def pairs(run: gather.Run) -> list[Mapping[str, Any]]:
    """Returns the compared pairs, each with `distance`, `first`, `second`: the summary's, or else computed."""
    stated = run.summary.get("agreement")
    if isinstance(stated, list):
        return [pair for pair in stated if isinstance(pair, Mapping)]
    found: list[Mapping[str, Any]] = []
    for distance in facts.distances(run):
        columns, patients = _columns(run, distance)
        margin = equivalence.MARGINS_MM.get(distance.name)
        known = patients if all(patients) else None
        for pair in agreement.pairs(columns, margin, known, model=MODEL, consensus=CONSENSUS):
            found.append({"distance": distance.name, **pair.to_dict()})
    return found


def annotators(run: gather.Run) -> list[str]:
    """Returns who measured beside model and consensus, by name."""
    return sorted({row.get("rater", "") for row in run.raters} - {MODEL, CONSENSUS, ""})


def _columns(run: gather.Run, distance: facts.Distance) -> tuple[dict[str, Array], list[str]]:
    """Returns each rater's measurements of the same films, and the films' patients."""
    rows = [row for row in run.raters if row.get("distance") == distance.name]
    if not rows:
        return {MODEL: distance.found, CONSENSUS: distance.truth}, list(distance.patients)
    films = list(dict.fromkeys(row["image"] for row in rows))
    place = {film: number for number, film in enumerate(films)}
    columns: dict[str, Array] = {}
    patients = [""] * len(films)
    for row in rows:
        column = columns.setdefault(row.get("rater", ""), np.full(len(films), np.nan))
        column[place[row["image"]]] = wording.as_number(row.get("mm") or None)
        patients[place[row["image"]]] = row.get("patient", "")
    return columns, patients


def _of_films(run: gather.Run) -> list[Any]:
    compared = pairs(run)
    parts: list[Any] = []
    for distance in facts.distances(run):
        mine = [pair for pair in compared if pair.get("distance") == distance.name]
        main = next((pair for pair in mine if (pair.get("first"), pair.get("second")) == (MODEL, CONSENSUS)), {})
        name = wording.label(distance.name)
        parts += [
            blocks.Heading(f"{name}: model and {reference.name(run, 'annotators')}"),
            blocks.Charts(_drawn(run, distance, main)),
        ]
    if compared:
        parts += [
            _table(run, compared, _MAIN, "Every two that measured; differences are first minus second"),
            blocks.Folded("Other correlations of the same pairs", [_table(run, compared, _MORE, "Correlations")]),
            *_tests(run, compared),
        ]
    if parts and run.exact:
        parts.append(blocks.Text("The phantom's points are exact: there are no annotators to compare.", "note"))
    elif parts and not annotators(run):
        parts.append(
            blocks.Text("Single annotators were not kept apart, so raters cannot be compared with each other.", "note")
        )
    return parts


def _drawn(run: gather.Run, distance: facts.Distance, pair: Mapping[str, Any]) -> list[charts.Chart]:
    name, rule = wording.label(distance.name), rules.of(run, distance.name)
    groups = [wording.label(position) or "not given" for position in distance.positions]
    of_film: dict[str, Any] = {"films": distance.films, "patients": distance.patients, "groups": groups}
    axes = (reference.name(run, "annotators"), "model")
    line = pair.get("deming")
    ends = [wording.estimate(line, key)["value"] for key in ("slope", "intercept")] if isinstance(line, Mapping) else []
    statistics = {
        title: wording.estimate(pair, key) for key, title in (("icc_a1", "ICC(A,1)"), ("pearson", "Pearson r"))
    }
    limits = limits_of(pair)
    return [
        charts.agreement_scatter(
            distance.truth,
            distance.found,
            what=name,
            threshold=rule.threshold,
            deming=(ends[0], ends[1]) if len(ends) == 2 and None not in ends else None,
            statistics={key: value for key, value in statistics.items() if value["value"] is not None},
            axes_names=axes,
            name=f"scatter_{distance.name}",
            **of_film,
        ),
        charts.bland_altman(
            distance.truth,
            distance.found,
            bias=limits["bias"],
            lower=limits["lower_limit"],
            upper=limits["upper_limit"],
            what=name,
            margin=equivalence.MARGINS_MM.get(distance.name),
            axes_names=axes,
            name=f"bland_altman_{distance.name}",
            **of_film,
        ),
    ]


def limits_of(pair: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns bias and limits of agreement, those that respect repeated films of a patient where they are known."""
    repeated = pair.get("repeated")
    found = {}
    for name in _OF_LIMITS:
        better = wording.estimate(repeated, name) if isinstance(repeated, Mapping) else {"value": None}
        found[name] = better if better["value"] is not None else wording.estimate(pair, name)
    return found


def _table(
    run: gather.Run, compared: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]], caption: str
) -> blocks.Table:
    header = ["Distance and pair", "Films", *(title for _, title in columns)]
    rows: list[blocks.Row] = []
    for pair in compared:
        figures = {**{key: wording.estimate(pair, key) for key, _ in columns}, **limits_of(pair)}
        told = [cells.figure(figures[key]) for key, _ in columns]
        rows.append([_pair(run, pair), cells.count(pair.get("n")), *told])
    return blocks.Table(f"{caption}, below them 95 % intervals", header, rows, range(1, len(header)))


def _pair(run: gather.Run, pair: Mapping[str, Any]) -> str:
    """Returns `ADI: model and consensus`."""
    names = (
        reference.name(run) if name == CONSENSUS else str(name) for name in (pair.get("first"), pair.get("second"))
    )
    return f"{wording.label(pair.get('distance'))}: {' and '.join(names)}"


def _tests(run: gather.Run, compared: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Returns the tests of equivalence, those with patients as clusters where there are some."""
    rows: list[blocks.Row] = []
    for pair in compared:
        test = pair.get("tost_clustered") or pair.get("tost")
        if not isinstance(test, Mapping):
            continue
        difference = wording.estimate(test, "difference")
        answer = {True: "equivalent", False: "not shown"}.get(test.get("equivalent"), "undefined")  # type: ignore[arg-type]
        rows.append(
            [
                _pair(run, pair),
                f"± {wording.number(test.get('margin'), 1)} mm",
                cells.figure(difference),
                _p(test.get("p")),
                answer,
            ]
        )
    if not rows:
        return []
    header = ["Distance and pair", "Margin", "Mean difference, 90 % interval", "p", "Result"]
    caption = "Equivalence of means within a margin (TOST). A wide scatter can still pass: read the limits of agreement"
    return [blocks.Table(caption, header, rows, (1, 2, 3))]


def _p(value: Any) -> str:
    known = wording.as_number(value)
    return "< 0.0001" if known < 0.0001 else wording.number(known, 4)


def _grades(run: gather.Run) -> list[Any]:
    """Returns how raters, consensus and model agree on yes and no."""
    codes = {"positive": "1", "negative": "0"}
    raters = {
        "model": [codes.get(row.get("verdict", ""), "") for row in run.studies],
        **{name: [row.get(name, "") for row in run.studies] for name in ("consensus", "rater1", "rater2")},
    }
    names = [name for name, grades in raters.items() if any(grade in ("0", "1") for grade in grades)]
    rows: list[blocks.Row] = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            both = [
                (one, two)
                for one, two in zip(raters[first], raters[second], strict=True)
                if one in ("0", "1") and two in ("0", "1")
            ]
            if both:
                rows.append([first, second, *_kappa(both)])
    if not rows:
        return []
    header = ["First", "Second", "Studies", "Agree", "Cohen's kappa"]
    lead = (
        "How often two give the same answer, and Cohen's kappa, which takes chance out; doubtful grades are left out."
    )
    return [blocks.Text(lead), blocks.Table("Agreement on yes and no", header, rows, (2, 3, 4))]


def _kappa(both: list[tuple[str, str]]) -> list[blocks.Cell]:
    # Neither is the truth: both figures stay when the two are exchanged.
    cells_of = confusion.Confusion(*(both.count(pair) for pair in (("1", "1"), ("1", "0"), ("0", "1"), ("0", "0"))))
    same = confusion.ratio(*cells_of.shares["accuracy"])
    return [
        cells.count(cells_of.n),
        blocks.Cell(wording.share(same), same),
        blocks.Cell(wording.number(cells_of.kappa), cells_of.kappa),
    ]

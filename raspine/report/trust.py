"""How far the explanations can be trusted: each method's checks, its verdict, and what that rests on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from raspine.report import blocks, charts, gather, wording

_HIDDEN = ("verdict", "rests_on", "note")
_TONES = {"pass": "good", "fail": "bad", "unknown": "open"}
_VERDICTS = {"supported": "good", "not supported": "bad"}
_PASSED = {True: "pass", False: "fail"}


def section(run: gather.Run) -> blocks.Section:
    """Returns the trust table, or which command makes it."""
    title = "Explanations: can they be trusted?"
    if not run.explanations:
        text = (
            "No explanation was made: `python -m experiments.explain` makes maps and tests them; name its folder "
            "with --explained."
        )
        return blocks.Section("explanations", title, [blocks.Text(text, "missing")], "Explanations")
    found = methods(run)
    parts: list[Any] = [blocks.Text(_lead())]
    if found:
        checks = list(dict.fromkeys(name for checks in found.values() for name in checks_of(checks)))
        parts += [blocks.Charts([_strip(found, checks)]), _table(found, checks), *_basis(run, found)]
    else:
        parts += _older(run)
    return blocks.Section("explanations", title, parts, "Explanations")


def methods(run: gather.Run) -> dict[str, Mapping[str, Any]]:
    """Returns what was tested of each method."""
    stated = run.explanations.get("trust")
    listed = stated if isinstance(stated, Mapping) else {}
    return {str(name): checks for name, checks in listed.items() if isinstance(checks, Mapping)}


def checks_of(method: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Returns the checks of a method by name."""
    inner = method.get("checks")
    source = inner if isinstance(inner, Mapping) else method
    return {str(name): one for name, one in source.items() if name not in _HIDDEN and isinstance(one, Mapping)}


def _lead() -> str:
    return (
        "A map is only evidence of what the network looks at if it changes when the network is randomised, stays "
        "when the training is repeated, lies on the known sign where one is known, and marks what the risk depends on."
    )


def _strip(found: Mapping[str, Mapping[str, Any]], checks: Sequence[str]) -> charts.Chart:
    values = [[wording.as_number(_check(method, name).get("value")) for name in checks] for method in found.values()]
    verdicts = [[_state(_check(method, name)) for name in checks] for method in found.values()]
    return charts.trust_strip(
        [wording.label(name) for name in found], [wording.label(name) for name in checks], values, verdicts
    )


def _table(found: Mapping[str, Mapping[str, Any]], checks: Sequence[str]) -> blocks.Table:
    header = ["Method", *(wording.label(name) for name in checks), "Verdict"]
    rows: list[blocks.Row] = []
    for name, method in found.items():
        cells = [_cell(_check(method, check)) for check in checks]
        verdict = str(method.get("verdict") or "none")
        rows.append([wording.label(name), *cells, blocks.Cell(verdict, None, _VERDICTS.get(verdict, "open"))])
    return blocks.Table("Checks of each method, below them the 95 % interval", header, rows, narrow=True)


def _cell(check: Mapping[str, Any]) -> blocks.Cell:
    if not check:
        return blocks.Cell("not tested", math.nan, "open")
    state = _state(check)
    words = {"pass": "passed", "fail": "failed", "unknown": "not decided"}[state]
    value, between = wording.number(check.get("value")), wording.interval(check.get("ci"))
    reference = wording.number(check.get("reference"))
    against = f", against {check.get('against') or reference}" if reference != wording.UNKNOWN else ""
    order = wording.as_number(check.get("value"))
    return blocks.Cell(f"{value}: {words}", order, _TONES[state], between=f"{between}{against}")


def _check(method: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns a check; of one that failed by another comparison than its first, that comparison."""
    check = checks_of(method).get(name, {})
    others = check.get("also")
    failed = [one for one in others if isinstance(one, Mapping) and one.get("passed") is False] if others else []
    return failed[0] if failed and check.get("passed") is False else check


def _state(check: Mapping[str, Any]) -> str:
    passed = check.get("passed")
    return _PASSED[passed] if isinstance(passed, bool) else "unknown"


def _basis(run: gather.Run, found: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Returns what each verdict rests on, and the rule that drew it."""
    rests = [(wording.label(name), str(method["rests_on"])) for name, method in found.items() if method.get("rests_on")]
    rule = run.explanations.get("trust_rule")
    notes = [
        (f"{wording.label(name)}, {wording.label(check)}", str(one["note"]))
        for name, method in found.items()
        for check, one in checks_of(method).items()
        if one.get("note")
    ]
    return [
        *([blocks.Heading("What the verdicts rest on"), blocks.Terms(rests)] if rests else []),
        *([blocks.Text(str(rule), "note")] if rule else []),
        *([blocks.Folded("What else to know of each check", [blocks.Terms(notes)])] if notes else []),
    ]


def _older(run: gather.Run) -> list[Any]:
    """Returns what explanations without a trust table still tell."""
    entries = run.explanations.get("examples")
    examples = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    empty = sum(bool(entry.get("empty")) for entry in examples)
    parts: list[Any] = [blocks.Text(f"{wording.counted(len(examples), 'maps')} were drawn, {empty} of them empty.")]
    energy = run.explanations.get("energy")
    for name, figures in energy.items() if isinstance(energy, Mapping) else ():
        trained = wording.as_number(figures.get("trained") if isinstance(figures, Mapping) else None)
        if math.isfinite(trained):
            ratio = wording.number(figures.get("ratio"), 1)
            text = (
                f"{wording.label(name)}: {wording.share(trained)} of the map's energy lies at the sign, {ratio} "
                "times a random network's."
            )
            parts.append(blocks.Text(text))
    text = "The methods were not tested: run `python -m experiments.explain` of this version for the table of trust."
    return [*parts, blocks.Text(text, "missing")]

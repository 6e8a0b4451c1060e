"""How far the explanations can be trusted: each method's checks, its verdict, and what that rests on."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from raspine.report import blocks, charts, gather, wording

_TONES = {"pass": "good", "fail": "bad", "unknown": "open"}
_VERDICTS = {"supported": "good", "not supported": "bad"}
_WORDS = {"supported": "no check failed"}
_OF = re.compile(r"(?<!networks )\b(?:of (\d+) maps are empty|(\d+) studies with a mask)")
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
    parts: list[Any] = [blocks.Text(_lead(found)), *_doubt(run)]
    if found:
        checks = list(dict.fromkeys(name for checks in found.values() for name in checks_of(checks)))
        parts += [blocks.Charts([_strip(found, checks)]), _table(found, checks), *_basis(run, found)]
    else:
        parts += _untested(run)
    return blocks.Section("explanations", title, parts, "Explanations")


def methods(run: gather.Run) -> dict[str, Mapping[str, Any]]:
    """Returns what was tested of each method."""
    return dict(run.explanations.get("trust", {}))


def checks_of(method: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Returns the checks of a method by name."""
    return {name: one for name, one in method.items() if isinstance(one, Mapping)}


def verdict(method: Mapping[str, Any]) -> str:
    """Returns a method's verdict for people: all checks passed is no proof that a map is right."""
    stated = str(method.get("verdict") or "none")
    return _WORDS.get(stated, stated)


def _lead(found: Mapping[str, Mapping[str, Any]]) -> str:
    repeated = {_check_name("repeatability", method) for method in found.values()}
    stays = "when noise is laid on the images" if repeated == {"repeatability (noise)"} else "when it is made again"
    return (
        "A map is only evidence of what the network looks at if it changes when the network is randomised, stays "
        f"{stays}, lies on the known sign where one is known, and marks what the risk depends on."
    )


def _doubt(run: gather.Run) -> list[blocks.Text]:
    """Returns a caution where the model itself is not shown to rank better than chance."""
    area = wording.estimate(run.summary, "auc")
    if area["ci"] is None or area["ci"][0] > 0.5:
        return []
    known = wording.with_interval(area["value"], area["ci"])
    return [
        blocks.Text(
            f"The interval of the model's AUC, {known}, reaches 0.5: a model that is not shown to rank better than "
            "chance has little to explain, whatever checks its maps pass."
        )
    ]


def _check_name(name: str, *methods: Mapping[str, Any]) -> str:
    """Returns a check's name; of repeatability with what was repeated, where its note says so."""
    notes = " ".join(str(checks_of(method).get(name, {}).get("note", "")) for method in methods)
    label = wording.label(name)
    if name != "repeatability":
        return label
    ways = [way for way, word in (("noise", "noise"), ("seeds", "training runs")) if word in notes]
    return f"{label} ({' and '.join(ways)})" if ways else label


def _counted(found: Mapping[str, Mapping[str, Any]], name: str, check: Mapping[str, Any]) -> str:
    """Returns `n = 16 of 20`: how many a check rests on, of those that were asked."""
    n = _whole(check.get("n"))
    notes = [str(checks_of(method).get(name, {}).get("note", "")) for method in found.values()]
    stated = [int(one or two) for note in notes for one, two in _OF.findall(note.partition(";")[0])]
    most = max([n, *stated, *(_whole(checks_of(method).get(name, {}).get("n")) for method in found.values())])
    return (f"n\u00a0=\u00a0{n} of {most}" if n < most else f"n\u00a0=\u00a0{n}") if n else ""


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _strip(found: Mapping[str, Mapping[str, Any]], checks: Sequence[str]) -> charts.Chart:
    values = [[wording.as_number(_check(method, name).get("value")) for name in checks] for method in found.values()]
    verdicts = [[_state(_check(method, name)) for name in checks] for method in found.values()]
    return charts.trust_strip(
        [wording.label(name) for name in found],
        [_check_name(name, *found.values()) for name in checks],
        values,
        verdicts,
    )


def _table(found: Mapping[str, Mapping[str, Any]], checks: Sequence[str]) -> blocks.Table:
    header = ["Method", *(_check_name(name, *found.values()) for name in checks), "Verdict"]
    rows: list[blocks.Row] = []
    for name, method in found.items():
        cells = [_cell(_check(method, check), _counted(found, check, _check(method, check))) for check in checks]
        tone = _VERDICTS.get(str(method.get("verdict")), "open")
        rows.append([wording.label(name), *cells, blocks.Cell(verdict(method), None, tone)])
    return blocks.Table(
        "Checks of each method; below them the 95 % interval, and n patients", header, rows, narrow=True
    )


def _cell(check: Mapping[str, Any], counted: str = "") -> blocks.Cell:
    if not check:
        return blocks.Cell("not tested", math.nan, "open")
    state = _state(check)
    words = {"pass": "passed", "fail": "failed", "unknown": "not decided"}[state]
    digits = wording.decimals(check.get("value"))
    value, between = wording.number(check.get("value"), digits), wording.interval(check.get("ci"), digits)
    reference = wording.number(check.get("reference"))
    against = f", against {check.get('against') or reference}" if reference != wording.UNKNOWN else ""
    order = wording.as_number(check.get("value"))
    below = f"{between}{against}".removeprefix(", ")
    return blocks.Cell(f"{value}: {words}", order, _TONES[state], between="; ".join(filter(None, (below, counted))))


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
    rests = [
        (wording.label(name), wording.told(str(method["rests_on"])))
        for name, method in found.items()
        if method.get("rests_on")
    ]
    rule = str(run.explanations.get("trust_rule") or "").replace("'supported'", f"'{_WORDS['supported']}'")
    notes = [
        (f"{wording.label(name)}, {_check_name(check, method)}", wording.told(str(one["note"])))
        for name, method in found.items()
        for check, one in checks_of(method).items()
        if one.get("note")
    ]
    return [
        *([blocks.Heading("What the verdicts rest on"), blocks.Terms(rests)] if rests else []),
        *([blocks.Text(rule, "note")] if rule else []),
        *([blocks.Folded("What else to know of each check", [blocks.Terms(notes)])] if notes else []),
    ]


def _untested(run: gather.Run) -> list[Any]:
    """Returns what explanations without a trust table still tell."""
    examples = run.explanations.get("examples", [])
    empty = sum(bool(entry.get("empty")) for entry in examples)
    parts: list[Any] = [blocks.Text(f"{wording.counted(len(examples), 'maps')} were drawn, {empty} of them empty.")]
    for name, figures in (run.explanations.get("energy") or {}).items():
        trained = wording.as_number(figures.get("trained") if isinstance(figures, Mapping) else None)
        if math.isfinite(trained):
            ratio = wording.number(figures.get("ratio"), 1)
            text = (
                f"{wording.label(name)}: {wording.share(trained)} of the map's energy lies at the sign, {ratio} "
                "times a random network's."
            )
            parts.append(blocks.Text(text))
    text = "The methods were not tested: `python -m experiments.explain --checks=all` makes the table of trust."
    return [*parts, blocks.Text(text, "missing")]

"""The report's first page: what was done, the key figures, and what they amount to in a sentence."""

from collections.abc import Mapping
from typing import Any

from raspine.evaluation import equivalence
from raspine.report import agreement, blocks, checks, cohort, decisions, film_figures, gather, rules, wording

_WITHOUT_EVALUATION = (
    "This folder holds no evaluation, so there are no figures on unseen cases. Make one with "
    "`python -m experiments.evaluate --model=RUN/best --data=DATA --split=test --output_dir=DIR`, then name that "
    "folder with --run and this one with --training."
)
WIDE = 0.3  # an interval of a share wider than this says little
# Koo and Li, A guideline of selecting and reporting intraclass correlation coefficients, J Chiropr Med 2016.
_GRADES = ((0.5, "poor"), (0.75, "moderate"), (0.9, "good"), (float("inf"), "excellent"))


def section(run: gather.Run) -> blocks.Section:
    """Returns the summary."""
    parts: list[Any] = [blocks.Text(text)] if (text := does(run)) else []
    tiles = key_figures(run)
    if tiles:
        verdicts = [blocks.Text(text, "verdict") for text in verdict(run)]
        parts += [*verdicts, blocks.Tiles([*tiles, *_checked(run)]), *_notes(run)]
    else:
        parts.append(blocks.Text(_WITHOUT_EVALUATION, "missing"))
    return blocks.Section("glance", "At a glance", parts, "At a glance")


def title(run: gather.Run) -> str:
    """Returns the page's title."""
    names = {
        "films": "Atlantoaxial subluxation on lateral radiographs",
        "studies": "Deformity risk from a baseline MRI",
    }
    if run.kind == "films" and not _is_atlantoaxial(run):
        return f"Landmarks on radiographs: {wording.label(_schema(run).get('name', 'own schema'))}"
    return names.get(run.kind, "Model report")


def does(run: gather.Run) -> str:
    """Returns what the model does, empty where that is not known."""
    condition = rule(run)
    ruled = f"; a film is positive when {condition}" if condition else ""
    return {
        "films": f"The model finds {_landmark_count(run)}landmarks on a lateral radiograph of the cervical spine and "
        f"derives distances in millimetres from them{ruled}.",
        "studies": "The model gives the risk (0 to 1) that the cervical spine of a patient with rheumatoid arthritis "
        "will show a deformity at follow-up, from the sagittal T2 series of a baseline MRI.",
    }.get(run.kind, "")


def on_whom(run: gather.Run) -> str:
    """Returns how many cases of which split were evaluated."""
    if not run.cases:
        return ""
    split = run.summary.get("split")
    unit = "films" if run.films else "studies"
    patients = f" of {wording.counted(len(run.patients), 'patients')}" if run.patients else ""
    named = f" (the {split} split)" if split else ""
    return f"Judged on {wording.counted(len(run.cases), unit)}{patients}{named}"


def key_figures(run: gather.Run) -> list[blocks.Tile]:
    """Returns the figures that a reader looks for first."""
    if run.studies:
        return _of_studies(run)
    return _of_films(run) if run.films else []


def verdict(run: gather.Run) -> list[str]:
    """Returns what the figures amount to, by rules: no judgement of a person stands behind it."""
    if run.studies:
        return [_study_verdict(run)]
    return [_film_verdict(run)] if run.films else []


def _of_studies(run: gather.Run) -> list[blocks.Tile]:
    summary, one = run.summary, decisions.first(run)
    area = wording.estimate(summary, "auc")
    tiles = [
        blocks.Tile("AUC", wording.number(area["value"]), wording.interval(area["ci"]), _of(run, "studies", area)),
        *([_share_tile(one, "sensitivity"), _share_tile(one, "specificity")] if one else []),
        blocks.Tile(
            "Brier score",
            wording.number(summary.get("brier"), 3),
            wording.interval(summary.get("brier_ci"), 3),
            "0 is perfect",
        ),
    ]
    threshold = wording.as_number(summary.get("threshold"))
    prevalence = wording.estimate(summary, "prevalence")
    return [
        *tiles,
        blocks.Tile("Threshold", wording.number(threshold, 3), "", _threshold_source(summary)),
        blocks.Tile(
            "Prevalence",
            wording.share(prevalence["value"]),
            wording.interval(prevalence["ci"], percent=True),
            f"{summary.get('positives', wording.UNKNOWN)} of {wording.counted(summary.get('n'), 'studies')}",
        ),
    ]


def _of_films(run: gather.Run) -> list[blocks.Tile]:
    summary = _completed(run)
    error = wording.estimate(summary, "mre_mm")
    points = summary.get("n_points", wording.UNKNOWN)
    spread = f"SD {wording.number(summary.get('mre_sd_mm'))}, {points} point{'' if points == 1 else 's'}"
    tiles = [tile for pair in _main_pairs(run) for tile in _agreement_tiles(pair)]
    tiles.append(blocks.Tile("Mean landmark error", _mm(error["value"]), wording.interval(error["ci"]), spread))
    within = wording.estimate(summary, "sdr_2mm")
    tiles.append(
        blocks.Tile(
            "Within 2 mm", wording.share(within["value"]), wording.interval(within["ci"], percent=True), "of all points"
        )
    )
    for name in _distances(run)[:2]:
        off = wording.estimate(summary, f"{name}_mae_mm")
        bias = f"bias {wording.number(summary.get(f'{name}_bias_mm'))} mm"
        tiles.append(
            blocks.Tile(
                f"{wording.label(name)}, mean absolute error", _mm(off["value"]), wording.interval(off["ci"]), bias
            )
        )
    one = decisions.first(run)
    return [*tiles, _share_tile(one, "sensitivity"), _share_tile(one, "specificity")] if one else tiles


def _main_pairs(run: gather.Run) -> list[Mapping[str, Any]]:
    """Returns, of each distance, how the model agrees with the reference."""
    found: dict[str, Mapping[str, Any]] = {}
    for pair in agreement.pairs(run):
        if pair.get("first") == agreement.MODEL:
            found.setdefault(str(pair.get("distance")), pair)
    return list(found.values())


def _agreement_tiles(pair: Mapping[str, Any]) -> list[blocks.Tile]:
    name, ends = wording.label(pair.get("distance")), agreement.limits_of(pair)
    low, high = ends["lower_limit"], ends["upper_limit"]
    icc = wording.estimate(pair, "icc_a1")
    between = " and ".join(filter(None, (wording.interval(low["ci"]), wording.interval(high["ci"]))))
    span = wording.interval([low["value"], high["value"]])
    return [
        blocks.Tile(
            f"{name}, limits of agreement", f"{span} mm" if span else wording.UNKNOWN, between, _against_margin(pair)
        ),
        blocks.Tile(
            f"{name}, ICC(A,1)",
            wording.number(icc["value"]),
            wording.interval(icc["ci"]),
            _grade(icc["value"], icc["ci"]),
        ),
    ]


def _margin(pair: Mapping[str, Any]) -> float:
    test = pair.get("tost_clustered") or pair.get("tost")
    stated = wording.as_number(test.get("margin")) if isinstance(test, Mapping) else float("nan")
    return stated if stated > 0 else equivalence.MARGINS_MM.get(str(pair.get("distance")), float("nan"))


def _is_wide(pair: Mapping[str, Any]) -> bool:
    """Returns whether a limit of agreement lies outside the margin."""
    ends = agreement.limits_of(pair)
    return any(abs(wording.as_number(ends[name]["value"])) > _margin(pair) for name in ("lower_limit", "upper_limit"))


def _against_margin(pair: Mapping[str, Any]) -> str:
    """Returns where the limits lie beside the margin: within it only when their intervals are."""
    margin, ends = _margin(pair), agreement.limits_of(pair)
    if not margin > 0 or ends["lower_limit"]["value"] is None:
        return ""
    named = f"the margin of ± {wording.number(margin, 1)} mm"
    if _is_wide(pair):
        return f"wider than {named}"
    known = [ends[name]["ci"] for name in ("lower_limit", "upper_limit")]
    if all(known) and all(abs(wording.as_number(end)) <= margin for one in known for end in one):
        return f"within {named}"
    return f"not shown to lie within {named}"


def _grade(value: Any, ends: Any) -> str:
    """Returns Koo and Li's words for an intraclass correlation, those of its whole interval where it has one."""
    if value is None:
        return ""
    words = [next(word for limit, word in _GRADES if wording.as_number(end) < limit) for end in ends or [value]]
    return f"{' to '.join(dict.fromkeys(words))} (Koo and Li 2016)"


def _completed(run: gather.Run) -> dict[str, Any]:
    """Returns the summary, with intervals from the rows where it states none."""
    known = {key: value for key, value in run.summary.items() if value is not None}
    computed: dict[str, Any] = {}
    if not {"mre_mm_ci", "sdr_2mm_ci"} <= known.keys():
        computed |= film_figures.localisation(run.films)
    for name in _distances(run):
        if f"{name}_mae_mm_ci" not in known:
            computed |= film_figures.deviation(run.films, name)
    return {**{key: value for key, value in computed.items() if key.endswith("_ci")}, **known}


def _share_tile(one: decisions.Decision, name: str) -> blocks.Tile:
    share = decisions.rate(one, name)
    total = one.positives if name == "sensitivity" else one.negatives
    which = "positive" if name == "sensitivity" else "negative"
    note = f"of {total} {which} {wording.noun(total, one.unit)}"
    return blocks.Tile(
        name.capitalize(), wording.share(share["value"]), wording.interval(share["ci"], percent=True), note
    )


def _study_verdict(run: gather.Run) -> str:
    area = wording.estimate(run.summary, "auc")
    if area["value"] is None:
        notes = run.summary.get("notes")
        why = str(notes[0]) if isinstance(notes, list) and notes else "no AUC."
        return f"Discrimination could not be judged: {why}"
    figure = wording.with_interval(area["value"], area["ci"])
    if unseen := cohort.no_test(run):
        return f"{unseen} Their AUC is {figure}, which says nothing of patients whom the model never saw."
    told = f"an AUC of {figure}"
    low = wording.as_number((area["ci"] or [None])[0])
    if low > 0.5:
        text = f"The model ranks patients better than chance, with {told}."
    else:
        text = f"That the model ranks patients better than chance is not shown: {told} includes 0.5."
    return f"{text} {_precision(run)}".strip()


def _film_verdict(run: gather.Run) -> str:
    error = wording.estimate(_completed(run), "mre_mm")
    if error["value"] is None:
        return "No landmark error could be given in millimetres."
    points = "exact points" if run.exact else "annotators' points"
    sentences = [
        cohort.no_test(run),
        f"Landmarks lie {wording.with_interval(error['value'], error['ci'])} mm from the {points} on average.",
        _off(run),
        *_wide_limits(run),
        _missed(run),
        _precision(run),
    ]
    return " ".join(filter(None, sentences))


def _off(run: gather.Run) -> str:
    offs = [
        f"{wording.label(name)} by {wording.number(run.summary.get(f'{name}_mae_mm'))} mm"
        for name in _distances(run)[:2]
        if wording.as_number(run.summary.get(f"{name}_mae_mm")) >= 0
    ]
    return f"Distances are off on average: {wording.listed(offs)}." if offs else ""


def _wide_limits(run: gather.Run) -> list[str]:
    """Returns a sentence for each distance whose single values differ by more than the margin."""
    wide = [pair for pair in _main_pairs(run) if _is_wide(pair)]
    spans = [
        (pair, [agreement.limits_of(pair)[name]["value"] for name in ("lower_limit", "upper_limit")]) for pair in wide
    ]
    return [
        f"On single films the model's {wording.label(pair.get('distance'))} differs by {wording.interval(ends)} mm "
        f"(95 % limits of agreement), {_against_margin(pair)}."
        for pair, ends in spans
    ]


def _missed(run: gather.Run) -> str:
    one = decisions.first(run)
    if one is None:
        return ""
    if not one.positives:
        return "No case was truly positive, so sensitivity is not known."
    missed, unit = one.positives - one.cells.tp, wording.noun(one.positives, one.unit)
    return f"Of {one.positives} positive {unit} {missed} {'was' if missed == 1 else 'were'} missed."


def _precision(run: gather.Run) -> str:
    """Returns a warning where sensitivity or specificity is known only roughly."""
    one = decisions.first(run)
    if one is None:
        return ""
    rough = [
        f"{name} ({wording.interval(decisions.rate(one, name)['ci'], percent=True)})"
        for name in ("sensitivity", "specificity")
        if _width(decisions.rate(one, name)) > WIDE
    ]
    return f"The {cohort.judged(run)} are too few to pin down {wording.listed(rough)}." if rough else ""


def _width(share: Mapping[str, Any]) -> float:
    ends = share.get("ci")
    return ends[1] - ends[0] if ends else 0.0


def _of(run: gather.Run, unit: str, figure: Mapping[str, Any]) -> str:
    method = f", {wording.label(figure['method'])}" if figure["method"] else ""
    return f"{wording.counted(len(run.cases), unit)}{method}"


def _threshold_source(summary: Mapping[str, Any]) -> str:
    return str(summary.get("threshold_source") or "source not recorded")


def _mm(value: Any) -> str:
    text = wording.number(value)
    return text if text == wording.UNKNOWN else f"{text} mm"


def _distances(run: gather.Run) -> list[str]:
    return [key.removesuffix("_mae_mm") for key in run.summary if key.endswith("_mae_mm")]


def _schema(run: gather.Run) -> Mapping[str, Any]:
    return next(iter(rules.schemas(run)), {})


def _is_atlantoaxial(run: gather.Run) -> bool:
    name = _schema(run).get("name")
    return name == "atlantoaxial" if name else "adi_mae_mm" in run.summary or not run.summary


def _landmark_count(run: gather.Run) -> str:
    names = _schema(run).get("landmarks") or run.summary.get("by_landmark") or ()
    return f"{len(names)} " if names else ""


def _checked(run: gather.Run) -> list[blocks.Tile]:
    states = [one.state for one in checks.all_of(run)]
    passed, failed = states.count(checks.PASSED), states.count(checks.FAILED)
    if not passed + failed:
        return []
    return [blocks.Tile("Checks", f"{passed} of {passed + failed}", "", "passed, of those that could be decided")]


def _notes(run: gather.Run) -> list[blocks.Folded]:
    """Returns the reasons that the evaluation gives for what is missing or must be read with care."""
    stated = run.summary.get("notes")
    notes = [blocks.Text(str(note), "note") for note in stated] if isinstance(stated, list) else []
    return [blocks.Folded(f"Notes of the evaluation ({len(notes)})", notes)] if notes else []


def rule(run: gather.Run) -> str:
    """Returns when a film is positive, empty where no rule is known."""
    ruled = {name: rules.of(run, name).words for name in rules.distances(_schema(run))}
    return " or ".join(f"{wording.label(name)} {words}" for name, words in ruled.items() if words)

"""The model card, written from the run's own data.

The structure is that of Mitchell et al., Model cards for model reporting, FAT* 2019. What no run can know is marked for
the authors.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from raspine.report import blocks, checks, cohort, decisions, gather, glance, groups, limits, training, wording

AUTHORS = "To be written by the authors."
Row = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the card.

    Attributes:
      title: of Mitchell's nine.
      rows: (what, answer).
    """

    title: str
    rows: Sequence[Row]


def section(run: gather.Run) -> blocks.Section:
    """Returns the card for the page."""
    parts: list[Any] = [
        blocks.Text("After Mitchell et al. 2019. --card=FILE.md of experiments.report writes it as Markdown.")
    ]
    for part in parts_of(run):
        parts += [blocks.Heading(part.title), blocks.Terms(part.rows)]
    return blocks.Section("card", "Model card", parts, "Model card")


def parts_of(run: gather.Run) -> list[Part]:
    """Returns the nine parts, every row with an answer or a note to the authors."""
    return [Part(title, [(name, answer or AUTHORS) for name, answer in rows_of(run, title)]) for title in _PARTS]


def rows_of(run: gather.Run, title: str) -> list[Row]:
    """Returns the rows of a part, empty answers where no run can know.

    Args:
      run: as read.
      title: of Mitchell's nine.
    """
    return _PARTS[title](run)


def _details(run: gather.Run) -> list[Row]:
    versions = run.told("versions")
    return [
        ("Model", glance.title(run)),
        ("Kind", network(run)),
        ("Inputs and outputs", glance.does(run)),
        ("Start", _start(run)),
        ("Training", _trained(run)),
        ("Versions", _listed(versions)),
        ("Code", f"raspine, commit {run.told('git_commit')}" if run.told("git_commit") else ""),
        ("Licence", ""),
        ("Authors and contact", ""),
    ]


def _start(run: gather.Run) -> str:
    found = training.looks(run)
    told = [
        "weights of another model" if look.get("start") else "random weights" if look.get("recipe") else ""
        for look in found.values()
    ]
    if len(told) == 1 or not told[0]:
        return wording.sentence(f"{told[0]}.") if told[0] else ""
    # The second look's start names the first look's weights too, so it does not tell whether its own were random.
    return f"First look: {told[0]}. Second look: it was trained behind the first one; its own start is not recorded."


def network(run: gather.Run) -> str:
    """Returns the network in words, empty where it is not known."""
    recipe, found = run.told("recipe"), training.looks(run)
    if not isinstance(recipe, Mapping):
        return ""
    size = training.size({"recipe": recipe})
    if run.kind == "studies":
        slices = "each slice on its own" if recipe.get("per_slice") else "all slices together"
        return f"ResNet-{recipe.get('depth')}, {slices}, {size}"
    named = [_film_network(look) for look in found.values()]
    if len(named) > 1:
        return f"{named[0]}, on the whole film, then {named[1]}, on the region that the first look found"
    return named[0] + (", a second network on the region that the first one found" if recipe.get("reach") else "")


def _film_network(look: Mapping[str, Any]) -> str:
    recipe = look.get("recipe")
    if not isinstance(recipe, Mapping):
        return "a network that is not known"
    return f"HRNet-W{recipe.get('width')}{' (small)' if recipe.get('small') else ''}, {training.size(look)}"


def _intended(run: gather.Run) -> list[Row]:
    use = {
        "films": "research on measuring atlantoaxial subluxation on lateral radiographs of the cervical spine",
        "studies": "research on predicting cervical deformity in rheumatoid arthritis from a baseline MRI",
    }.get(run.kind, "")
    return [
        ("Intended use", f"{wording.sentence(use)}." if use else ""),
        ("Intended users", "Researchers who know how such images arise and what the checks of this report mean."),
        ("Out of scope", limits.RESEARCH),
    ]


def _factors(run: gather.Run) -> list[Row]:
    found = groups.levels(run)
    told = "; ".join(f"{groups.kind_name(kind)}: {', '.join(parts)}" for kind, parts in found.items())
    missing = [kind for kind in ("age", "sex", "scanner") if kind not in found]
    absent = f"Not evaluated by {wording.listed(missing)}: not recorded." if missing and run.cases else ""
    return [
        ("Groups evaluated", f"{wording.sentence(told)}." if told else ""),
        ("Groups missing", absent or "None." if run.cases else ""),
        ("Other factors", ""),
    ]


def _metrics(run: gather.Run) -> list[Row]:
    named = {
        "films": "Radial error of landmarks in millimetres, detection rates, errors of the distances, and "
        "sensitivity and specificity of the verdict.",
        "studies": "AUC, sensitivity, specificity, PPV and NPV at a frozen threshold, and calibration.",
    }.get(run.kind, "")
    return [("Figures", named), ("Threshold", _threshold(run)), ("Uncertainty", uncertainty(run))]


def uncertainty(run: gather.Run) -> str:
    """Returns how intervals were made, empty where there are none."""
    methods = [wording.label(value) for key, value in run.summary.items() if key.endswith("_ci_method") and value]
    has = any(key.endswith("_ci") and value for key, value in run.summary.items())
    named = f" ({', '.join(dict.fromkeys(methods))})" if methods else ""
    return f"95 % intervals{named}." if has or decisions.first(run) else ""


def _threshold(run: gather.Run) -> str:
    if run.kind == "films":
        rule = glance.rule(run)
        return f"A film is positive when {rule}." if rule else ""
    value = wording.as_number(run.summary.get("threshold"))
    return (
        f"{wording.number(value, 3)}; {run.summary.get('threshold_source', 'source not recorded')}."
        if value == value
        else ""
    )


def _evaluation_data(run: gather.Run) -> list[Row]:
    return [
        ("Cases", f"{glance.on_whom(run)}. {cohort.no_test(run)}".strip() if run.cases else ""),
        ("Data hash", str(run.summary.get("data_hash") or "")),
        ("Kind of patients", limits.SYNTHETIC if run.synthetic else ""),
        ("Preparation", preparation(run)),
    ]


def preparation(run: gather.Run) -> str:
    """Returns what data_prep did, empty where dataset.json is not there."""
    if not run.data:
        return ""
    refused = sum(cohort.reasons(run).values())
    parts = [f"{refused} input{'' if refused == 1 else 's'} refused with reasons", "pseudonyms are running numbers"]
    choice = run.data.get("choice")
    if isinstance(choice, Mapping):
        parts.append(
            f"{choice.get('count')} slices ({wording.label(choice.get('kind'))}), {choice.get('pixel_mm')} mm a pixel"
        )
    if sources := checks.spacing_sources(run):
        parts.append("spacing from " + ", ".join(f"{wording.label(name)} ({count})" for name, count in sources.items()))
    text = "; ".join(parts)
    return f"{wording.sentence(text)}."


def _training_data(run: gather.Run) -> list[Row]:
    counts = cohort.counts(run)
    unit = cohort.unit(run)
    each = {
        split: [wording.counted(part.get(what), what) for what in (unit, "patients")] for split, part in counts.items()
    }
    told = "; ".join(f"{cohort.SPLITS[split]}: {cases} of {patients}" for split, (cases, patients) in each.items())
    return [
        ("Cases", f"{told}." if told else ""),
        ("Split", split_rule(run)),
        ("Data hash", str(run.told("data_hash") or "")),
        ("Sources and consent", ""),
    ]


def split_rule(run: gather.Run) -> str:
    """Returns how the data were divided, empty where it is not known."""
    split = run.data.get("split")
    if not isinstance(split, Mapping):
        return ""
    seed = f", seed {split['seed']}" if split.get("seed") is not None else ""
    stratified = ", stratified by outcome" if split.get("stratified") else ""
    return f"By {split.get('by')}, rule {split.get('rule')}{seed}{stratified}."


def _trained(run: gather.Run) -> str:
    told = {name.partition(",")[0]: training.course(look) for name, look in training.looks(run).items()}
    return " ".join(f"{name}: {text}" if name else text for name, text in told.items() if text)


def overall(run: gather.Run) -> str:
    """Returns the key figures with their intervals, empty without an evaluation."""
    told = [
        f"{tile.label} {tile.value}" + (f" [{tile.interval}]" if tile.interval else "")
        for tile in glance.key_figures(run)
    ]
    return "; ".join(told) + "." if told else ""


def _analyses(run: gather.Run) -> list[Row]:
    main = "auc" if run.studies else "mre_mm"
    by_group = "; ".join(
        f"{label} {wording.with_interval(figure['value'], figure['ci'])}{_rests_on(run, figures)}"
        for parts in groups.levels(run).values()
        for label, figures in parts.items()
        if (figure := wording.estimate(figures, main))["value"] is not None
    )
    named = "AUC" if run.studies else "Mean landmark error in mm"
    return [
        ("Overall", overall(run)),
        ("By group", f"{named}: {by_group}." if by_group else ""),
        ("Verdict", " ".join(glance.verdict(run))),
    ]


def _rests_on(run: gather.Run, figures: Mapping[str, Any]) -> str:
    """Returns how many cases of how many patients a group's figure rests on, as far as that is known."""
    count, patients = figures.get("n"), figures.get("n_patients")
    if not isinstance(count, int):
        return ""
    of = f" of {wording.counted(patients, 'patients')}" if isinstance(patients, int) else ""
    return f" (n = {wording.counted(count, cohort.unit(run))}{of})"


def _ethics(run: gather.Run) -> list[Row]:
    return [
        ("Data protection", "The report holds pseudonyms, no names, dates or identifiers." if run.cases else ""),
        ("Harms", "A missed instability can do harm at an intubation; a false alarm leads to needless imaging."),
        ("Ethics approval", "Not needed: the patients are synthetic." if run.synthetic else ""),
    ]


def _caveats(run: gather.Run) -> list[Row]:
    return [("Limits", " ".join(limits.all_of(run)[1:])), ("Recommendations", "")]


def _listed(versions: Any) -> str:
    if not isinstance(versions, Mapping):
        return ""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


_PARTS: Mapping[str, Callable[[gather.Run], list[Row]]] = {
    "Model details": _details,
    "Intended use": _intended,
    "Factors": _factors,
    "Metrics": _metrics,
    "Evaluation data": _evaluation_data,
    "Training data": _training_data,
    "Quantitative analyses": _analyses,
    "Ethical considerations": _ethics,
    "Caveats and recommendations": _caveats,
}

"""What the run can answer of the items that reporting guidelines ask for."""

from collections.abc import Callable, Mapping

from raspine.report import (
    agreement,
    calibration,
    card,
    checks,
    cohort,
    decisions,
    gather,
    glance,
    groups,
    limits,
    trust,
    wording,
)

Answer = Callable[[gather.Run], str]


def all_of(run: gather.Run) -> dict[str, str]:
    """Returns the answers by key, empty where the run does not know."""
    return {name: " ".join(answer(run).split()) for name, answer in ANSWERS.items()}


def _rows(part: str, *names: str) -> Answer:
    """Returns an answer that joins rows of the model card."""

    def answer(run: gather.Run) -> str:
        rows = dict(card.rows_of(run, part))
        return " ".join(filter(None, (rows[name] for name in names)))

    return answer


def _technology(run: gather.Run) -> str:
    found = card.network(run)
    return f"Deep learning: {found}." if found else ""


def _partition_level(run: gather.Run) -> str:
    split = run.data.get("split")
    if not isinstance(split, Mapping):
        return ""
    return f"Disjoint by {split.get('by')}. " + _check(run, checks.LEAKAGE)


def _check(run: gather.Run, name: str) -> str:
    one = next((one for one in checks.all_of(run) if one.name == name), None)
    if one is None:
        return ""
    # `Stated: None.` answers nothing: what merely states a fact is told by its name.
    return wording.sentence(f"{name if one.state == checks.TOLD else one.state}: {one.found}")


def _sample_size(run: gather.Run) -> str:
    one = decisions.first(run)
    if one is None:
        return ""
    return f"{glance.on_whom(run)}: {one.positives} positive and {one.negatives} negative {one.unit}."


def _flow(run: gather.Run) -> str:
    splits, unit = cohort.counts(run), cohort.unit(run)
    if not splits:
        return ""
    told = "; ".join(
        f"{cohort.SPLITS[name]} {part.get(unit)} of {part.get('patients')} patients" for name, part in splits.items()
    )
    refused = sum(cohort.reasons(run).values())
    return f"{refused} inputs refused. {unit.capitalize()}: {told}."


def _demographics(run: gather.Run) -> str:
    known = [
        name
        for name in ("age", "sex", "scanner")
        if any(row.get(name) for row in run.records or run.films or run.studies)
    ]
    return f"By split in the section “Cohort”: {wording.listed(known)}." if known else ""


def _subgroups(run: gather.Run) -> str:
    found = groups.levels(run)
    return (
        f"In the section “{groups.title(run)}”: {wording.listed([wording.label(kind) for kind in found])}."
        if found
        else ""
    )


def _raters(run: gather.Run) -> str:
    names = agreement.annotators(run)
    if len(names) > 1:
        return f"{len(names)} annotators against each other and against the model, in the section “Agreement”."
    grades = run.data.get("raters")
    if isinstance(grades, Mapping) and grades.get("graded_by_both"):
        return f"Two raters graded {grades['graded_by_both']} studies and agreed on {grades.get('agree')}."
    return ""


def _reference(run: gather.Run) -> str:
    if run.exact:
        return "Exact points of the phantom; nobody annotated."
    options = run.data.get("options")
    if isinstance(options, Mapping) and options.get("consensus"):
        count = len(options.get("annotators") or ())
        joined = f", joined by {options['consensus']}" if count > 1 else ""
        return f"Landmarks of {wording.counted(count, 'annotators')}{joined}."
    doubtful = run.data.get("doubtful")
    return f"Consensus of the outcome table; doubtful outcomes: {doubtful}." if doubtful else ""


def _excluded(run: gather.Run) -> str:
    """Returns what was refused and why; what was never offered only the authors know."""
    return _check(run, checks.REFUSED) if sum(cohort.reasons(run).values()) else ""


def _missing(run: gather.Run) -> str:
    return " ".join(filter(None, (_check(run, checks.REFUSED), _check(run, checks.ANSWERED))))


def _explainability(run: gather.Run) -> str:
    found = trust.methods(run)
    told = [f"{wording.label(name)}: {trust.verdict(method)}" for name, method in found.items()]
    if told:
        return f"Tested methods: {'; '.join(told)}."
    return "Maps were drawn and not tested." if run.explanations else ""


def _failures(run: gather.Run) -> str:
    one = decisions.first(run)
    if one is None:
        return ""
    return (
        f"{one.positives - one.cells.tp} of {one.positives} positive and {one.negatives - one.cells.tn} of "
        f"{one.negatives} negative {one.unit} were called wrongly; the worst are in the section “Cases”."
    )


def _measures(run: gather.Run) -> str:
    told = _rows("Metrics", "Figures", "Uncertainty")(run)
    drawn = (
        "ROC, precision-recall, calibration and decision curves."
        if run.studies
        else "Errors, agreement and ROC are drawn."
    )
    return f"{told} {drawn}" if told and run.cases else ""


def _imbalance(run: gather.Run) -> str:
    weights = run.told("recipe", "class_weights")
    shift = run.settings.get("logit_shift")
    if weights is None:
        return ""
    undone = (
        f"; the weighting's shift of the log odds ({wording.number(shift)}) is undone"
        if isinstance(shift, float) and shift
        else ""
    )
    return f"Class weights: {weights}{undone}."


def _external(run: gather.Run) -> str:
    trained, judged = run.told("data_hash"), run.summary.get("data_hash")
    if not trained or not judged:
        return ""
    return "None: training and evaluation share one data set." if trained == judged else _check(run, checks.DATA)


def _sets(run: gather.Run) -> str:
    """Returns how the data of development and evaluation belong together; how they differ is for the authors."""
    if _external(run).startswith("None"):
        return "Both are parts of one data set."
    return _external(run)


def _internal(run: gather.Run) -> str:
    trained, judged = run.told("data_hash"), run.summary.get("data_hash")
    return f"{glance.on_whom(run)}. {card.overall(run)}" if trained and trained == judged else ""


def _calibration(run: gather.Run) -> str:
    figures = calibration.figures(run)
    return "; ".join(
        f"{wording.label(name)} {wording.with_interval(one['value'], one['ci'])}" for name, one in figures.items()
    )


def _limits(run: gather.Run) -> str:
    return " ".join(limits.all_of(run))


def _code(run: gather.Run) -> str:
    commit = run.told("git_commit") or run.summary.get("git_commit")
    return f"raspine, commit {commit}; every flag is in run.json." if commit else ""


def _deidentified(run: gather.Run) -> str:
    return "Patients and files carry running numbers; no identifier is stored with them." if run.data else ""


ANSWERS: Mapping[str, Answer] = {
    "calibration": _calibration,
    "code": _code,
    "deidentified": _deidentified,
    "demographics": _demographics,
    "explainability": _explainability,
    "external": _external,
    "excluded": _excluded,
    "failures": _failures,
    "flow": _flow,
    "imbalance": _imbalance,
    "initialisation": _rows("Model details", "Start"),
    "inputs": _rows("Model details", "Inputs and outputs"),
    "intended": _rows("Intended use", "Intended use", "Intended users"),
    "internal": _internal,
    "limits": _limits,
    "measures": _measures,
    "missing": _missing,
    "model": _rows("Model details", "Kind", "Inputs and outputs"),
    "model_choice": lambda run: _check(run, checks.MODEL_CHOICE),
    "partition_level": _partition_level,
    "performance": card.overall,
    "preparation": card.preparation,
    "raters": _raters,
    "reference": _reference,
    "sample_size": _sample_size,
    "sets": _sets,
    "split": card.split_rule,
    "subgroups": _subgroups,
    "technology": _technology,
    "threshold": _rows("Metrics", "Threshold"),
    "training": _rows("Model details", "Training"),
    "uncertainty": card.uncertainty,
    "versions": _rows("Model details", "Versions"),
}

"""What the figures do not allow, from the run's own facts."""

from collections.abc import Callable

from raspine.report import blocks, calibration, checks, cohort, decisions, facts, gather, groups, trust, wording

RESEARCH = (
    "Research use only: this is no medical device, it was not approved for care, and no decision about a patient may "
    "rest on it."
)
SYNTHETIC = "The patients are synthetic: the figures show that the software works and say nothing about patients."


def section(run: gather.Run) -> blocks.Section:
    """Returns the limits of use."""
    terms = [blocks.Text(f"{number}. {text}") for number, text in enumerate(all_of(run), 1)]
    return blocks.Section("limits", "Limits of use", terms, "Limits")


def all_of(run: gather.Run) -> list[str]:
    """Returns the limits, each a sentence or two."""
    return [RESEARCH, *(text for limit in _LIMITS if (text := limit(run)))]


def _synthetic(run: gather.Run) -> str:
    return SYNTHETIC if run.synthetic else ""


def _no_test(run: gather.Run) -> str:
    text = cohort.no_test(run)
    return f"No test set was evaluated. {text}" if text and run.split else text


def _unevaluated(run: gather.Run) -> str:
    return "" if run.cases else "The model was not evaluated: nothing is known of its errors on unseen cases."


def _one_source(run: gather.Run) -> str:
    trained, judged = run.told("data_hash"), run.summary.get("data_hash")
    if not judged or trained != judged:
        return ""
    return (
        f"Training and {cohort.judged(run)} come from one data set. How the model does at another hospital, on another "
        "machine or on other patients is not known."
    )


def _few(run: gather.Run) -> str:
    one, people = decisions.first(run), facts.class_sizes(run)
    sizes = people or one
    if one is None or sizes is None or min(sizes.positives, sizes.negatives) >= 50:
        return ""
    told = checks.class_sizes(run) or f"{one.positives} positive and {one.negatives} negative {one.unit}"
    return f"The {cohort.judged(run)} are {told}; differences smaller than the intervals are not shown."


def _scope(run: gather.Run) -> str:
    return {
        "films": "Only lateral radiographs of the upper cervical spine. Vertical and subaxial subluxation are not "
        "looked for, and a film taken otherwise may be measured without a warning.",
        "studies": "Only the sagittal T2 series of patients with rheumatoid arthritis. Other sequences, treatment "
        "after the scan and clinical findings that were not given to the model play no part.",
    }.get(run.kind, "")


def _spacing(run: gather.Run) -> str:
    if run.kind != "films" or any(
        one.name == checks.SPACING and one.state == checks.PASSED for one in checks.all_of(run)
    ):
        return ""
    return (
        "Millimetres are as good as the pixel spacing: where it holds in the detector's plane, the atlantodental "
        "interval is read too wide by the magnification (often 12 to 20 %) and too little space for the cord is "
        "missed."
    )


def _groups(run: gather.Run) -> str:
    small = _small(run)
    missing = [kind for kind in ("age", "sex", "scanner") if run.cases and kind not in groups.levels(run)]
    texts = []
    if small:
        texts.append(f"Too few patients to judge: {wording.listed(small[:6])}.")
    if missing:
        texts.append(f"Whether it is worse for some is unknown by {wording.listed(missing)}, which were not recorded.")
    return " ".join(texts)


def _small(run: gather.Run) -> list[str]:
    """Returns the groups of few patients; of few cases where the patients are not recorded."""
    counts = {
        f"{groups.kind_name(kind)} {label}": (figures.get("n_patients", figures.get("n")), "n_patients" in figures)
        for kind, parts in groups.levels(run).items()
        for label, figures in parts.items()
    }
    return [
        f"{name} ({wording.counted(count, 'patients' if people else cohort.unit(run))})"
        for name, (count, people) in counts.items()
        if isinstance(count, int) and 0 < count < groups.SMALL
    ]


def _calibrated(run: gather.Run) -> str:
    slope = calibration.figures(run).get("slope")
    ends = slope["ci"] if slope else None
    if not slope or not ends or ends[0] <= 1 <= ends[1]:
        return ""
    which = "too extreme" if ends[1] < 1 else "too timid"
    return (
        f"Risks are {which} (calibration slope {wording.with_interval(slope['value'], ends)}): read them as a "
        "ranking only."
    )


def _explanations(run: gather.Run) -> str:
    failed = [
        wording.label(name)
        for name, method in trust.methods(run).items()
        if any(check.get("passed") is False for check in trust.checks_of(method).values())
    ]
    return (
        f"Maps of {wording.listed(failed)} failed a check of trust: they must not be read as reasons." if failed else ""
    )


def _failed(run: gather.Run) -> str:
    failed = [check.name for check in checks.all_of(run) if check.state == checks.FAILED]
    return f"Failed checks: {'; '.join(failed)}." if failed else ""


_LIMITS: tuple[Callable[[gather.Run], str], ...] = (
    _synthetic, _unevaluated, _no_test, _one_source, _few, _scope, _spacing, _groups, _calibrated,
    _explanations, _failed,
)  # fmt: skip

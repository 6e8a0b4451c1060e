"""What a reviewer would check first: leakage, data, threshold, spacing, refusals, versions, seeds."""

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from raspine import patient_groups
from raspine.report import blocks, cohort, decisions, facts, gather, training, wording

PASSED, FAILED, OPEN, TOLD = "passed", "failed", "unknown", "stated"
TONES = {PASSED: "good", FAILED: "bad", OPEN: "open", TOLD: ""}
FEW = 10
LEAKAGE = "No patient is in two splits"
DATA = "Data of training and evaluation"
MODEL_CHOICE = "The model was chosen on validation cases"
REFUSED = "Refused inputs"
ANSWERED = "Cases without an answer"
THRESHOLD = "The threshold was not chosen on the evaluated cases"
TOGETHER = "The parts belong together"
SPACING = "Where millimetres come from"
_OF_MODEL = {"recipe": "recipe", "start": "start", "data_hash": "data hash"}
_UNCORRECTED = ("pixel_spacing", "detector_plane", "nominal_scanned", "none")


@dataclasses.dataclass(frozen=True)
class Check:
    """A check and what it found.

    Attributes:
      name: what was asked.
      state: `passed`, `failed`, `unknown`, or `stated` where nothing can be wrong.
      found: the answer, for people.
    """

    name: str
    state: str
    found: str


def section(run: gather.Run) -> blocks.Section:
    """Returns the checks as a table, failed ones first."""
    found = all_of(run)
    order = (FAILED, OPEN, PASSED, TOLD)
    rows: list[blocks.Row] = [
        [one.name, blocks.Cell(one.state, order.index(one.state), TONES[one.state]), one.found]
        for one in sorted(found, key=lambda one: order.index(one.state))
    ]
    counts = collections.Counter(one.state for one in found)
    lead = (
        f"{counts[PASSED]} passed, {counts[FAILED]} failed, {counts[OPEN]} could not be decided from what the run "
        "has left; the rest states facts."
    )
    table = blocks.Table(
        "What was checked, and what was found", ["Check", "Result", "What was found"], rows, narrow=True
    )
    return blocks.Section("checks", "Checks: leakage, data, provenance", [blocks.Text(lead), table], "Checks")


def all_of(run: gather.Run) -> list[Check]:
    """Returns every check that applies."""
    return [found for check in _CHECKS if (found := check(run)) is not None]


def shared_patients(run: gather.Run) -> list[str]:
    """Returns the pseudonyms of patients that stand in more than one split."""
    known = (row for row in run.records if row.get("patient"))
    return patient_groups.leaks(
        patient_groups.Row(row.get("id", ""), row["patient"], row.get("split", "")) for row in known
    )


def trained_on(run: gather.Run) -> list[str]:
    """Returns the evaluated patients that the data set lists for training, where both speak of the same data."""
    trained = {row.get("patient") for row in run.records if row.get("split") == "train"}
    same = run.summary.get("data_hash") == run.data.get("data_hash")
    return sorted(set(run.patients) & {patient for patient in trained if patient}) if same else []


def spacing_sources(run: gather.Run) -> dict[str, int]:
    """Returns how many films rest on each source of spacing: of the evaluated films, or else of the data set."""
    evaluated = {row["image"]: row["spacing_source"] for row in run.films if row.get("spacing_source")}
    if evaluated:
        return dict(collections.Counter(evaluated.values()).most_common())
    stated = run.data.get("spacing_sources")
    found = stated if isinstance(stated, Mapping) else {}
    return {str(name): count for name, count in found.items() if isinstance(count, int)}


def _leakage(run: gather.Run) -> Check | None:
    name = LEAKAGE
    if run.records:
        shared = shared_patients(run)
        if shared:
            return Check(
                name, FAILED, f"{wording.counted(len(shared), 'patients')} in more than one: {', '.join(shared[:5])}."
            )
        if seen := trained_on(run):
            text = (
                f"{wording.counted(len(seen), 'patients')} of the evaluation trained the model: {', '.join(seen[:5])}."
            )
            return Check(name, FAILED, text)
        count = len({row["patient"] for row in run.records if row.get("patient")})
        return Check(name, PASSED, f"{wording.counted(count, 'patients')} compared in records.csv.")
    split = run.data.get("split")
    if isinstance(split, Mapping) and split.get("by") == "patient":
        return Check(name, PASSED, "dataset.json: the split was made by patient, and data_prep refuses any other.")
    return Check(name, OPEN, "Neither records.csv nor dataset.json was found; name their folder with --data.")


def _evaluated_split(run: gather.Run) -> Check | None:
    split = run.summary.get("split")
    if not run.summary:
        return None
    name = "Figures come from cases that training never saw"
    if split == "test":
        return Check(name, PASSED, "The test split was evaluated.")
    if split in ("train", "validation"):
        return Check(name, FAILED, f"The {split} split was evaluated: its figures are too good.")
    return Check(name, OPEN, "summary.json does not say which split was evaluated.")


def _same_data(run: gather.Run) -> Check | None:
    trained, judged = run.told("data_hash"), run.summary.get("data_hash")
    if not run.summary:
        return None
    name = DATA
    if not trained or not judged:
        return Check(name, OPEN, "A data hash is missing.")
    if trained == judged:
        return Check(
            name, PASSED, f"The same data set, hash {str(judged)[:12]}…: one data set's own {cohort.judged(run)}."
        )
    text = (
        f"Another data set (hash {str(judged)[:12]}…) than in training ({str(trained)[:12]}…): an external evaluation."
    )
    return Check(name, TOLD, text)


def _threshold(run: gather.Run) -> Check | None:
    if run.kind != "studies":
        return Check("Thresholds", TOLD, "Millimetre rules fixed beforehand; none was chosen on these films.")
    if not run.summary:
        return None
    name, source = THRESHOLD, wording.sentence(_stopped(str(run.summary.get("threshold_source") or "")))
    chosen, judged = run.summary.get("threshold_chosen_on"), run.summary.get("data_hash")
    if "test" in source.lower():
        return Check(name, FAILED, source)
    on_validation = "validation" in source.lower()
    if run.split == "validation" and (chosen == judged if chosen else on_validation):
        return Check(name, FAILED, f"{source} These very cases were evaluated.".strip())
    if on_validation or chosen:
        return Check(name, PASSED, source or "Taken from another run.")
    return Check(name, OPEN, source or "summary.json does not say where it comes from.")


def _model_choice(run: gather.Run) -> Check | None:
    best = training.epoch(run)
    if best is None:
        return Check(MODEL_CHOICE, OPEN, "No training run was found; name it with --training.")
    return Check(MODEL_CHOICE, PASSED, f"Epoch {best}, by its validation figure.")


def _consistent(run: gather.Run) -> Check | None:
    stated = run.summary.get("n")
    if not run.cases or not isinstance(stated, int):
        return None
    name = "Rows and summary are of one evaluation"
    without = run.summary.get("n_without_outcome") if run.studies else 0
    if len(run.cases) in (stated, stated + (without if isinstance(without, int) else 0)):
        return Check(name, PASSED, f"Both hold {wording.counted(len(run.cases), 'films' if run.films else 'studies')}.")
    return Check(name, FAILED, f"summary.json speaks of {stated}, the rows of {len(run.cases)}.")


def _size(run: gather.Run) -> Check | None:
    one, people = decisions.first(run), facts.class_sizes(run)
    if one is None:
        return None
    cases = f"{one.positives} positive and {one.negatives} negative {one.unit}"
    if people is None:
        state = PASSED if min(one.positives, one.negatives) >= FEW else FAILED
        return Check(f"Both classes have at least {FEW} cases", state, f"{cases}; their patients are not recorded.")
    found = f"{class_sizes(run)} ({cases})."
    state = PASSED if min(people.positives, people.negatives) >= FEW else FAILED
    return Check(f"Both classes have at least {FEW} patients", state, found)


def class_sizes(run: gather.Run) -> str:
    """Returns how many patients have a positive and a negative case, empty where that is not known."""
    people = facts.class_sizes(run)
    if people is None:
        return ""
    unit = "study" if run.studies else "film"
    positives = wording.counted(people.positives, "patients")
    return f"{positives} with a positive {unit} and {people.negatives} with a negative one"


def _spacing(run: gather.Run) -> Check | None:
    sources = spacing_sources(run)
    if run.kind != "films":
        return None
    name = SPACING
    if not sources:
        return Check(name, OPEN, "The sources of spacing are not recorded; name the data folder with --data.")
    told = wording.sentence(", ".join(f"{wording.label(source)} {count}" for source, count in sources.items()))
    doubtful = sum(count for source, count in sources.items() if source in _UNCORRECTED)
    without = wording.as_number(run.summary.get("n_without_spacing"))
    if doubtful or without > 0:
        return Check(name, FAILED, f"{told}; {_uncorrected(doubtful or int(without))}.")
    return Check(name, PASSED, f"{told}: all in the patient's plane.")


def _uncorrected(count: int) -> str:
    return f"{wording.counted(count, 'films')} {'is' if count == 1 else 'are'} not corrected for magnification"


def _refused(run: gather.Run) -> Check | None:
    if not run.data and run.refused is None:
        return None
    reasons = cohort.reasons(run)
    total = sum(reasons.values())
    listed = "; ".join(
        f"{reason} ({count})" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:6]
    )
    return Check(REFUSED, TOLD, f"{total}: {listed}." if total else "None.")


def _versions(run: gather.Run) -> Check | None:
    trained, judged = run.told("versions"), run.summary.get("versions")
    if not isinstance(trained, Mapping) or not isinstance(judged, Mapping):
        return Check("Versions", OPEN, "Training or evaluation does not state its versions.") if run.summary else None
    different = [
        f"{name} {trained.get(name)} then {judged[name]}" for name in judged if trained.get(name) != judged[name]
    ]
    if different:
        return Check("Versions of training and evaluation", FAILED, f"They differ: {'; '.join(different)}.")
    told = ", ".join(f"{name} {version}" for name, version in judged.items())
    return Check("Versions of training and evaluation", PASSED, f"The same: {told}.")


def _commit(run: gather.Run) -> Check | None:
    commits = {str(found) for found in (run.told("git_commit"), run.summary.get("git_commit")) if found}
    name = "Code can be found again"
    if not commits:
        return Check(name, OPEN, "No commit is recorded.")
    told = ", ".join(sorted(commit[:12] + ("-dirty" if commit.endswith("-dirty") else "") for commit in commits))
    if any(commit.endswith("-dirty") for commit in commits):
        return Check(name, FAILED, f"Commit {told}: the code had changes that no commit holds.")
    return Check(name, PASSED, f"Commit {told}.")


def _seeds(run: gather.Run) -> Check | None:
    split = run.data.get("split")
    first = run.told("locator", "recipe", "seed")
    found = {
        "first look": first,
        "training": run.told("recipe", "seed"),
        "split": split.get("seed") if isinstance(split, Mapping) else None,
    }
    told = ", ".join(f"{name} {seed}" for name, seed in found.items() if seed is not None)
    return Check("Seeds", TOLD if told else OPEN, f"{wording.sentence(told)}." if told else "None is recorded.")


def _answered(run: gather.Run) -> Check | None:
    counts = {
        "landmarks not found": run.summary.get("n_not_found"),
        "films without spacing": run.summary.get("n_without_spacing"),
        "studies without outcome": run.summary.get("n_without_outcome"),
    }
    known = {name: int(count) for name, count in counts.items() if isinstance(count, int)}
    if not known:
        return None
    told = ", ".join(f"{name} {count}" for name, count in known.items())
    return Check(ANSWERED, TOLD, f"{wording.sentence(told)}.")


def _pictures(run: gather.Run) -> Check | None:
    if not run.unreadable:
        return None
    count = len(run.unreadable)
    told = "1 picture could not be read and is" if count == 1 else f"{count} pictures could not be read and are"
    named = ", ".join(run.unreadable[:5]) + (", …" if count > 5 else "")
    return Check("Pictures", TOLD, f"{told} left out: {named}.")


def _together(run: gather.Run) -> Check | None:
    """Compares what the parts say of their data and their model with the evaluation."""
    if not run.summary:
        return None
    judged, model = run.summary.get("data_hash"), gather.mapping(run.summary.get("model"))
    hashes = {"--data": run.data.get("data_hash"), "--explained": run.explanations.get("data_hash")}
    known = {flag: found for flag, found in hashes.items() if found and judged}
    faults = [
        f"{flag} is of another data set ({str(found)[:12]}…) than was evaluated ({str(judged)[:12]}…)"
        for flag, found in known.items()
        if found != judged
    ]
    models = {
        "--training": run.training, "the model in best/": run.card,
        "--explained": gather.mapping(run.explanations.get("model")),
    }  # fmt: skip
    compared = {flag: _other(part, model) for flag, part in models.items() if set(part) & set(model) & set(_OF_MODEL)}
    faults += [
        f"{flag} is not the evaluated model's: another {wording.listed(others)}"
        for flag, others in compared.items()
        if others
    ]
    if faults:
        return Check(TOGETHER, FAILED, f"{wording.sentence('; '.join(faults))}.")
    if not known and not compared:
        return None
    named = wording.listed(list(dict.fromkeys([*known, *compared])))
    return Check(TOGETHER, PASSED, f"Data and model of the evaluation agree with {named}.")


def _other(part: Mapping[str, Any], model: Mapping[str, Any]) -> list[str]:
    return [name for key, name in _OF_MODEL.items() if key in part and key in model and part[key] != model[key]]


def _stopped(text: str) -> str:
    return f"{text}." if text and text[-1] not in ".!?" else text


def _real(run: gather.Run) -> Check | None:
    if run.synthetic:
        return Check("Patients", TOLD, "Synthetic: no figure here says anything about patients.")
    text = "Nothing marks the data as synthetic." if run.synthetic is None else "The data are stated to be of patients."
    return Check("Patients", TOLD, text)


_CHECKS: tuple[Callable[[gather.Run], Check | None], ...] = (
    _leakage, _evaluated_split, _together, _same_data, _threshold, _model_choice, _consistent, _size, _spacing,
    _refused, _answered, _pictures, _versions, _commit, _seeds, _real,
)  # fmt: skip

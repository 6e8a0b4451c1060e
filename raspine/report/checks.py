"""What a reviewer would check first: leakage, data, threshold, spacing, refusals, versions, seeds."""

import collections
import dataclasses
from collections.abc import Callable, Mapping

from raspine import patient_groups
from raspine.report import blocks, cohort, decisions, gather, training, wording

PASSED, FAILED, OPEN, TOLD = "passed", "failed", "unknown", "stated"
TONES = {PASSED: "good", FAILED: "bad", OPEN: "open", TOLD: ""}
FEW = 10
THRESHOLD = "The threshold was not chosen on the test cases"
SPACING = "Where millimetres come from"
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
    name = "No patient is in two splits"
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
    name = "Data of training and evaluation"
    if not trained or not judged:
        return Check(name, OPEN, "A data hash is missing.")
    if trained == judged:
        return Check(name, PASSED, f"The same data set, hash {str(judged)[:12]}…: one data set's own test split.")
    text = (
        f"Another data set (hash {str(judged)[:12]}…) than in training ({str(trained)[:12]}…): an external evaluation."
    )
    return Check(name, TOLD, text)


def _threshold(run: gather.Run) -> Check | None:
    if run.kind != "studies":
        return Check("Thresholds", TOLD, "Millimetre rules fixed beforehand; none was chosen on these films.")
    source = str(run.summary.get("threshold_source") or "")
    if not run.summary:
        return None
    name = THRESHOLD
    if "test" in source.lower():
        return Check(name, FAILED, source)
    if "validation" in source.lower() or run.summary.get("threshold_chosen_on"):
        return Check(name, PASSED, source or "Taken from another run.")
    return Check(name, OPEN, source or "summary.json does not say where it comes from.")


def _model_choice(run: gather.Run) -> Check | None:
    best = training.epoch(run)
    if best is None:
        return Check(
            "The model was chosen on validation cases", OPEN, "No training run was found; name it with --training."
        )
    return Check("The model was chosen on validation cases", PASSED, f"Epoch {best}, by its validation figure.")


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
    one = decisions.first(run)
    if one is None:
        return None
    name = f"Both classes have at least {FEW} cases"
    found = f"{one.positives} positive and {one.negatives} negative {one.unit}."
    return Check(name, PASSED if min(one.positives, one.negatives) >= FEW else FAILED, found)


def _spacing(run: gather.Run) -> Check | None:
    sources = spacing_sources(run)
    if run.kind != "films":
        return None
    name = SPACING
    if not sources:
        return Check(name, OPEN, "The sources of spacing are not recorded; name the data folder with --data.")
    told = ", ".join(f"{wording.label(source)} {count}" for source, count in sources.items())
    doubtful = sum(count for source, count in sources.items() if source in _UNCORRECTED)
    without = wording.as_number(run.summary.get("n_without_spacing"))
    if doubtful or without > 0:
        return Check(name, FAILED, f"{told}; {doubtful or int(without)} films are not corrected for magnification.")
    return Check(name, PASSED, f"{told}: all in the patient's plane.")


def _refused(run: gather.Run) -> Check | None:
    if not run.data and run.refused is None:
        return None
    reasons = cohort.reasons(run)
    total = sum(reasons.values())
    listed = "; ".join(
        f"{reason} ({count})" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:6]
    )
    return Check("Refused inputs", TOLD, f"{total}: {listed}." if total else "None.")


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
    found = {"training": run.told("recipe", "seed"), "split": split.get("seed") if isinstance(split, Mapping) else None}
    told = ", ".join(f"{name} {seed}" for name, seed in found.items() if seed is not None)
    return Check("Seeds", TOLD if told else OPEN, f"{told}." if told else "None is recorded.")


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
    return Check("Cases without an answer", TOLD, f"{told}.")


def _real(run: gather.Run) -> Check | None:
    if run.synthetic:
        return Check("Patients", TOLD, "Synthetic: no figure here says anything about patients.")
    text = "Nothing marks the data as synthetic." if run.synthetic is None else "The data are stated to be of patients."
    return Check("Patients", TOLD, text)


_CHECKS: tuple[Callable[[gather.Run], Check | None], ...] = (
    _leakage, _evaluated_split, _same_data, _threshold, _model_choice, _consistent, _size, _spacing, _refused,
    _answered, _versions, _commit, _seeds, _real,
)  # fmt: skip

"""Outcomes and studies brought together before any pixel is read."""

import collections
import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from data_prep import identities, outcomes, unreadable
from data_prep.refusals import Refusal
from raspine import pseudonyms
from raspine.dicom import discovery
from raspine.dicom.nifti import is_nifti
from raspine.dicom.study import Index, Study

FLAG_BASELINE = "baseline_by_date"


class _NoStudyError(ValueError):
    """The study of a row is not there, or cannot be told."""


@dataclasses.dataclass(frozen=True, eq=False)
class Wanted:
    """A study with its outcome.

    Attributes:
      row: its row of the outcomes.
      outcome: 1 or 0.
      source: the study in the archive, or a NIfTI file.
      flags: what is doubtful about the match.
    """

    row: outcomes.Row
    outcome: int
    source: Study | pathlib.Path
    flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """Which studies have a usable outcome.

    Attributes:
      wanted: what to read, by StudyInstanceUID or path of the NIfTI file.
      refused: by the same, or by `row-N` for a row that names no study.
      without_outcome: studies that no row names.
      studies: pseudonym of every study, there or only named.
      patients: pseudonym of every patient that the outcomes name.
    """

    wanted: Mapping[str, Wanted]
    refused: Mapping[str, Refusal]
    without_outcome: tuple[str, ...]
    studies: Mapping[str, str]
    patients: Mapping[str, str]

    def pseudonym(self, name: str) -> str:
        """Returns how outputs name a study, or a row without one."""
        return self.studies.get(name, name)

    @property
    def most_patients(self) -> int:
        """How many patients there can be at most."""
        return len({wanted.row.patient_id for wanted in self.wanted.values()})


def find_nifti(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the NIfTI files below a folder by their path in it with `/`, hidden ones left out."""
    files = (path for path in discovery.walk(folder) if is_nifti(path))
    inside = ((path.relative_to(folder), path) for path in files)
    return {name.as_posix(): path for name, path in inside if not any(part.startswith(".") for part in name.parts)}


def select(
    table: outcomes.Table,
    index: Index,
    nifti: Mapping[str, pathlib.Path],
    damage: Mapping[str, unreadable.Damage],
    doubtful: str = "exclude",
    check_patients: bool = True,
) -> Selection:
    """Returns which studies have a usable outcome, and why the others are left out.

    Args:
      table: the outcomes.
      index: the DICOM studies.
      nifti: the NIfTI files by their path in the studies folder.
      damage: what cannot be read, by StudyInstanceUID.
      doubtful: `exclude`, `negative` or `positive`: what a doubtful consensus means.
      check_patients: refuse studies whose headers contradict patient_id.
    """
    studies: dict[str, Study | pathlib.Path] = {**{study.uid: study for study in index.studies}, **nifti}
    refused = {row.key or f"row-{row.number}": Refusal("outcomes", row.reason) for row in reversed(table.refused)}
    named, lost = _matched(table.rows, index.studies)
    refused |= lost
    wanted: dict[str, Wanted] = {}
    for key in sorted(named.keys() - refused.keys()):
        result = _wanted(key, named[key], studies, damage, doubtful)
        if isinstance(result, Wanted):
            wanted[key] = result
        else:
            refused[key] = result
    if check_patients:
        for key, reason in _strangers(wanted).items():
            del wanted[key]
            refused[key] = Refusal("patient", reason)
    unnamed = studies.keys() - named.keys() - refused.keys()
    people = pseudonyms.assign((row.patient_id for row in table.rows), "P", 4)
    known = {key for key in refused if not key.startswith("row-")}
    names = pseudonyms.assign({*studies, *named, *known}, "S", 5)
    return Selection(wanted, refused, tuple(sorted(unnamed)), names, people)


def _matched(
    rows: Iterable[outcomes.Row], studies: Sequence[Study]
) -> tuple[dict[str, list[outcomes.Row]], dict[str, Refusal]]:
    """Returns the rows of each study, and why rows that name only a patient cannot be matched."""
    found: dict[str, list[outcomes.Row]] = collections.defaultdict(list)
    lost: dict[str, Refusal] = {}
    for row in rows:
        try:
            found[row.key or _baseline(row.patient_id, studies).uid].append(row)
        except _NoStudyError as error:
            lost[f"row-{row.number}"] = Refusal("no such study", f"{outcomes.naming([row])}: {error}")
    return found, lost


def _baseline(patient: str, studies: Iterable[Study]) -> Study:
    """Returns a patient's earliest study by Study Date (0008,0020)."""
    own = [study for study in studies if _has_patient(study, patient)]
    if not own:
        raise _NoStudyError("no such study: no MR study has this PatientID (0010,0020), and study_uid is empty.")
    if len({study.patient_id for study in own}) > 1:
        raise _NoStudyError("two issuers (0010,0021) use this PatientID: give study_uid.")
    if len(own) == 1:
        return own[0]
    first, second = sorted(own, key=lambda study: study.date)[:2]
    if not first.date:
        raise _NoStudyError("one of this patient's studies has no Study Date (0008,0020): give study_uid.")
    if first.date == second.date:
        raise _NoStudyError("two of this patient's studies are of the earliest date: give study_uid.")
    return first


def _has_patient(study: Study, patient: str) -> bool:
    """Returns whether a study is of a patient by PatientID, with its issuer or without."""
    return any(patient in (person.patient_id, person.patient_id.rpartition("\\")[2]) for person in study.people)


def _wanted(
    key: str,
    rows: Sequence[outcomes.Row],
    studies: Mapping[str, Study | pathlib.Path],
    damage: Mapping[str, unreadable.Damage],
    doubtful: str,
) -> Wanted | Refusal:
    """Returns the study of a key with its outcome, or why it has none."""
    naming = outcomes.naming(rows)
    if len({row.patient_id for row in rows}) > 1:
        return Refusal("outcomes", f"{naming}: one study under two patients.")
    if len(rows) > 1:
        return Refusal("outcomes", f"{naming}: more than one row for this study: keep one.")
    (row,) = rows
    if key not in studies and key in damage:
        reason = next(iter(damage[key].reasons.values()))
        return Refusal("study", f"no file of this study can be read: {reason}")
    if key not in studies:
        kind = "file" if row.file else "study"
        return Refusal("no such study", f"{naming}: no such {kind} in the studies folder.")
    label = outcomes.label(row.consensus, doubtful)
    if label is None:
        return Refusal("doubtful", f"{naming}: the outcome is doubtful and --doubtful is exclude.")
    return Wanted(row, label, studies[key], () if row.key else (FLAG_BASELINE,))


def _strangers(wanted: Mapping[str, Wanted]) -> dict[str, str]:
    """Returns why a study is refused, for each whose headers name another patient, or two."""
    people: dict[str, tuple[str, identities.Identity]] = {}
    keys: dict[str, str] = {}
    for key, study in wanted.items():
        for number, person in enumerate(study.source.people if isinstance(study.source, Study) else ()):
            name = f"{key} {number}"
            keys[name] = key
            identity = identities.Identity(person.patient_id, person.name, person.birth_date, person.sex)
            people[name] = (study.row.patient_id, identity)
    return {keys[name]: reason for name, reason in identities.conflicts(people, "studies").items()}

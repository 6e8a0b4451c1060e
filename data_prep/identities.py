"""Who an image belongs to by its DICOM header, and images whose headers show two people under one identifier.

Nothing here is ever written out: values are compared, and messages name attributes only.
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping

from pydicom.dataset import Dataset

from raspine.dicom import header

_KEYWORDS = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
_ADVICE = "correct patient_id or the headers, or pass --nocheck_patients to trust patient_id alone"


@dataclasses.dataclass(frozen=True)
class Identity:
    """What a DICOM header says about the patient; empty where it says nothing.

    Attributes:
      patient_id: (0010,0020), after its issuer (0010,0021) and a backslash when there is one.
      name: (0010,0010), upper case.
      birth_date: (0010,0030).
      sex: (0010,0040), M or F.
    """

    patient_id: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""


def of(dataset: Dataset) -> Identity:
    """Returns the identity in a DICOM header; empty where the header says nothing readable."""
    patient, issuer, name, birth, sex = (header.text(dataset, keyword) for keyword in _KEYWORDS)
    # Two hospitals may give one number to two patients.
    key = f"{issuer}\\{patient}" if patient and issuer else patient
    return Identity(key, name.upper(), birth, sex if sex in ("M", "F") else "")


def conflicts(items: Mapping[str, tuple[str, Identity]], plural: str = "films") -> dict[str, str]:
    """Returns why a film or study is refused, for each whose patient cannot be told for certain.

    Args:
      items: (patient as the split will take it, identity in the header) of each film or study.
      plural: what they are called in messages.
    """
    by_patient: dict[str, list[str]] = collections.defaultdict(list)
    by_header: dict[str, list[str]] = collections.defaultdict(list)
    for item, (patient, identity) in items.items():
        by_patient[patient].append(item)
        if identity.patient_id:
            by_header[identity.patient_id].append(item)
    refused: dict[str, str] = {}
    for group in by_header.values():
        if len({items[item][0] for item in group}) > 1:
            reason = f"one DICOM PatientID (0010,0020) stands under two values of patient_id: {_ADVICE}."
            refused |= dict.fromkeys(group, reason)
    for group in by_patient.values():
        if attribute := _difference([items[item][1] for item in group]):
            reason = f"two patients share an ID: {plural} of one patient differ in {attribute}: {_ADVICE}."
            refused |= dict.fromkeys(group, reason)
    return refused


def _difference(identities: Iterable[Identity]) -> str:
    """Returns the attribute that shows two people, or an empty string."""
    people = list(identities)
    for field, attribute in (
        ("patient_id", "PatientID (0010,0020)"),
        ("birth_date", "PatientBirthDate (0010,0030)"),
        ("sex", "PatientSex (0010,0040)"),
    ):
        if len({getattr(person, field) for person in people} - {""}) > 1:
            return attribute
    names = sorted({person.name for person in people} - {""})
    if any(not _related(first, second) for first in names for second in names):
        return "PatientName (0010,0010)"
    return ""


def _related(first: str, second: str) -> bool:
    """Returns whether two names can be one person's: marriage or a misspelling changes one part of a name."""
    parts = [{part for part in name.replace("^", " ").replace(",", " ").split() if part} for name in (first, second)]
    return bool(parts[0] & parts[1])

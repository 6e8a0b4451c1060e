"""Neutral, flexion or extension: the position of the neck, where the header tells it without doubt."""

import re

from pydicom.dataset import Dataset

from raspine.dicom import header

POSITIONS = ("neutral", "flexion", "extension")
_DESCRIPTIONS = (
    "SeriesDescription",
    "AcquisitionDeviceProcessingDescription",
    "ProtocolName",
    "PerformedProcedureStepDescription",
)
# Code values of SNOMED CT and SNOMED-RT, as View Modifier Code Sequence (0054,0222) carries them.
_CODES = {"9964006": "flexion", "F-10110": "flexion", "24154002": "extension", "F-10100": "extension"}
_WORDS = {
    "extension": r"(?:hyper)?extension|(?:hyper)?ext|retroflexion|reklination|extensie|estensione|extensión",
    "flexion": r"(?:hyper|ante)?flexion|(?:hyper)?flex|inklination|flexie|flessione|flexión",
    "neutral": r"neutral|neutre|neutraal|neutro",
}
_DENIED = re.compile(r"\b(?:no|not|non|without|w/o|ohne|sans)\b")


def position(dataset: Dataset) -> str | None:
    """Returns one of `POSITIONS`, None when the header names none, several, or denies one."""
    found = {_CODES.get(code) for code in _modifiers(dataset)} - {None}
    for keyword in _DESCRIPTIONS:
        found |= named(header.text(dataset, keyword))
    return found.pop() if len(found) == 1 else None


def named(description: str) -> set[str]:
    """Returns every position that a description names."""
    line = description.lower().replace("_", " ")
    if _DENIED.search(line):
        return set(POSITIONS) if any(re.search(rf"\b(?:{words})\b", line) for words in _WORDS.values()) else set()
    return {name for name, words in _WORDS.items() if re.search(rf"\b(?:{words})\b", line)}


def _modifiers(dataset: Dataset) -> list[str]:
    views = header.items(dataset, "ViewCodeSequence")
    modifiers = [item for view in views for item in header.items(view, "ViewModifierCodeSequence")]
    return [header.text(item, "CodeValue") for item in modifiers]

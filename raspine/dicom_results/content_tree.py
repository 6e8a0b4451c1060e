"""The content tree of a structured report as plain pydicom gives it (PS3.3 C.17.3), whoever wrote it."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

Code = tuple[str, str]
"""A code's value and the designator of its scheme."""

LANGUAGE: Code = ("121049", "DCM")
OBSERVER_TYPE: Code = ("121005", "DCM")
DEVICE_UID: Code = ("121012", "DCM")
PROCEDURE: Code = ("121058", "DCM")
IMAGE_LIBRARY: Code = ("111028", "DCM")
ROWS: Code = ("110910", "DCM")
COLUMNS: Code = ("110911", "DCM")
MEASUREMENTS: Code = ("126010", "DCM")
GROUP: Code = ("125007", "DCM")
TRACKING_ID: Code = ("112039", "DCM")
TRACKING_UID: Code = ("112040", "DCM")
FINDING: Code = ("121071", "DCM")
ALGORITHM_NAME: Code = ("111001", "DCM")
ALGORITHM_VERSION: Code = ("111003", "DCM")
REGION: Code = ("111030", "DCM")


def children(item: Dataset, name: Code | None = None, kind: str = "") -> list[Dataset]:
    """Returns the content items right below one, of a name and a value type where these are given."""
    return [
        child
        for child in item.get("ContentSequence") or ()
        if (name is None or name_of(child) == name) and (not kind or child.get("ValueType") == kind)
    ]


def descendants(item: Dataset) -> Iterator[Dataset]:
    """Yields every content item below one, in the order of the document."""
    for child in children(item):
        yield child
        yield from descendants(child)


def name_of(item: Dataset) -> Code:
    """Returns the concept name of a content item; empty texts where it has none."""
    return _first(item, "ConceptNameCodeSequence")


def code_of(item: Dataset) -> Code:
    """Returns the value of a CODE item."""
    return _first(item, "ConceptCodeSequence")


def unit_of(item: Dataset) -> Code:
    """Returns the unit of a NUM item; empty texts where it has none."""
    measured = item.get("MeasuredValueSequence") or ()
    return _first(measured[0], "MeasurementUnitsCodeSequence") if measured else ("", "")


def number_of(item: Dataset) -> float | None:
    """Returns the value of a NUM item, of its floating point form where it has one; None where it has no value."""
    measured = item.get("MeasuredValueSequence") or ()
    if not measured:
        return None
    value = measured[0].get("FloatingPointValue", measured[0].get("NumericValue"))
    return None if value is None else float(value)


def reference_of(item: Dataset) -> str:
    """Returns the SOP Instance UID that an IMAGE item refers to; '' for none."""
    references = item.get("ReferencedSOPSequence") or ()
    return str(references[0].get("ReferencedSOPInstanceUID", "")) if references else ""


def groups(report: Dataset) -> list[Dataset]:
    """Returns the measurement groups of a TID 1500 report."""
    return [group for part in children(report, MEASUREMENTS) for group in children(part, GROUP, "CONTAINER")]


def text_of(item: Dataset, name: Code) -> str:
    """Returns the text or UID of the first item of that name right below one; '' for none."""
    for child in children(item, name):
        return str(child.get("TextValue", child.get("UID", "")))
    return ""


def _first(item: Dataset, keyword: str) -> Code:
    for code in item.get(keyword) or ():
        value = next((code[key].value for key in ("CodeValue", "LongCodeValue", "URNCodeValue") if key in code), "")
        return str(value), str(code.get("CodingSchemeDesignator", ""))
    return "", ""

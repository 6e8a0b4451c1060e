"""Whether an object obeys its template and says what every result must say; programs that check DICOM look at neither.

The content of a measurement report is PS3.16 TID 1500 with 1600, 1410 and 1501.
"""

from collections.abc import Callable, Mapping

from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage, GrayscaleSoftcopyPresentationStateStorage, SecondaryCaptureImageStorage

from raspine.dicom_results import equipment, image_rules, report_rules, uids

_RULES: Mapping[str, Callable[[Dataset], list[str]]] = {
    ComprehensiveSRStorage: report_rules.check,
    GrayscaleSoftcopyPresentationStateStorage: image_rules.check_overlay,
    SecondaryCaptureImageStorage: image_rules.check_capture,
}


def check(result: Dataset) -> list[str]:
    """Returns which rules an object breaks, a line each; [] for none.

    Args:
      result: a report, an overlay or a secondary capture.
    """
    rules = _RULES.get(str(result.get("SOPClassUID", "")))
    if rules is None:
        return ["SOP Class UID is none of a report, an overlay or a secondary capture"]
    return [*_common(result), *rules(result)]


def _common(result: Dataset) -> list[str]:
    found = [str(result.get(f"{level}InstanceUID", "")) for level in ("Study", "Series", "SOP")]
    faults = [f"'{uid}' is no UID" for uid in found if not uids.is_valid(uid)]
    if len(set(found)) < len(found):
        faults.append("study, series and object share a UID")
    if equipment.RESEARCH_USE not in str(result.get("SeriesDescription", "")):
        faults.append("Series Description does not say that it is a research result")
    return faults

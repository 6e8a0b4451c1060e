"""What every result has in common: what made it, when, and that it is for research."""

import datetime
from typing import Any

from highdicom.sr import (
    AlgorithmIdentification,
    DeviceObserverIdentifyingAttributes,
    ObservationContext,
    ObserverContext,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import raspine
from raspine.dicom_results import uids
from raspine.model_identity import ModelIdentity

RESEARCH_USE = "AI result, research use"
CONTENT_LABEL = "AI RESEARCH USE"

REPORT, OVERLAY, CAPTURE = KINDS = ("report", "overlay", "capture")
_SERIES_NUMBERS = {REPORT: 9801, OVERLAY: 9802, CAPTURE: 9803}
_MAKER = "raspine"
_DATES = ("InstanceCreation", "Content", "PresentationCreation", "Series")
_LONGEST = 64


def attributes(kind: str, title: str, sources: list[str], identity: ModelIdentity, *settings: str) -> dict[str, Any]:
    """Returns the arguments of highdicom's classes that identify a result and its maker.

    Args:
      kind: one of `KINDS`.
      title: of the series, after the words on research use.
      sources: SOP Instance UIDs of the images.
      identity: the model.
      *settings: see `uids.of_instance`.
    """
    return {
        "series_instance_uid": uids.of_series(kind, sources, identity, *settings),
        "sop_instance_uid": uids.of_instance(kind, sources, identity, *settings),
        "series_number": _SERIES_NUMBERS[kind],
        "instance_number": 1,
        "manufacturer": _MAKER,
        "manufacturer_model_name": _MAKER,
        "software_versions": raspine.__version__,
        "device_serial_number": identity.digest[:_LONGEST],
        "series_description": f"{RESEARCH_USE}: {title}"[:_LONGEST],
        "specific_character_set": "ISO_IR 192",
    }


def algorithm(identity: ModelIdentity) -> AlgorithmIdentification:
    """Returns which model measured (PS3.16 TID 4019)."""
    return AlgorithmIdentification(
        name=identity.name,
        version=identity.version,
        parameters=[f"sha256 {identity.digest}", f"variant {identity.variant}", RESEARCH_USE],
        family=codes.DCM.ArtificialIntelligence,
        manufacturer=_MAKER,
    )


def observer(identity: ModelIdentity) -> ObservationContext:
    """Returns the program as the device that observed (PS3.16 TID 1001, 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=uids.of_model(identity),
        name=f"{_MAKER} ({RESEARCH_USE})",
        manufacturer_name=_MAKER,
        model_name=f"{identity.name} {identity.version}",
        serial_number=identity.digest,
    )
    return ObservationContext(
        observer_person_context=None, observer_device_context=ObserverContext(codes.DCM.Device, device)
    )


def date(result: Dataset, when: datetime.datetime) -> None:
    """Gives every date and time of a result the same moment, so that nothing else depends on the clock."""
    for name in _DATES:
        if name == "Series" or f"{name}Date" in result:
            setattr(result, f"{name}Date", when.strftime("%Y%m%d"))
            setattr(result, f"{name}Time", when.strftime("%H%M%S"))
    if "DateOfSecondaryCapture" in result:
        result.DateOfSecondaryCapture, result.TimeOfSecondaryCapture = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    for item in result.get("ContributingEquipmentSequence", ()):
        item.ContributionDateTime = when.strftime("%Y%m%d%H%M%S")

"""Which images of a study become jobs, and which a model must not be shown although it could read them."""

import hashlib
from collections.abc import Iterable, Mapping

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from raspine.dicom import coverage, header, orientation
from raspine.dicom.study import Series
from raspine.pacs import ledger, storage
from raspine.pacs.failures import RefusedError
from raspine.pacs.instances import Instance, fingerprint
from raspine.pacs.ledger import Plan

_NECK = "CSPINE"


def plans(instances: Iterable[Instance], models: Mapping[str, str]) -> list[Plan]:
    """Returns the jobs that a study's images make: one a film, one for its slices, one for each class of the rest.

    Args:
      instances: of one study, the worker's own results left out.
      models: digest of the model by kind of job; a kind without model is refused.
    """
    films, slices, others = _sorted(instances)
    if slices and ledger.STUDY not in models:
        others, slices = [*others, *slices], []
    if films and ledger.FILM not in models:
        others, films = [*others, *films], []
    found = [Plan(ledger.FILM, one.study, one.sop, "", models[ledger.FILM], (one,)) for one in films]
    if slices:
        study, content = slices[0].study, fingerprint(slices)
        found.append(Plan(ledger.STUDY, study, study, content, models[ledger.STUDY], tuple(slices)))
    return [*found, *_rest(others)]


def refused(study: str, which: str, reason: str) -> Plan:
    """Returns a plan that keeps on record why something of a study is not handled.

    Args:
      study: Study Instance UID.
      which: what of it; kept as a hash.
      reason: one line that identifies nobody.
    """
    return Plan(ledger.OTHER, study, study, hashlib.sha256(which.encode()).hexdigest()[:32], "", (), reason)


def check_film(dataset: Dataset) -> None:
    """Refuses a film that says that it shows another part of the body, or a screen capture that says nothing.

    `raspine.dicom.film` reads any radiograph; a person chooses what to give it, an archive sends everything.

    Raises:
      RefusedError: it must not be measured; the message names the rule.
    """
    named = coverage.region(_described(dataset))
    if named not in ("", _NECK):
        raise RefusedError(f"not the cervical spine: the header names {named}.")
    if not named and header.text(dataset, "SOPClassUID") == SecondaryCaptureImageStorage:
        raise RefusedError("a secondary capture that does not say that it shows the cervical spine.")


def check_view(flags: Iterable[str]) -> None:
    """Refuses a film whose header says that it is no lateral view.

    Raises:
      RefusedError: it is none.
    """
    if orientation.FLAG_NOT_LATERAL in flags:
        raise RefusedError("not a lateral view by its header.")


def check_identity(dataset: Dataset, instance: Instance) -> None:
    """Refuses an object that is not the one that was listed: its results would go to another patient.

    Raises:
      RefusedError: a UID differs.
    """
    found = tuple(header.text(dataset, keyword) for keyword in ("StudyInstanceUID", "SOPInstanceUID", "SOPClassUID"))
    if found != (instance.study, instance.sop, instance.sop_class):
        raise RefusedError("the object is not the one that was listed: its UIDs differ.")


def _sorted(instances: Iterable[Instance]) -> tuple[list[Instance], list[Instance], list[Instance]]:
    films, slices, others = [], [], []
    for one in sorted(instances, key=lambda one: (one.series, one.sop)):
        if one.sop_class in storage.FILMS:
            films.append(one)
        elif one.sop_class in storage.SLICES:
            slices.append(one)
        else:
            others.append(one)
    return films, slices, others


def _rest(instances: list[Instance]) -> list[Plan]:
    """Returns a refused job for each SOP class, so that it is on record and not looked at again."""
    found = dict.fromkeys((one.study, one.sop_class) for one in instances)
    return [refused(study, sop_class, f"no model here takes {storage.title(sop_class)}.") for study, sop_class in found]


def _described(dataset: Dataset) -> Series:
    return Series(
        uid="",
        description=header.text(dataset, "SeriesDescription"),
        protocol=header.text(dataset, "ProtocolName"),
        study_description=header.text(dataset, "StudyDescription"),
        body_part=header.text(dataset, "BodyPartExamined").upper(),
    )

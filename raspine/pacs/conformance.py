"""The tables of the conformance statement, out of the tables that the code works by."""

import re
from collections.abc import Iterable, Sequence

from pydicom.uid import UID

from raspine.pacs import receiver, sessions, storage
from raspine.pacs.receiver import Listening

_VERIFICATION = "1.2.840.10008.1.1"
_BLOCK = re.compile(r"(?P<start><!-- table: (?P<name>[a-z ]+) -->\n)[^<]*(?P<end><!-- end -->)")


WEB = (
    ("QIDO-RS", "GET", "/studies", "limit, offset, includefield, StudyDate"),
    ("QIDO-RS", "GET", "/studies/{study}/instances", "limit, offset, includefield, SOPInstanceUID"),
    ("WADO-RS", "GET", "/studies/{study}/series/{series}/instances/{instance}", ""),
    ("STOW-RS", "POST", "/studies/{study}", ""),
)
"""Service, method, resource and parameters of every request to an archive."""

RESULTS = (
    (
        "Modality (0008,0060)",
        "`SR`, `PR` or `OT`",
    ),
    ("Specific Character Set (0008,0005)", "`ISO_IR 192` (UTF-8)"),
    (
        "SOP Instance UID (0008,0018)",
        "`2.25.` and a hash of images, model, settings, kind and format of object: the same again for the same",
    ),
    ("Study Instance UID (0020,000D)", "of the images"),
    ("Series Instance UID (0020,000E)", "`2.25.` and a hash; a series for each object"),
    ("Series Number (0020,0011)", "9801 report, 9802 overlay, 9803 picture"),
    ("Series Description (0008,103E)", "begins with `AI result, research use`"),
    ("Manufacturer (0008,0070)", "`raspine`"),
    ("Device Serial Number (0018,1000)", "SHA-256 of the model"),
    ("Completion, Verification, Preliminary Flag", "`COMPLETE`, `UNVERIFIED`, `PRELIMINARY` (reports)"),
    ("Content Template Sequence (0040,A504)", "TID 1500 (reports)"),
    ("Content Label (0070,0080)", "`AI RESEARCH USE` (overlays)"),
    ("Burned In Annotation (0028,0301)", "`NO` (pictures)"),
    (
        "Patient and General Study modules",
        "of the images, as they are there; an Accession Number of more than 16 characters is left empty",
    ),
)
"""Attributes of note of what is made, and what stands in them."""


def renewed(page: str) -> str:
    """Returns a page of Markdown with every table between `<!-- table: NAME -->` and `<!-- end -->` made anew.

    Raises:
      KeyError: a table is unknown.
    """
    known = tables()
    return _BLOCK.sub(lambda found: f"{found['start']}{known[found['name']]}\n{found['end']}", page)


def tables() -> dict[str, str]:
    """Returns every table as Markdown, by name."""
    return {
        "sop classes": _table(("SOP class", "UID", "over DIMSE", "over DICOMweb", "for"), _classes()),
        "accepted syntaxes": _table(("transfer syntax", "UID"), _named(storage.SYNTAXES)),
        "proposed syntaxes": _table(("transfer syntax", "UID"), _named(storage.RESULT_SYNTAXES)),
        "web": _table(("service", "method", "resource", "parameters"), WEB),
        "statuses": _table(("status", "when"), _statuses()),
        "limits": _table(("limit", "unless a flag says otherwise"), _limits()),
        "results": _table(("attribute", "value"), RESULTS),
    }


def _classes() -> list[tuple[str, ...]]:
    roles: dict[str, dict[str, list[str]]] = {_VERIFICATION: {"dimse": ["SCP"], "web": [], "for": []}}
    for sop_classes, use in ((storage.FILMS, "film in"), (storage.SLICES, "MRI study in")):
        for uid in sop_classes:
            roles[uid] = {"dimse": ["SCP"], "web": ["WADO-RS"], "for": [use]}
    for uid in storage.RESULTS:
        role = roles.setdefault(uid, {"dimse": [], "web": [], "for": []})
        role["dimse"].append("SCU")
        role["web"].append("STOW-RS")
        role["for"].append("result out")
    return [
        (UID(uid).name, uid, *(", ".join(role[key]) or "-" for key in ("dimse", "web", "for")))
        for uid, role in roles.items()
    ]


def _named(uids: Iterable[str]) -> list[tuple[str, ...]]:
    return [(UID(uid).name, uid) for uid in uids]


def _statuses() -> list[tuple[str, ...]]:
    return [
        (f"0x{receiver.SUCCESS:04X}", "the object stands on the disk and in the database"),
        (f"0x{receiver.OUT_OF_RESOURCES:04X}", "queue or disk is full: send it again later"),
        (f"0x{receiver.DOES_NOT_MATCH:04X}", "UIDs are missing or none, or the header names another object"),
        (f"0x{receiver.CANNOT_UNDERSTAND:04X}", "anything else"),
    ]


def _limits() -> list[tuple[str, ...]]:
    here, there = Listening(0), sessions.Limits()
    return [
        ("associations at once", str(here.associations)),
        ("bytes of an object over DIMSE", str(here.max_object)),
        ("bytes of a protocol data unit", str(here.max_pdu)),
        ("seconds for association, message and network", f"{here.seconds:g}"),
        ("seconds until a web answer begins and goes on", f"{there.read_seconds:g}"),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

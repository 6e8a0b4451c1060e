"""Which images of a study are its sagittal T2: stacks of one geometry, ranked, each with its reasons.

for candidate in rank(study):
    print(candidate.accepted, candidate.score, candidate.reasons)
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from raspine.dicom import contrast, coverage, header
from raspine.dicom.contrast import Finding
from raspine.dicom.stack import Stack, normal, slices, stacks
from raspine.dicom.study import Frame, Series, Study

__all__ = ["Candidate", "NoSeriesError", "Stack", "TieError", "choose", "domain_flags", "label", "rank", "stacks"]

SAGITTAL = 0.9
LEAST_SLICES = 3
ENOUGH_SLICES = 6
THICKEST_MM = 10.0
_SHOWN = 3
_LAST = 1 << 31
_PLANES = ("sagittal", "coronal", "axial")


class NoSeriesError(ValueError):
    """A study has no sagittal T2; the one-line message names the likeliest candidates and why each was refused."""


class TieError(NoSeriesError):
    """Several candidates are equally good and the caller wants no guess."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A stack and what speaks for and against it.

    Attributes:
      stack: the frames.
      accepted: whether it may be taken for the sagittal T2.
      score: higher is better.
      reasons: short, for people.
    """

    stack: Stack
    accepted: bool
    score: float
    reasons: tuple[str, ...]


def rank(study: Study) -> tuple[Candidate, ...]:
    """Returns every stack of a study with its reasons, the best first, refused ones after the accepted ones."""
    judged = [(stack, _findings(stack)) for series in study.series for stack in stacks(series)]
    t2 = [stack for stack, findings in judged if not any(finding.refused for finding in findings)]
    return tuple(
        sorted((_candidate(stack, (*found, *coverage.judge(stack, t2))) for stack, found in judged), key=_order)
    )


def choose(study: Study, series_uid: str = "", strict: bool = False) -> Candidate:
    """Returns the sagittal T2 of a study.

    Args:
      study: as indexed.
      series_uid: Series Instance UID of the series to take, whatever it is; its best stack is returned.
      strict: refuse to choose between candidates of equal score, instead of taking the one with more slices,
        then finer pixels, then the earlier series number.

    Raises:
      NoSeriesError: no stack is a sagittal T2, or there is no series of the given UID.
      TieError: `strict`, and the best score is shared.
    """
    ranked = rank(study)
    if series_uid:
        return _named(ranked, series_uid)
    accepted = [candidate for candidate in ranked if candidate.accepted]
    if not accepted:
        raise NoSeriesError(_none(ranked))
    equal = [candidate for candidate in accepted[1:] if candidate.score == accepted[0].score]
    if not equal:
        return accepted[0]
    others = ", ".join(label(candidate.stack.series) for candidate in equal)
    if strict:
        raise TieError(
            f"no single sagittal T2: {label(accepted[0].stack.series)} and {others} are equally good; "
            "name one by its Series Instance UID."
        )
    reason = f"as good as {others}; taken for more slices or finer pixels or the earlier number"
    return dataclasses.replace(accepted[0], reasons=(*accepted[0].reasons, reason))


def domain_flags(candidate: Candidate) -> tuple[str, ...]:
    """Returns ("out_of_domain: LSPINE",) or the like when the header says another part of the body than the neck."""
    part = coverage.region(candidate.stack.series)
    return () if part in ("", "CSPINE") else (f"out_of_domain: {part}",)


def label(series: Series) -> str:
    """Returns a series as people call it: its number and description."""
    number = "without number" if series.number is None else str(series.number)
    return f"series {number} {header.received(series.description)}"


def _candidate(stack: Stack, findings: Iterable[Finding]) -> Candidate:
    found = tuple(findings)
    return Candidate(
        stack=stack,
        accepted=not any(finding.refused for finding in found),
        score=round(10 + sum(finding.points for finding in found), 2),
        reasons=tuple(finding.reason for finding in found),
    )


def _order(candidate: Candidate) -> tuple[bool, float, int, float, int, str]:
    series, frames = candidate.stack.series, candidate.stack.frames
    number = _LAST if series.number is None else series.number
    return (
        not candidate.accepted,
        -candidate.score,
        -slices(candidate.stack),
        max(frames[0].spacing or (math.inf,)),
        number,
        series.uid,
    )


def _findings(stack: Stack) -> tuple[Finding, ...]:
    frame = stack.frames[0]
    return (_plane(frame), *contrast.judge(stack.series, frame), *_geometry(stack), *_damage(stack.series))


def _plane(frame: Frame) -> Finding:
    direction = normal(frame)
    if direction is None:
        return Finding("no Image Orientation (0020,0037): plane unknown", -5, refused=True)
    share = [abs(value) for value in direction]
    if share[0] >= SAGITTAL:
        return Finding(f"sagittal ({share[0]:.2f})", 3.0)
    nearest = _PLANES[share.index(max(share))]
    name = nearest if max(share) >= SAGITTAL else f"oblique and nearest to {nearest}"
    return Finding(f"{name} ({max(share):.2f}): refused", -5, refused=True)


def _geometry(stack: Stack) -> list[Finding]:
    count, frame = slices(stack), stack.frames[0]
    found = [Finding(f"{count} slices" if count != 1 else "1 slice")]
    if count < LEAST_SLICES:
        found = [Finding(f"{found[0].reason}: too few", -5, refused=True)]
    elif count < ENOUGH_SLICES:
        found = [Finding(f"{count} slices: few", -2.0)]
    if (thickness := stack.series.slice_thickness or 0) > THICKEST_MM:
        found.append(Finding(f"slices of {thickness:g} mm: a projection", -5, refused=True))
    if any(one.position is None for one in stack.frames):
        found.append(Finding("no Image Position (0020,0032)", -5, refused=True))
    if frame.spacing is None:
        found.append(Finding("no Pixel Spacing (0028,0030)", -5, refused=True))
    return found


def _damage(series: Series) -> list[Finding]:
    if not series.damaged:
        return []
    return [Finding(f"{series.damaged} damaged file{'s' * (series.damaged > 1)} of the series left out", -1.0)]


def _named(ranked: Sequence[Candidate], series_uid: str) -> Candidate:
    for candidate in ranked:
        if candidate.stack.series.uid == series_uid:
            return dataclasses.replace(candidate, reasons=("chosen by its UID", *candidate.reasons))
    raise NoSeriesError(f"the study has no MR series of the Series Instance UID {header.received(series_uid)}.")


def _none(ranked: Sequence[Candidate]) -> str:
    if not ranked:
        return "no sagittal T2 series: the study has no MR images that can be read."
    best: dict[str, Candidate] = {}
    for one in ranked:
        best.setdefault(one.stack.series.uid, one)
    shown = "; ".join(f"{label(one.stack.series)}: {_why(one)}" for one in [*best.values()][:_SHOWN])
    more = f"; and {len(best) - _SHOWN} more" if len(best) > _SHOWN else ""
    return f"no sagittal T2 series. Refused: {shown}{more}. To take one all the same name its Series Instance UID."


def _why(candidate: Candidate) -> str:
    return ", ".join(
        finding.reason.removesuffix(": refused") for finding in _findings(candidate.stack) if finding.refused
    )

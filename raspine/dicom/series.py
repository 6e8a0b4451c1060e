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

__all__ = [
    "Candidate",
    "NoSeriesError",
    "Stack",
    "TieError",
    "alike",
    "choose",
    "domain_flags",
    "label",
    "pick",
    "rank",
    "stacks",
]

SAGITTAL = 0.9
LEAST_SLICES = 3
ENOUGH_SLICES = 6
THICKEST_MM = 10.0
_SHOWN = 3
_LAST = 1 << 31
_OUT_OF_DOMAIN = "out_of_domain: "
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
        then finer pixels, then the earlier series number, then the lowest instance number.

    Raises:
      NoSeriesError: no stack is a sagittal T2, or there is no series of the given UID.
      TieError: `strict`, and the best score is shared.
    """
    return pick(rank(study), series_uid, strict)


def pick(ranked: Sequence[Candidate], series_uid: str = "", strict: bool = False) -> Candidate:
    """Returns what `choose` does, of the candidates of `rank`."""
    if series_uid:
        return _named(ranked, series_uid)
    accepted = [candidate for candidate in ranked if candidate.accepted]
    if not accepted:
        raise NoSeriesError(_none(ranked))
    equal = [candidate for candidate in accepted[1:] if candidate.score == accepted[0].score]
    if equal and strict:
        raise TieError(_tie(accepted[0], equal))
    return _with_equals(accepted[0], equal)


def alike(candidate: Candidate) -> int:
    """Returns how many stacks of the candidate's series could be taken as well as it, itself among them.

    Beside a stack that is refused and taken all the same, these are the ones refused for the same reasons.
    """
    why = _why(candidate.stack)
    return sum(_why(stack) == why for stack in stacks(candidate.stack.series))


def domain_flags(candidate: Candidate) -> tuple[str, ...]:
    """Returns ("out_of_domain: LSPINE",) or the like when the header says another part of the body than the neck."""
    part = coverage.region(candidate.stack.series)
    return () if part in ("", "CSPINE") else (f"{_OUT_OF_DOMAIN}{part}",)


def other_part(flags: Iterable[str]) -> str:
    """Returns the part of the body that flags say a study is of, such as `LSPINE`; empty when none doubts the neck."""
    told = (flag.removeprefix(_OUT_OF_DOMAIN) for flag in flags if flag.startswith(_OUT_OF_DOMAIN))
    return next(told, "")


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


def _order(candidate: Candidate) -> tuple[bool, float, int, float, int, str, tuple[int, int]]:
    series, frames = candidate.stack.series, candidate.stack.frames
    number = _LAST if series.number is None else series.number
    return (
        not candidate.accepted,
        -candidate.score,
        -slices(candidate.stack),
        max(frames[0].spacing or (math.inf,)),
        number,
        series.uid,
        _first(candidate.stack),
    )


def _first(stack: Stack) -> tuple[int, int]:
    """Returns the lowest instance number of a stack, with the number of its frame."""
    return min((_LAST if one.instance_number is None else one.instance_number, one.number) for one in stack.frames)


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
            own = [one for one in ranked if one.stack.series.uid == series_uid and one is not candidate]
            equal = [one for one in own if (one.accepted, one.score) == (candidate.accepted, candidate.score)]
            found = _with_equals(candidate, equal)
            return dataclasses.replace(found, reasons=("chosen by its UID", *found.reasons))
    raise NoSeriesError(f"the study has no MR series of the Series Instance UID {header.received(series_uid)}.")


def _with_equals(best: Candidate, equal: Sequence[Candidate]) -> Candidate:
    """Returns the candidate that is taken, with the reason why it goes before others of its score."""
    found = []
    if others := _other_series(best, equal):
        found.append(f"as good as {', '.join(others)}; taken for more slices or finer pixels or the earlier number")
    if _is_shared(best, equal):
        found.append(f"as good as another stack of its series, which has the same UID; taken: {_described(best.stack)}")
    return dataclasses.replace(best, reasons=(*best.reasons, *found))


def _tie(best: Candidate, equal: Sequence[Candidate]) -> str:
    name = label(best.stack.series)
    if others := _other_series(best, equal):
        return (
            f"no single sagittal T2: {name} and {', '.join(others)} are equally good; "
            "name one by its Series Instance UID."
        )
    return (
        f"no single sagittal T2: {name} holds {len(equal) + 1} equally good stacks, which its Series Instance UID "
        f"cannot tell apart. Send one of them alone, or name the series to take {_described(best.stack)}."
    )


def _other_series(best: Candidate, equal: Sequence[Candidate]) -> list[str]:
    own = best.stack.series.uid
    return [*dict.fromkeys(label(one.stack.series) for one in equal if one.stack.series.uid != own)]


def _is_shared(best: Candidate, equal: Sequence[Candidate]) -> bool:
    return any(one.stack.series.uid == best.stack.series.uid for one in equal)


def _described(stack: Stack) -> str:
    instance, number = _first(stack)
    start = "the first by file" if instance == _LAST else f"from Instance Number {instance} on"
    return f"the {slices(stack)} slices {start}{f' (frame {number + 1})' * (number > 0)}"


def _none(ranked: Sequence[Candidate]) -> str:
    if not ranked:
        return "no sagittal T2 series: the study has no MR images that can be read."
    best: dict[str, Candidate] = {}
    for one in ranked:
        best.setdefault(one.stack.series.uid, one)
    shown = "; ".join(f"{label(one.stack.series)}: {_why(one.stack)}" for one in [*best.values()][:_SHOWN])
    more = f"; and {len(best) - _SHOWN} more" if len(best) > _SHOWN else ""
    return f"no sagittal T2 series. Refused: {shown}{more}. To take one all the same name its Series Instance UID."


def _why(stack: Stack) -> str:
    return ", ".join(finding.reason.removesuffix(": refused") for finding in _findings(stack) if finding.refused)

"""From a folder of MRI files to a risk: the search for studies, the scan and the risk network joined.

model = risk.load("run/best")
for answer in study_reading.read(model, "folder"):
    print(answer.name, answer.risk, answer.verdict, answer.flags)
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine import clinical, drawing, printed, risk, scan, study_search
from raspine.dicom import series
from raspine.dicom.study import Series, Study
from raspine.explanation import overlay
from raspine.inputs import slices
from raspine.scan import Native
from raspine.study_search import Source

FLAG_CLINICAL = "clinical_missing"
_COLOURS = {"positive": "#ff9f43", "negative": "#7bd88f"}


class RiskModel(Protocol):
    """A risk model: `raspine.risk.RiskModel`, or one behind an endpoint (`raspine.serving.client`)."""

    @property
    def settings(self) -> risk.Settings:
        """What comes before and after the network."""

    @property
    def threshold(self) -> float:
        """From which risk on a verdict is positive."""

    def risk(
        self, pixels: NDArray[np.uint16], clinical_values: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Returns the risk of studies; see `raspine.risk.RiskModel.risk`."""


class StudyError(ValueError):
    """A study cannot be scored; the message is one line and says why."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How series and volume are taken.

    Attributes:
      series_uids: series to take whatever they look like, each of the study it belongs to.
      strict: refuse a study whose best series are equally good.
      gaps: `refuse` or `interpolate` missing slices.
    """

    series_uids: tuple[str, ...] = ()
    strict: bool = False
    gaps: str = "refuse"


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """A study ready for the network.

    Attributes:
      source: where it is.
      scan: its slices, and why this series.
      chosen: the series taken; None for NIfTI.
      others: the best stack of every other series, with its reasons.
    """

    source: Source
    scan: scan.Scan
    chosen: Series | None = None
    others: tuple[series.Candidate, ...] = ()

    @property
    def native(self) -> Native:
        """The volume that the slices are from."""
        return self.scan.native


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """What the network says of a study.

    Attributes:
      reading: the study.
      risk: of a later deformity, 0..1.
      threshold: from which risk on the verdict is positive.
      flags: what is doubtful, in the order of the steps.
    """

    reading: Reading
    risk: float
    threshold: float
    flags: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folder or file as given."""
        return self.reading.source.name

    @property
    def verdict(self) -> str:
        """`positive` or `negative`."""
        return risk.verdict(self.risk, self.threshold)


def read(
    model: RiskModel,
    *paths: str | os.PathLike[str],
    options: Options | None = None,
    clinical_cells: Mapping[str, str] | None = None,
) -> list[Answer]:
    """Returns what a model says of every study among files and folders.

    Args:
      model: the risk model.
      *paths: files, DICOM or NIfTI, and folders of them.
      options: how series and volume are taken.
      clinical_cells: text by clinical column, as in a spreadsheet, when there is one study; see `raspine.clinical`.

    Raises:
      StudyError: there is no study, one of them cannot be scored, or clinical values are given for several.
      ClinicalError: a clinical value cannot be read.
    """
    found = study_search.find(paths)
    if not found.sources:
        first = next(iter(found.refused.values()), "no file")
        raise StudyError(f"no MR study in {len(found.refused)} files; the first: {first}")
    if clinical_cells and len(found.sources) > 1:
        raise StudyError(f"clinical values are of one study. Received: {len(found.sources)} studies.")
    values = clinical.vector(clinical_cells or {})
    return [
        score(model, [prepare(source, model.settings.choice, options or Options())], values[None])[0]
        for source in found.sources
    ]


def prepare(source: Source, choice: slices.Choice, options: Options) -> Reading:
    """Returns a study ready for the network.

    Args:
      source: of `study_search.find`.
      choice: the model's.
      options: how series and volume are taken.

    Raises:
      StudyError: no series can be taken, or it makes no volume with the slices that the model wants.
    """
    try:
        if isinstance(source.content, Study):
            return _of_study(source, source.content, choice, options)
        return Reading(source, scan.of_nifti(source.content, choice))
    except ValueError as error:
        raise StudyError(" ".join(str(error).split())) from error
    except OSError as error:
        raise StudyError(f"a file cannot be read: {error.strerror or type(error).__name__}.") from error
    except Exception as error:  # one odd study must not end the others; its message may hold identifiers
        raise StudyError(f"the study cannot be read: unexpected {type(error).__name__}.") from error


def score(
    model: RiskModel,
    readings: Sequence[Reading],
    clinical_values: NDArray[np.float32],
    threshold: float | None = None,
) -> list[Answer]:
    """Returns what the model says of studies that go through the network as one batch.

    Args:
      model: the risk model.
      readings: prepared with its choice of slices.
      clinical_values: float32 [study, 6] as in `clinical.COLUMNS`, NaN where missing.
      threshold: of the verdict; None for the model's own.
    """
    limit = model.threshold if threshold is None else threshold
    risks = model.risk(np.stack([one.scan.slices.pixels for one in readings]), clinical_values)
    return [
        Answer(one, float(value), limit, _all_flags(model, one, cells))
        for one, value, cells in zip(readings, risks, clinical_values, strict=True)
    ]


def as_row(answer: Answer, name: str | None = None) -> dict[str, Any]:
    """Returns a study's entry in `predictions.json`.

    Args:
      answer: what the model says.
      name: a pseudonym; then UIDs and descriptions of series are left out. None for the study's own name.
    """
    one, hidden = answer.reading, name is not None
    known = one.source.content.series if isinstance(one.source.content, Study) else ()
    return {
        "study": one.source.name if name is None else name,
        "risk": answer.risk,
        "verdict": answer.verdict,
        "threshold": answer.threshold,
        "series_uid": "" if hidden else one.scan.series_uid,
        "series_number": one.chosen.number if one.chosen else None,
        "series_description": "" if hidden or not one.chosen else one.chosen.description,
        "series_reason": impersonal(one.scan.series_reason, one.source) if hidden else one.scan.series_reason,
        "series_slices": one.native.slices,
        "spacing_mm": [round(value, 6) for value in one.native.spacing_mm],
        "pitch_mm": round(one.native.pitch_mm, 4),
        "slice_positions_mm": [round(float(value), 4) for value in one.scan.slices.positions_mm],
        "choice": one.scan.slices.choice.to_dict(),
        "flags": list(answer.flags),
        "files": len(one.source.files),
        "series": max(1, len(known)),
        "candidates": [_candidate(other, one.source, hidden) for other in one.others],
    }


def impersonal(text: str, source: Source) -> str:
    """Returns a message about a study without UIDs and the words that people typed into its headers."""
    known = source.content.series if isinstance(source.content, Study) else ()
    for one in known:
        number = "without number" if one.number is None else one.number
        text = text.replace(series.label(one), f"series {number}").replace(one.uid, "of the study")
    return text


def picture(
    answer: Answer, pixels: NDArray[np.uint16], maps: ArrayLike | None, method: str, name: str | None = None
) -> drawing.Picture:
    """Returns the study's slices with the map in red, uint8 [height, width, 3] RGB.

    Args:
      answer: what the model says.
      pixels: uint16 [slice, row, column]: the slices as the network saw them.
      maps: float32 [slice, row, column] or [row, column], 0..1; None for no red.
      method: what the red is.
      name: a pseudonym for the caption, or None for the study's own name.
    """
    reading, row = answer.reading, as_row(answer, name)
    part = series.other_part(answer.flags)
    heading = printed.risk_verdict(answer.risk, answer.threshold) + (f" ({part}, not the neck)" if part else "")
    caption = overlay.Caption(
        heading=heading,
        method=method,
        lines=[_printable(line) for line in _caption_lines(answer, row)],
        colour=_COLOURS[answer.verdict],
    )
    return overlay.picture(pixels, maps, reading.scan.slices.positions_mm, caption, reading.scan.slices.spacing_mm)


def _caption_lines(answer: Answer, row: Mapping[str, Any]) -> Iterable[str]:
    native, chosen = answer.reading.native, answer.reading.chosen
    down, across = native.spacing_mm
    yield printed.risk_rule(answer.risk, answer.threshold)
    if chosen is not None:
        number = "without number" if chosen.number is None else chosen.number
        yield f"series {number} {row['series_description']}".rstrip()
    yield row["series_reason"]
    yield f"scanned: {native.slices} slices every {native.pitch_mm:.2f} mm, pixels {down:.4g} x {across:.4g} mm"
    yield from (f"! {flag.replace('_', ' ')}" for flag in answer.flags)
    yield f"study: {row['study']}"


def _printable(text: str) -> str:
    """Returns text in letters that the picture's font has."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _of_study(source: Source, study: Study, choice: slices.Choice, options: Options) -> Reading:
    wished = next((uid for uid in options.series_uids if any(one.uid == uid for one in study.series)), "")
    ranked = series.rank(study)
    candidate = series.pick(ranked, wished, options.strict)
    chosen = candidate.stack.series
    try:
        found = scan.of_study(study, choice, gaps=options.gaps, candidate=candidate)
    except ValueError as error:
        raise StudyError(f"{series.label(chosen)}: {error}{_lost(chosen)}") from error
    others = {one.stack.series.uid: one for one in reversed(ranked) if one.stack.series.uid != chosen.uid}
    return Reading(source, found, chosen, tuple(reversed(others.values())))


def _lost(chosen: Series) -> str:
    if not chosen.damaged:
        return ""
    return f" Files of this series that cannot be read: {chosen.damaged}; each is listed by its name."


def _all_flags(model: RiskModel, one: Reading, cells: NDArray[np.float32]) -> tuple[str, ...]:
    columns = model.settings.columns
    missing = [name for name, place in zip(columns, model.settings.places, strict=True) if np.isnan(cells[place])]
    lacking = () if not missing else (FLAG_CLINICAL if len(missing) == len(columns) else _partly(missing),)
    return tuple(dict.fromkeys((*one.source.flags, *one.scan.flags, *lacking)))


def _partly(missing: Sequence[str]) -> str:
    return f"{FLAG_CLINICAL}: {' '.join(missing)}"


def _candidate(one: series.Candidate, source: Source, hidden: bool) -> dict[str, Any]:
    reasons = "; ".join(one.reasons)
    return {
        "series_uid": "" if hidden else one.stack.series.uid,
        "series_number": one.stack.series.number,
        "series_description": "" if hidden else one.stack.series.description,
        "accepted": one.accepted,
        "score": one.score,
        "reasons": impersonal(reasons, source) if hidden else reasons,
    }

"""Studies on their way into records: series chosen, volume read, slices taken, encoded."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from data_prep import unreadable
from data_prep.study_selection import Wanted
from raspine import ahead, clinical, scan, study_records
from raspine.dicom import header, series
from raspine.dicom import subject as subjects
from raspine.dicom.study import Series, Study
from raspine.inputs import slices


class RefusedStudyError(ValueError):
    """A study cannot become a record; the message says why, without identifiers."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How studies are prepared.

    Attributes:
      choice: which slices, how large.
      gaps: `refuse` or `interpolate` missing slices.
      strict: refuse a study whose best series are equally good.
    """

    choice: slices.Choice
    gaps: str = "refuse"
    strict: bool = False


@dataclasses.dataclass(frozen=True)
class Order:
    """One study to prepare.

    Attributes:
      key: StudyInstanceUID or path of the NIfTI file.
      wanted: the study with its outcome.
      study: its pseudonym.
      patient: the patient's pseudonym.
      damage: what of it cannot be read.
    """

    key: str
    wanted: Wanted
    study: str
    patient: str
    damage: unreadable.Damage


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A study as a record, and what a data set must know of it.

    Attributes:
      patient_id: as the outcomes name the patient.
      outcome: 1 or 0.
      flags: what is doubtful about the study.
      series_uid: of the series taken; empty for NIfTI.
      series_reason: why that one.
      subject: the groups that the patient belongs to: by the clinical columns, else the header of the series.
      scanner: maker and field strength; empty for NIfTI.
      digest: hash of the slices.
      serialized: the record.
    """

    patient_id: str
    outcome: int
    flags: tuple[str, ...]
    series_uid: str
    series_reason: str
    subject: subjects.Subject
    scanner: str
    digest: str
    serialized: bytes = dataclasses.field(repr=False)


def prepare(order: Order, options: Options) -> Prepared:
    """Returns a study as a record.

    Raises:
      RefusedStudyError: no series of it can be taken, or the series makes no volume with the slices wanted.
    """
    try:
        return _prepare(order, options)
    except series.NoSeriesError as error:
        count = order.damage.files
        lost = f" Files of this study or beside it that cannot be read: {count}." if count else ""
        raise RefusedStudyError(_impersonal(str(error), order.wanted) + lost) from error
    except ValueError as error:
        raise RefusedStudyError(_impersonal(str(error), order.wanted)) from error
    except OSError as error:
        raise RefusedStudyError(f"a file cannot be read: {error.strerror or type(error).__name__}.") from error
    except Exception as error:  # one odd study must not stop the others; its message may hold identifiers
        raise RefusedStudyError(f"the study cannot be read: unexpected {type(error).__name__}.") from error


def prepare_all(
    orders: Iterable[Order], options: Options, workers: int
) -> Iterator[tuple[str, Prepared | RefusedStudyError]]:
    """Yields (key, study or why it is refused) in the given order, a few studies ahead of the reader.

    Args:
      orders: what to prepare.
      options: how.
      workers: number of threads; pixels are decoded, resampled and compressed outside Python's lock.
    """
    return ahead.in_order((functools.partial(_tried, order, options) for order in orders), workers)


def reasons(candidate: series.Candidate, study: Study) -> str:
    """Returns why a series was taken or not, in one line without the words that people typed into the header."""
    return _without_names("; ".join(candidate.reasons), study.series)


def _tried(order: Order, options: Options) -> tuple[str, Prepared | RefusedStudyError]:
    try:
        return order.key, prepare(order, options)
    except RefusedStudyError as error:
        return order.key, error


def _prepare(order: Order, options: Options) -> Prepared:
    found, taken = _scan(order, options)
    row = order.wanted.row
    given = dict(zip(clinical.COLUMNS, row.clinical.tolist(), strict=True))
    flags = tuple(dict.fromkeys((*order.wanted.flags, *_damage_flags(order.damage), *found.flags)))
    record = study_records.StudyRecord(
        study=order.study,
        patient=order.patient,
        slices=found.slices.pixels,
        affine=found.slices.affine,
        positions_mm=found.slices.positions_mm,
        spacing_mm=found.slices.spacing_mm,
        choice=options.choice.to_dict(),
        outcome=order.wanted.outcome,
        rater1=row.rater1,
        rater2=row.rater2,
        consensus=row.consensus,
        clinical=row.clinical,
        series_reason=_impersonal(found.series_reason, order.wanted),
        flags=flags,
    )
    return Prepared(
        patient_id=row.patient_id,
        outcome=record.outcome,
        flags=flags,
        series_uid=found.series_uid,
        series_reason=record.series_reason,
        subject=taken.subject.corrected(subjects.capped(given["age"]), subjects.sex_of(given["sex"])),
        scanner=subjects.scanner(taken.subject.maker, taken.field_strength),
        digest=_digest(record.slices),
        serialized=study_records.build(record),
    )


def _scan(order: Order, options: Options) -> tuple[scan.Scan, Series]:
    """Returns the slices and the series that they are of, one that says nothing for NIfTI."""
    source, wished = order.wanted.source, order.wanted.row.series_uid
    if not isinstance(source, Study):
        return scan.of_nifti(source, options.choice), Series("")
    candidate = series.choose(source, wished, options.strict)
    if reason := order.damage.reasons.get(candidate.stack.series.uid):
        raise RefusedStudyError(f"a file of the series taken cannot be read, so a slice may be missing: {reason}")
    return scan.of_study(source, options.choice, gaps=options.gaps, candidate=candidate), candidate.stack.series


def _damage_flags(damage: unreadable.Damage) -> tuple[str, ...]:
    return (f"unreadable_files: {damage.files}",) if damage.files else ()


def _impersonal(text: str, wanted: Wanted) -> str:
    """Returns a message as one line without descriptions of series and without UIDs."""
    known = wanted.source.series if isinstance(wanted.source, Study) else ()
    wished = wanted.row.series_uid
    line = " ".join(_without_names(text, known).split())
    return line.replace(header.received(wished), "in column series_uid") if wished else line


def _without_names(text: str, known: Iterable[Series]) -> str:
    for one in known:
        number = "without number" if one.number is None else one.number
        text = text.replace(series.label(one), f"series {number}")
    return text


def _digest(pixels: NDArray[np.uint16]) -> str:
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()

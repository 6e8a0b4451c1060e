"""What a report says, read from the object itself: to check what an archive gives back."""

import dataclasses
from collections.abc import Mapping

from pydicom.dataset import Dataset

from raspine.dicom_results import concepts, content_tree, film_report, study_report
from raspine.dicom_results.content_tree import Code
from raspine.dicom_results.errors import ResultError
from raspine.dicom_results.measured_film import CORNER_TO_CENTRE

_LENGTH: Code = (concepts.LENGTH.value, concepts.LENGTH.scheme_designator)
_CERTAINTY: Code = (concepts.CERTAINTY.value, concepts.CERTAINTY.scheme_designator)
_PROBABILITY: Code = (concepts.PROBABILITY.value, concepts.PROBABILITY.scheme_designator)
_VERDICT: Code = (concepts.VERDICT.value, concepts.SCHEME)
_FLAG: Code = (concepts.FLAG.value, concepts.SCHEME)
_VERDICTS = {(code.value, code.scheme_designator): name for name, code in concepts.VERDICTS.items()}
_SUMMARIES = (film_report.SUMMARY, study_report.RISK)


@dataclasses.dataclass(frozen=True)
class Said:
    """What a report says.

    Attributes:
      verdict: `positive`, `negative` or `none`.
      points: (x, y) pixels of the film's file by landmark, the origin at the centre of its top-left pixel; those not
        found are left out.
      lines: both ends of a distance, as `points`.
      millimetres: by distance; those not measured are left out.
      confidence: 0..1 by landmark.
      risk: 0..1, of a study; None for a film.
      flags: first words of the flags.
      model: name and version.
      sources: SOP Instance UIDs of the images.
    """

    verdict: str
    points: Mapping[str, tuple[float, float]]
    lines: Mapping[str, tuple[tuple[float, float], ...]]
    millimetres: Mapping[str, float]
    confidence: Mapping[str, float]
    risk: float | None
    flags: tuple[str, ...]
    model: tuple[str, str]
    sources: frozenset[str]


def read(report: Dataset) -> Said:
    """Returns what one of this package's reports says.

    Args:
      report: as pydicom reads it.

    Raises:
      ResultError: it is none of them.
    """
    groups = {content_tree.text_of(group, content_tree.TRACKING_ID): group for group in content_tree.groups(report)}
    summary = next((groups[name] for name in _SUMMARIES if name in groups), None)
    codes = [] if summary is None else [content_tree.code_of(item) for item in content_tree.children(summary, _VERDICT)]
    if summary is None or len(codes) != 1 or codes[0] not in _VERDICTS:
        raise ResultError("the object is no report of this program: it has no group with one verdict.")
    places = {name: _places(group) for name, group in groups.items()}
    numbers = {name: _number(group, _CERTAINTY) for name, group in groups.items() if name not in _SUMMARIES}
    return Said(
        verdict=_VERDICTS[codes[0]],
        points={name: found[0] for name, found in places.items() if len(found) == 1},
        lines={name: found for name, found in places.items() if len(found) > 1},
        millimetres=_known({name: _number(group, _LENGTH) for name, group in groups.items()}),
        confidence={name: value / 100.0 for name, value in _known(numbers).items()},
        risk=_number(summary, _PROBABILITY),
        flags=tuple(content_tree.code_of(item)[0] for item in content_tree.children(summary, _FLAG)),
        model=(
            content_tree.text_of(summary, content_tree.ALGORITHM_NAME),
            content_tree.text_of(summary, content_tree.ALGORITHM_VERSION),
        ),
        sources=frozenset(filter(None, map(content_tree.reference_of, content_tree.descendants(report)))),
    )


def _places(group: Dataset) -> tuple[tuple[float, float], ...]:
    for region in content_tree.children(group, content_tree.REGION, "SCOORD"):
        values = [float(value) - CORNER_TO_CENTRE for value in region.GraphicData]
        return tuple(zip(values[::2], values[1::2], strict=True))
    return ()


def _number(group: Dataset, name: Code) -> float | None:
    found = content_tree.children(group, name, "NUM")
    return content_tree.number_of(found[0]) if found else None


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}

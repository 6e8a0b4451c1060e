"""A film's overlay: landmarks, distances and the verdict, drawn by the viewer over the film itself."""

from collections.abc import Iterator

import numpy as np
from highdicom.color import CIELabColor
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from raspine import drawing
from raspine.dicom_results import concepts, equipment, grey_scale, report
from raspine.dicom_results.measured_film import MeasuredFilm

TITLE = "overlay"
_LINES, _TEXTS = "AI LINES", "AI TEXTS"
_LEFT, _TOP, _RIGHT, _LINE, _LOWEST = 0.02, 0.02, 0.6, 0.02, 0.98  # of the heading, parts of the displayed area
_FEW = 3  # doubts that are named; more are counted
_HEADINGS = {"positive": "positive", "negative": "negative", "none": "no verdict"}
_LINE_COLOUR = "#ffffff"


def build(case: MeasuredFilm, source: Dataset) -> GrayscaleSoftcopyPresentationState:
    """Returns the overlay of a film.

    Args:
      case: the film.
      source: its header, for how its grey values are shown.
    """
    annotations = [*_landmarks(case), *_distances(case), _heading(case)]
    layers = [layer for layer, _ in annotations]
    overlay = GrayscaleSoftcopyPresentationState(
        referenced_images=[case.image],
        content_label=equipment.CONTENT_LABEL,
        content_description=equipment.RESEARCH_USE,
        graphic_annotations=[annotation for _, annotation in annotations],
        graphic_layers=layers,
        **grey_scale.steps(source),
        **equipment.attributes(equipment.OVERLAY, TITLE, case.sources, case.identity, *case.settings),
    )
    overlay.BodyPartExamined = concepts.BODY_PART
    _stretch(overlay, case)
    return overlay


Annotated = tuple[GraphicLayer, GraphicAnnotation]


def _landmarks(case: MeasuredFilm) -> Iterator[Annotated]:
    """Yields each landmark's point on a layer of its own, since colours belong to layers."""
    for number, (name, point, colour) in enumerate(
        zip(case.schema.landmarks, case.places, case.schema.colours, strict=True), 1
    ):
        if np.isfinite(point).all():
            layer = _layer(f"AI POINT {number}", number, colour)
            yield layer, _annotation(case, layer, [_graphic(case, name, point[None])], [])


def _distances(case: MeasuredFilm) -> Iterator[Annotated]:
    drawn = [one for one in case.schema.distances if np.isfinite(case.line(one)).all()]
    if not drawn:
        return
    layer = _layer(_LINES, len(case.schema.landmarks) + 1, _LINE_COLOUR)
    lines = [_graphic(case, one.name, case.line(one)) for one in drawn]
    texts = [TextObject(case.label(one), "PIXEL", anchor_point=tuple(case.line(one).mean(0))) for one in drawn]
    yield layer, _annotation(case, layer, lines, texts)


def _heading(case: MeasuredFilm) -> Annotated:
    """Returns the verdict, every distance, the doubts and the words on research use, in a corner of the display."""
    distances = map(case.full_label, case.schema.distances)
    lines = [equipment.RESEARCH_USE, _HEADINGS[case.result.verdict], *distances, *_doubts(case)]
    layer = _layer(_TEXTS, len(case.schema.landmarks) + 2, _LINE_COLOUR)
    text = TextObject("\r\n".join(lines), "DISPLAY", bounding_box=_box(len(lines)), text_justification="LEFT")
    return layer, _annotation(case, layer, [], [text])


def _doubts(case: MeasuredFilm) -> list[str]:
    flags = case.result.flags
    if len(flags) > _FEW:
        return [f"! see the report: {len(flags)} doubts"]
    return [f"! {flag.replace('_', ' ')}" for flag in flags]


def _box(lines: int) -> tuple[float, float, float, float]:
    """Returns left, top, right and bottom of so many lines."""
    return _LEFT, _TOP, _RIGHT, min(_TOP + _LINE * lines, _LOWEST)


def _layer(name: str, order: int, colour: str) -> GraphicLayer:
    return GraphicLayer(name, order, equipment.RESEARCH_USE, CIELabColor.from_rgb(*drawing.rgb(colour)))


def _graphic(case: MeasuredFilm, name: str, places: np.ndarray) -> GraphicObject:
    tracked = report.tracking(name, [case.image])
    kind = "POINT" if len(places) == 1 else "POLYLINE"
    return GraphicObject(kind, places, "PIXEL", tracking_id=tracked[0].value, tracking_uid=tracked[1].value)


def _annotation(
    case: MeasuredFilm, layer: GraphicLayer, graphics: list[GraphicObject], texts: list[TextObject]
) -> GraphicAnnotation:
    return GraphicAnnotation([case.image], layer, graphic_objects=graphics or None, text_objects=texts or None)


def _stretch(overlay: Dataset, case: MeasuredFilm) -> None:
    """Has pixels that are not square shown in their shape (PS3.3 C.10.4)."""
    for area in overlay.DisplayedAreaSelectionSequence:
        if case.spacing is None:
            area.PresentationPixelAspectRatio = case.image.get("PixelAspectRatio") or [1, 1]
        elif case.spacing[0] != case.spacing[1]:
            del area.PresentationPixelAspectRatio
            area.PresentationPixelSpacing = [DSfloat(value, auto_format=True) for value in case.spacing]

"""The rules of overlays and secondary captures."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from raspine.dicom_results import equipment


def check_overlay(overlay: Dataset) -> list[str]:
    """Returns which rules an overlay (PS3.3 A.33.1) breaks, a line each."""
    return [*_body_part(overlay), *_label(overlay), *_references(overlay), *_annotations(overlay)]


def check_capture(capture: Dataset) -> list[str]:
    """Returns which rules a secondary capture (PS3.3 A.8.1) breaks, a line each."""
    faults = _body_part(capture)
    if capture.get("BurnedInAnnotation") != "NO":
        faults.append("Burned In Annotation must be NO: the pixels name nobody")
    if "DERIVED" not in (capture.get("ImageType") or ()):
        faults.append("Image Type must say DERIVED")
    if equipment.RESEARCH_USE not in str(capture.get("DerivationDescription", "")):
        faults.append("Derivation Description does not say that it is a research result")
    if not all(item.get("ReferencedSOPInstanceUID") for item in capture.get("SourceImageSequence") or [Dataset()]):
        faults.append("the picture does not say which images it is of")
    if len(capture.get("PixelData") or b"") < capture.Rows * capture.Columns * capture.SamplesPerPixel:
        faults.append("the picture's pixels are incomplete")
    return faults


def _body_part(result: Dataset) -> list[str]:
    known = result.get("BodyPartExamined") or "Laterality" in result
    return [] if known else ["neither Body Part Examined nor Laterality"]


def _label(overlay: Dataset) -> Iterator[str]:
    if overlay.get("ContentLabel") != equipment.CONTENT_LABEL:
        yield f"Content Label must be {equipment.CONTENT_LABEL}"
    texts = [
        str(text.get("UnformattedTextValue", ""))
        for annotation in overlay.get("GraphicAnnotationSequence") or ()
        for text in annotation.get("TextObjectSequence") or ()
    ]
    if not any(equipment.RESEARCH_USE in text for text in texts):
        yield "no text of the overlay says that it is a research result"


def _references(overlay: Dataset) -> Iterator[str]:
    known = {
        image.get("ReferencedSOPInstanceUID")
        for series in overlay.get("ReferencedSeriesSequence") or ()
        for image in series.get("ReferencedImageSequence") or ()
    }
    if not known:
        yield "the overlay refers to no image"
    for annotation in overlay.get("GraphicAnnotationSequence") or ():
        used = {image.get("ReferencedSOPInstanceUID") for image in annotation.get("ReferencedImageSequence") or ()}
        if not used <= known:
            yield "an annotation is on an image that the overlay does not refer to"


def _annotations(overlay: Dataset) -> Iterator[str]:
    area = (overlay.get("DisplayedAreaSelectionSequence") or [Dataset()])[0]
    corner = area.get("DisplayedAreaBottomRightHandCorner") or (0, 0)
    layers = {layer.get("GraphicLayer") for layer in overlay.get("GraphicLayerSequence") or ()}
    for annotation in overlay.get("GraphicAnnotationSequence") or ():
        if annotation.get("GraphicLayer") not in layers:
            yield "an annotation is on a layer that is not declared"
        for graphic in annotation.get("GraphicObjectSequence") or ():
            values = [float(value) for value in graphic.get("GraphicData") or ()]
            if not values or any(not 0 <= value <= corner[place % 2] for place, value in enumerate(values)):
                yield "a graphic leaves its image"

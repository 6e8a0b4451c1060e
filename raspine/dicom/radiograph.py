"""Whether a DICOM object is a projection radiograph at all, and which of its header's remarks matter."""

from pydicom.dataset import Dataset

from raspine.dicom import header

FLAG_FOR_PROCESSING = "for_processing"
FLAG_BURNED_IN = "burned_in_annotation"

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_FILM_CLASSES = frozenset(
    _STORAGE + last for last in ("1", "1.1", "1.1.1", "1.3", "1.3.1", "7", "7.2", "7.3", "7.4", "12.2")
)  # CR, DX, intra-oral, secondary capture, radiofluoroscopy
_FILM_MODALITIES = frozenset({"CR", "DX", "DR", "XR", "RG", "RF", "PX", "IO", "OT", "SC", "HC", "DF"})


def check(dataset: Dataset) -> None:
    """Refuses what is not a projection radiograph.

    Raises:
      FilmError: the SOP class or the modality is another one; the message names it.
    """
    sop_class = header.text(dataset, "SOPClassUID")
    modality = header.text(dataset, "Modality").upper()
    if sop_class and sop_class not in _FILM_CLASSES and not (_is_private(sop_class) and modality):
        raise header.FilmError(
            f"not a radiograph: {header.name('SOPClassUID')} is {_title(sop_class)}; "
            "a film is CR, DX or a secondary capture."
        )
    if modality and modality not in _FILM_MODALITIES:
        raise header.FilmError(
            f"not a radiograph: {header.name('Modality')} is {header.received(modality)}; "
            "a film is CR, DX, RG, RF or OT."
        )
    if not sop_class and not modality and "PixelData" not in dataset:
        raise header.FilmError("not a film: neither a SOP class, a modality nor pixel data.")


def flags(dataset: Dataset) -> tuple[str, ...]:
    """Returns the flags for unprocessed pixels and for text burned into them.

    Burned In Annotation (0028,0301) is optional and mostly absent, so its absence says nothing and sets no
    flag; nor does NO prove that a film is free of text. De-identification has to look at the pixels.
    """
    found = []
    if header.text(dataset, "PresentationIntentType").upper() == "FOR PROCESSING":
        found.append(FLAG_FOR_PROCESSING)
    if header.text(dataset, "BurnedInAnnotation").upper() == "YES":
        found.append(FLAG_BURNED_IN)
    return tuple(found)


def _is_private(sop_class: str) -> bool:
    return not sop_class.startswith("1.2.840.10008.")


def _title(sop_class: str) -> str:
    name = header.uid_name(sop_class)
    return f"'{name}'" if name else f"unknown, {header.received(sop_class)}"

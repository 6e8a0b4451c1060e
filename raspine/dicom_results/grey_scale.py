"""How an overlay shows a film's grey values: the steps of `raspine.dicom.pixels` as a presentation state has them.

A presentation state replaces the image's own steps (PS3.4 N.2), so one without them would show the film differently.
"""

from typing import Any

import numpy as np
from highdicom import VOILUT, ModalityLUT, ModalityLUTTransformation, PresentationLUTTransformation
from highdicom.pr import SoftcopyVOILUTTransformation
from pydicom.dataset import Dataset

from raspine.dicom import header, lut

TAGS = (
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "PixelRepresentation", "PresentationLUTShape", "PhotometricInterpretation",
)  # fmt: skip
_UNCHANGED = (1.0, 0.0)


def steps(source: Dataset) -> dict[str, Any]:
    """Returns the arguments of highdicom's presentation state that show a film as its header says.

    A step that the header lacks, or that is damaged, is left out.

    Args:
      source: the film's header, with file meta information where it has lookup tables.
    """
    modality, voi = _readable(_modality, source), _readable(_voi, source)
    return {
        "modality_lut_transformation": modality,
        "voi_lut_transformations": None if voi is None else [voi],
        "presentation_lut_transformation": PresentationLUTTransformation(
            "INVERSE" if is_inverted(source) else "IDENTITY"
        ),
    }


def is_inverted(source: Dataset) -> bool:
    """Returns whether low values are white: by Presentation LUT Shape, else by Photometric Interpretation."""
    shape = header.text(source, "PresentationLUTShape").upper()
    if shape in ("IDENTITY", "INVERSE"):
        return shape == "INVERSE"
    return header.text(source, "PhotometricInterpretation").upper() == "MONOCHROME1"


def _readable(step: Any, source: Dataset) -> Any:
    try:
        return step(source)
    except header.FilmError:
        return None


def _modality(source: Dataset) -> ModalityLUTTransformation | None:
    tables = header.items(source, "ModalityLUTSequence")
    if tables:
        return ModalityLUTTransformation(modality_lut=_table(source, tables[0], _is_signed(source), ModalityLUT, "US"))
    slope, intercept = header.number(source, "RescaleSlope", 1.0), header.number(source, "RescaleIntercept", 0.0)
    if not slope or (slope, intercept) == _UNCHANGED:
        return None
    return ModalityLUTTransformation(rescale_intercept=intercept, rescale_slope=slope, rescale_type="US")


def _voi(source: Dataset) -> SoftcopyVOILUTTransformation | None:
    tables = header.items(source, "VOILUTSequence")
    if tables:
        may_be_negative = _is_signed(source) or (header.number(source, "RescaleIntercept", 0.0) or 0.0) < 0
        return SoftcopyVOILUTTransformation(voi_luts=[_table(source, tables[0], may_be_negative, VOILUT)])
    centre, width = header.number(source, "WindowCenter"), header.number(source, "WindowWidth")
    if centre is None or width is None or width < 1:
        return None
    function = header.text(source, "VOILUTFunction").upper()
    known = function if function in ("LINEAR_EXACT", "SIGMOID") else None
    return SoftcopyVOILUTTransformation(window_center=centre, window_width=width, voi_lut_function=known)


def _table(source: Dataset, item: Dataset, signed: bool, kind: Any, *further: str) -> Any:
    """Returns a lookup table as highdicom has it, with the bits of the film's own."""
    found = lut.read(source, item, signed)
    table = (
        kind(*further, found.first, found.entries) if further else kind(found.first, found.entries.astype(np.uint16))
    )
    table.LUTDescriptor = [found.entries.size % (1 << 16), found.first, found.bits]
    return table


def _is_signed(source: Dataset) -> bool:
    return header.text(source, "PixelRepresentation") == "1"

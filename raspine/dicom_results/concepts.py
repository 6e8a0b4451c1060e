"""The codes of the reports: of standard schemes where there is one, of `99RASPINE` where there is none."""

from collections.abc import Mapping

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

SCHEME = "99RASPINE"
_LONGEST_MEANING = 64


def private(value: str, meaning: str) -> CodedConcept:
    """Returns a code of the project's own scheme; its meaning is cut to the 64 characters that DICOM gives it."""
    return CodedConcept(value, SCHEME, meaning[:_LONGEST_MEANING])


SCHEMES = [CodingSchemeIdentificationItem(designator=SCHEME, name="raspine", responsible_organization="raspine")]

TITLE = codes.DCM.ImagingMeasurementReport
RADIOGRAPHY = codes.LN.XRUnspecifiedBodyRegion
ENGLISH = CodedConcept("en", "RFC5646", "English")
MRI = codes.LN.MRIUnspecifiedBodyRegion
BODY_PART = "CSPINE"
CERVICAL_SPINE = codes.SCT.CervicalSpine

LENGTH = codes.SCT.Length
PROBABILITY = codes.DCM.Probability
CERTAINTY = codes.DCM.CertaintyOfFinding
MINIMUM = codes.SCT.Minimum
ROW_SPACING, COLUMN_SPACING = codes.DCM.VerticalPixelSpacing, codes.DCM.HorizontalPixelSpacing
MILLIMETRE, PERCENT, NO_UNITS = codes.UCUM.Millimeter, codes.UCUM.Percent, codes.UCUM.NoUnits
COMMENT = codes.DCM.Comment
QUALITATIVE_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")

VERDICT = private("verdict", "Verdict")
VERDICTS = {
    "positive": codes.SCT.Positive,
    "negative": codes.SCT.Negative,
    "none": codes.SCT.Indeterminate,
}
FLAG = private("flag", "Flag")
SPACING_SOURCE = private("spacing_source", "Source of the pixel spacing")
UNMEASURED = private("unmeasured", "Reason for no measurement")
MEASUREMENT_FAILURE = codes.DCM.MeasurementFailure
NOT_ATTEMPTED = codes.DCM.MeasurementNotAttempted
OUT_OF_RANGE = codes.DCM.ValueOutOfRange
FILM = private("film", "Lateral radiograph of the cervical spine")
THRESHOLD = private("threshold", "Threshold of the verdict")
LATER_DEFORMITY = private("later_deformity", "Later deformity of the cervical spine")
SLICES = private("slices", "Slices that the model saw")
SLICE_POSITION = private("slice_position", "Position of a slice along the normal of the slices")
EXPLANATION = private("explanation", "Method of explanation")

_ATLAS, _AXIS = codes.SCT.BoneStructureOfAtlas, codes.SCT.BoneStructureOfAxis
SITES: Mapping[str, CodedConcept] = {
    "adi": codes.SCT.StructureOfAtlantoaxialJoint,
    "sac": codes.SCT.SpinalCanalStructure,
    "anterior_arch_posterior": _ATLAS,
    "dens_anterior": _AXIS,
    "dens_posterior": _AXIS,
    "posterior_arch_anterior": _ATLAS,
}
"""Where a landmark or distance lies, by its name; those of other schemas have no entry."""

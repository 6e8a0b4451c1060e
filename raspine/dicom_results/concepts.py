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
MILLIMETRE, PERCENT, NO_UNITS = codes.UCUM.Millimeter, codes.UCUM.Percent, codes.UCUM.NoUnits
YEARS = codes.UCUM.Year
COMMENT = codes.DCM.Comment
QUALITATIVE_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")

VERDICT = private("verdict", "Verdict")
VERDICTS = {
    "positive": codes.SCT.Positive,
    "negative": codes.SCT.Negative,
    "none": codes.SCT.Indeterminate,
}
FLAG = private("flag", "Flag")
# The spacings of DCM, 111026 and 111066, are those at the front of the receptor and not what millimetres rest on.
ROW_SPACING = private("row_spacing", "Row spacing that the millimetres rest on")
COLUMN_SPACING = private("column_spacing", "Column spacing that the millimetres rest on")
SPACING_SOURCE = private("spacing_source", "Source of the pixel spacing")
UNMEASURED = private("unmeasured", "Reason for no measurement")
UNDRAWN = private("undrawn", "Reason for no line on the film")
END_OUTSIDE = private("end_outside", "An end lies outside the film")
MEASUREMENT_FAILURE = codes.DCM.MeasurementFailure
NOT_ATTEMPTED = codes.DCM.MeasurementNotAttempted
OUT_OF_RANGE = codes.DCM.ValueOutOfRange
FILM = private("film", "Lateral radiograph of the cervical spine")
THRESHOLD = private("threshold", "Threshold of the verdict")
LATER_DEFORMITY = private("later_deformity", "Later deformity of the cervical spine")
SLICES = private("slices", "Slices that the model saw")
SLICE_POSITION = private("slice_position", "Position of a slice along the normal of the slices")
CLINICAL = private("clinical", "Clinical values that the model took")
AGE = private("age", "Age")
DISEASE_DURATION = private("disease_duration", "Duration of the disease")
SEX = private("sex", "Sex")
RHEUMATOID_FACTOR = private("rf", "Rheumatoid factor")
ANTI_CCP = private("anti_ccp", "Antibodies against cyclic citrullinated peptides")
BIOLOGIC = private("biologic", "Treatment with a biologic")
FEMALE, MALE = CodedConcept("248152002", "SCT", "Female"), CodedConcept("248153007", "SCT", "Male")
YES, NO = codes.SCT.Yes, codes.SCT.No
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

"""The patient and study modules of a result: the source's own for the archive, empty ones for everybody else."""

from pydicom.dataset import Dataset

from raspine.dicom_results import checked_values

CHARACTER_SET = "ISO_IR 192"
"""UTF-8: whatever the source's character set is, its values are decoded and stored anew."""

# What tells patients and examinations apart: a damaged value would file the result under somebody else.
_TELLING = ("PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber")
_EMPTY_IF_UNUSABLE = ("PatientBirthDate", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID")
_LEFT_OUT_IF_UNUSABLE = (
    "TypeOfPatientID", "PatientBirthTime", "EthnicGroup", "PatientIdentityRemoved", "DeidentificationMethod",
    "QualityControlSubject", "StudyDescription", "PatientAge", "PatientSize", "PatientWeight", "Occupation",
)  # fmt: skip
TAGS = (*_TELLING, *_EMPTY_IF_UNUSABLE, *_LEFT_OUT_IF_UNUSABLE, "PatientSex")
_SEXES = ("F", "M", "O")


def neutral() -> Dataset:
    """Returns patient and study modules (PS3.3 C.7.1.1, C.7.2.1) without any patient; the study's UID is not here."""
    module = Dataset()
    for keyword in (*_TELLING, *_EMPTY_IF_UNUSABLE, "PatientSex"):
        setattr(module, keyword, "")
    del module.IssuerOfPatientID
    return module


def carried(source: Dataset) -> Dataset:
    """Returns the patient and study modules of an image.

    Args:
      source: the image's header.

    Raises:
      ResultError: a value that tells patients apart cannot be read or breaks the rules of its value representation.
        Other such values are left out.
    """
    module = neutral()
    for keyword in _TELLING:
        if value := checked_values.text(source, keyword):
            setattr(module, keyword, value)
    for keyword in (*_EMPTY_IF_UNUSABLE, *_LEFT_OUT_IF_UNUSABLE):
        if value := checked_values.usable_text(source, keyword):
            setattr(module, keyword, value)
    sex = checked_values.usable_text(source, "PatientSex").upper()
    module.PatientSex = sex if sex in _SEXES else ""
    if "DeidentificationMethod" not in module:
        module.pop(
            "PatientIdentityRemoved", None
        )  # PS3.3 C.7.1.1 wants how, which may stand in codes that are not carried
    return module


def put(module: Dataset, result: Dataset) -> None:
    """Gives a result the modules, in place of what it has of them."""
    result.SpecificCharacterSet = CHARACTER_SET
    for element in module:
        result[element.tag] = element

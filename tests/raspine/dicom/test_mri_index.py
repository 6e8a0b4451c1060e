"""Folders of MR files into studies and series by their headers alone."""

import pathlib
import shutil

import pydicom
import pytest
from mri_headers import AXIAL, SAGITTAL, enhanced, header, item, save, save_stack, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedSRStorage,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    LegacyConvertedEnhancedMRImageStorage,
    SegmentationStorage,
)

from raspine.dicom import index

LUMBAR = pathlib.Path(__file__).resolve().parents[2] / "data" / "mri_lumbar"


def only_reason(folder: pathlib.Path) -> str:
    found = index.scan([folder])
    assert len(found.refused) == 1
    return next(iter(found.refused.values()))


def test_a_real_study_without_extensions_and_with_a_japanese_character_set():
    found = index.scan([LUMBAR])
    assert found.files == 16
    assert {path.name: reason for path, reason in found.refused.items()} == {"README.md": "not a DICOM file."}
    (study,) = found.studies
    facts = [(one.number, one.description, len(one.frames), one.echo_time, one.inversion_time) for one in study.series]
    assert facts == [
        (6, "T2 SAG", 11, 110, None),
        (7, "T1 SAG", 1, 25, None),
        (8, "T2 AX", 1, 95, None),
        (9, "T1 AX", 1, 21, None),
        (12, "STIR SAG", 1, 80, 110),
    ]
    t2 = study.series[0]
    assert (t2.scanning_sequence, t2.body_part, t2.repetition_time) == (("SE",), "LSPINE", 3203)
    assert t2.field_strength == 0.3
    frame = t2.frames[0]
    assert frame.path.name == "D0000000"
    assert frame.position == (-38.63568, -109.0772, 202.2417)
    assert frame.orientation == (0.02684, 0.999638, 0.001381, -0.018573, 0.00188, -0.999825)
    assert (frame.spacing, frame.rows, frame.columns) == ((0.68359375, 0.68359375), 512, 512)
    assert frame.image_type == ("DERIVED", "SECONDARY", "OTHER", "AI")
    assert frame.instance_number == 1


def test_identity_is_kept_and_not_shown(tmp_path):
    save(tmp_path / "a", header(IssuerOfPatientID="Ward"))
    save(tmp_path / "b", header(PatientID="OTHER", InstanceNumber=2))
    (study,) = index.scan([tmp_path]).studies
    assert [(one.patient_id, one.name, one.birth_date, one.sex) for one in study.people] == [
        ("Ward\\SECRET-ID", "SECRET^NAME", "19600101", "F"),
        ("OTHER", "SECRET^NAME", "19600101", "F"),
    ]
    assert study.patient_id == "Ward\\SECRET-ID"
    assert study.date == "20200102"
    shown = repr(study) + repr(study.series[0].frames) + repr(study.people)
    assert not any(word in shown.upper() for word in ("SECRET", "OTHER", "1960", "20200102"))


def test_studies_by_date_and_series_by_number(tmp_path):
    for number, (study, date, series) in enumerate((("b", "20210101", 2), ("a", "20200101", 9), ("b", "20210101", 1))):
        tags = {"StudyInstanceUID": uid(study), "StudyDate": date, "SeriesNumber": series}
        save(tmp_path / str(number), header(SeriesInstanceUID=uid(number), **tags))
    found = index.scan([tmp_path])
    assert [(study.date, [one.number for one in study.series]) for study in found.studies] == [
        ("20200101", [9]),
        ("20210101", [1, 2]),
    ]


def test_hidden_files_are_left_out_and_named_ones_are_taken(tmp_path):
    save(tmp_path / ".hidden", header())
    (tmp_path / ".folder").mkdir()
    save(tmp_path / ".folder" / "image", header())
    assert index.scan([tmp_path]).files == 0
    assert len(index.scan([tmp_path / ".hidden", tmp_path / ".hidden"]).studies[0].series[0].frames) == 1


def test_a_thousand_files(tmp_path):
    first = save(tmp_path / "0000", header()).read_bytes()
    number = first.index(b"\x20\x00\x13\x00IS") + 8
    for other in range(1, 1000):
        (tmp_path / f"{other:04d}").write_bytes(first[:number] + b"%-2d" % (other % 100) + first[number + 2 :])
    found = index.scan([tmp_path])
    assert (found.files, len(found.studies), len(found.studies[0].series[0].frames)) == (1000, 1, 1000)


@pytest.mark.parametrize(
    ("kind", "modality", "word"),
    [
        (EnhancedSRStorage, "SR", "no MR image: Enhanced SR Storage, modality 'SR'."),
        (SegmentationStorage, "SEG", "no MR image: Segmentation Storage, modality 'SEG'."),
        (CTImageStorage, "CT", "no MR image: CT Image Storage, modality 'CT'."),
        ("1.2.840.10008.5.1.4.1.1.7", "MR", "no MR image: Secondary Capture Image Storage, modality 'MR'."),
        ("1.2.3.4.5", "MR", "no MR image: an object of unknown class, modality 'MR'."),
    ],
)
def test_other_objects_are_refused_by_name(tmp_path, kind, modality, word):
    save(tmp_path / "a", header(SOPClassUID=kind, Modality=modality))
    assert only_reason(tmp_path) == word


def test_what_is_no_dicom_file_is_refused(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.FileSetID = "ARCHIVE"
    dcmwrite(tmp_path / "DICOMDIR", directory, enforce_file_format=True)
    reasons = {path.name: reason for path, reason in index.scan([tmp_path]).refused.items()}
    assert reasons == {
        "DICOMDIR": "a DICOMDIR: a table of contents, no image.",
        "empty": "the file is empty.",
        "link": "the file cannot be read: No such file or directory.",
        "notes.txt": "not a DICOM file.",
    }


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_plain_syntax_and_its_truncation(tmp_path, syntax):
    file = header()
    file.file_meta.TransferSyntaxUID = syntax
    file.PixelData = bytes(32)
    file["PixelData"].VR = "OW"
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    dcmwrite(tmp_path / "a", file, enforce_file_format=True)
    (frame,) = index.scan([tmp_path]).studies[0].series[0].frames
    assert (frame.rows, frame.spacing) == (4, (0.5, 0.5))
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[:-3])
    assert "truncated" in only_reason(tmp_path)


def test_a_file_without_preamble(tmp_path):
    save(tmp_path / "a", header())
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[132:])
    assert len(index.scan([tmp_path]).studies[0].series[0].frames) == 1


def test_a_truncated_file_among_good_ones_is_named_and_counted(tmp_path):
    paths = save_stack(tmp_path, count=5)
    data = paths[2].read_bytes()
    paths[2].write_bytes(data[:-1])
    found = index.scan([tmp_path])
    assert found.refused == {paths[2]: "the file is truncated: 32 bytes of pixels announced, 31 there."}
    (series,) = found.studies[0].series
    assert (len(series.frames), series.damaged) == (4, 1)
    paths[2].write_bytes(data[: len(data) // 2])
    assert "truncated" in index.scan([tmp_path]).refused[paths[2]]


def test_a_real_file_cut_short(tmp_path):
    shutil.copy(LUMBAR / "D0000000", tmp_path / "whole")
    (tmp_path / "cut").write_bytes((LUMBAR / "D0000001").read_bytes()[:300_000])
    found = index.scan([tmp_path])
    assert [path.name for path in found.refused] == ["cut"]
    assert "524288 bytes of pixels announced" in found.refused[tmp_path / "cut"]


def test_the_length_of_compressed_pixels_is_not_judged(tmp_path):
    file = header()
    file.file_meta.TransferSyntaxUID = JPEG2000Lossless
    file.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51"])
    file["PixelData"].VR = "OB"
    file["PixelData"].is_undefined_length = True
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    dcmwrite(tmp_path / "a", file, enforce_file_format=True)
    assert not index.scan([tmp_path]).refused


def test_a_file_without_pixels(tmp_path):
    file = header()
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    dcmwrite(tmp_path / "a", file, enforce_file_format=True)
    assert only_reason(tmp_path) == "the file is truncated or holds no image: it ends before the pixels."


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({"StudyInstanceUID": None}, "Study Instance UID (0020,000D) is missing."),
        ({"SeriesInstanceUID": ""}, "Series Instance UID (0020,000E) is missing."),
        ({"PixelSpacing": [0.5, 0]}, "Pixel Spacing (0028,0030) must be above 0. Received: '0.5\\0.0'."),
        ({"ImagePositionPatient": [1, 2]}, "(0020,0032) must hold 3 numbers. Received: '1\\2'."),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "must hold two perpendicular unit vectors."),
    ],
)
def test_damaged_geometry_is_refused(tmp_path, tags, word):
    save(tmp_path / "a", header(**tags))
    assert word in only_reason(tmp_path)


def test_values_that_are_no_numbers(tmp_path):
    data = save(tmp_path / "a", header(EchoTime=96)).read_bytes()
    (tmp_path / "a").write_bytes(data.replace(b"96", b"x6"))
    (series,) = index.scan([tmp_path]).studies[0].series
    assert series.echo_time is None
    (tmp_path / "a").write_bytes(data.replace(b"0.5\\0.5", b"0.5\\x.5"))
    assert only_reason(tmp_path) == "Pixel Spacing (0028,0030) must hold numbers. Received: '0.5\\x.5'."


def test_zero_times_are_unknown_ones(tmp_path):
    save(tmp_path / "a", header(EchoTime=0, RepetitionTime=0, InversionTime=0))
    (series,) = index.scan([tmp_path]).studies[0].series
    assert (series.echo_time, series.repetition_time, series.inversion_time) == (None, None, None)


def test_one_file_without_position_in_a_series_that_has_them(tmp_path):
    paths = save_stack(tmp_path, count=4)
    save(paths[3], header(SeriesInstanceUID=uid("t2"), ImagePositionPatient=None))
    found = index.scan([tmp_path])
    expected = "Image Position (Patient) (0020,0032) is missing; other files of the series have it."
    assert found.refused == {paths[3]: expected}
    assert found.studies[0].series[0].damaged == 1


def test_a_series_without_orientation_is_kept(tmp_path):
    save_stack(tmp_path, count=4)
    for path in tmp_path.iterdir():
        file = pydicom.dcmread(path)
        del file.ImageOrientationPatient
        file.save_as(path)
    found = index.scan([tmp_path])
    assert not found.refused
    assert {frame.orientation for frame in found.studies[0].series[0].frames} == {None}


def test_enhanced_multi_frame(tmp_path):
    save(tmp_path / "a", enhanced(6), frames=12)
    (series,) = index.scan([tmp_path]).studies[0].series
    assert series.scanning_sequence == ("SE",)
    assert (series.repetition_time, series.slice_thickness) == (3000, 3)
    assert [frame.number for frame in series.frames] == list(range(12))
    frame = series.frames[3]
    assert (frame.position, frame.orientation, frame.spacing) == ((4, 0, 0), SAGITTAL, (0.5, 0.25))
    assert (frame.echo_time, frame.acquisition, frame.temporal, frame.stack_id) == (90, 1, 1, "1")
    assert frame.image_type == ("ORIGINAL", "PRIMARY", "T2", "NONE")


def test_enhanced_attributes_in_the_words_of_classic_ones(tmp_path):
    file = enhanced(3, EchoPulseSequence="BOTH", EchoPlanarPulseSequence="YES")
    file.SharedFunctionalGroupsSequence[0].MRModifierSequence = [
        item(InversionRecovery="YES", InversionTimes=[150.0], SpectrallySelectedSuppression="FAT")
    ]
    for group in file.PerFrameFunctionalGroupsSequence:
        group.MRImageFrameTypeSequence[0].ComplexImageComponent = "PHASE"
    save(tmp_path / "a", file, frames=6)
    (series,) = index.scan([tmp_path]).studies[0].series
    assert series.scanning_sequence == ("SE", "GR", "IR", "EP")
    assert (series.inversion_time, series.scan_options) == (150, ("FS",))
    assert series.frames[0].image_type[-1] == "PHASE"


def test_legacy_converted_multi_frame(tmp_path):
    file = enhanced(3, SOPClassUID=LegacyConvertedEnhancedMRImageStorage)
    shared = file.SharedFunctionalGroupsSequence[0]
    del shared.MRTimingAndRelatedParametersSequence, file.EchoPulseSequence
    shared.UnassignedSharedConvertedAttributesSequence = [item(RepetitionTime=2500, ScanningSequence="SE")]
    for group in file.PerFrameFunctionalGroupsSequence:
        del group.MREchoSequence
        group.UnassignedPerFrameConvertedAttributesSequence = [item(EchoTime=101, AcquisitionNumber=7)]
    save(tmp_path / "a", file, frames=6)
    (series,) = index.scan([tmp_path]).studies[0].series
    assert (series.echo_time, series.repetition_time, series.scanning_sequence) == (101, 2500, ("SE",))


def test_classic_images_with_a_few_functional_groups_keep_their_own_attributes(tmp_path):
    other = item(PlaneOrientationSequence=[item(ImageOrientationPatient=list(AXIAL))])
    save(tmp_path / "a", header(SharedFunctionalGroupsSequence=[other], NumberOfFrames=1))
    assert index.scan([tmp_path]).studies[0].series[0].frames[0].orientation == SAGITTAL


def test_multi_frame_files_that_contradict_themselves(tmp_path):
    file = enhanced(3)
    file.PerFrameFunctionalGroupsSequence = file.PerFrameFunctionalGroupsSequence[:5]
    save(tmp_path / "a", file, frames=6)
    assert only_reason(tmp_path).endswith("must have an item per frame. Received: 5 items for 6 frames.")
    save(tmp_path / "a", enhanced(3), frames=5)
    assert only_reason(tmp_path) == "the file is truncated: 192 bytes of pixels announced, 160 there."

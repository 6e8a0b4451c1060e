"""The sagittal T2 among everything that a scanner sends, with reasons."""

import dataclasses
import math
import pathlib

import pytest
from mri_headers import AXIAL, CORONAL, SAGITTAL, enhanced, header, save, save_stack, uid

from raspine.dicom import index, series, wording

LUMBAR = pathlib.Path(__file__).resolve().parents[2] / "data" / "mri_lumbar"


def study(folder: pathlib.Path) -> index.Study:
    found = index.scan([folder])
    assert not found.refused
    (only,) = found.studies
    return only


def turned(degrees: float) -> list[float]:
    """Sagittal planes, turned about the body's long axis."""
    angle = math.radians(degrees)
    return [-math.sin(angle), math.cos(angle), 0, 0, 0, -1]


def test_the_real_study_gives_its_eleven_t2_sagittal_images():
    (lumbar,) = index.scan([LUMBAR]).studies
    ranked = series.rank(lumbar)
    assert [one.stack.series.description for one in ranked] == ["T2 SAG", "STIR SAG", "T1 SAG", "T2 AX", "T1 AX"]
    assert [one.accepted for one in ranked] == [True, False, False, False, False]
    best = series.choose(lumbar, strict=True)
    assert best == ranked[0]
    assert [frame.path.name for frame in best.stack.frames] == [f"D{number:07d}" for number in range(11)]
    assert best.reasons == (
        "sagittal (1.00)",
        "TE 110 ms, TR 3203 ms: T2",
        "calls itself derived",
        "11 slices",
        "named LSPINE",
    )
    assert series.domain_flags(best) == ("out_of_domain: LSPINE",)
    assert series.other_part(("clinical_missing", "out_of_domain: LSPINE")) == "LSPINE"
    assert series.other_part(("clinical_missing",)) == ""
    refused = dict(
        zip([one.stack.series.description for one in ranked[1:]], [one.reasons for one in ranked[1:]], strict=True)
    )
    assert "STIR or other inversion recovery: refused" in refused["STIR SAG"]
    assert "TE 25 ms, TR 462 ms: not T2" in refused["T1 SAG"]
    assert "axial (1.00): refused" in refused["T2 AX"]


def test_the_real_study_without_its_t2_names_the_best_refused_ones():
    (lumbar,) = index.scan([LUMBAR]).studies
    rest = dataclasses.replace(lumbar, series=lumbar.series[1:])
    with pytest.raises(series.NoSeriesError) as error:
        series.choose(rest)
    message = str(error.value)
    assert "\n" not in message
    assert "series 7 'T1 SAG': TE 25 ms, TR 462 ms: not T2" in message
    assert "series 12 'STIR SAG': STIR or other inversion recovery" in message
    assert message.endswith("and 1 more. To take one all the same name its Series Instance UID.")


def test_a_series_that_is_named_goes_before_the_ranks():
    (lumbar,) = index.scan([LUMBAR]).studies
    wanted = lumbar.series[4]
    chosen = series.choose(lumbar, wanted.uid)
    assert chosen.stack.series == wanted
    assert chosen.reasons[0] == "chosen by its UID"
    with pytest.raises(series.NoSeriesError, match=r"no MR series of the Series Instance UID '1\.2\.3'"):
        series.choose(lumbar, "1.2.3")


LOSING = {
    "stir by its inversion time": ({"InversionTime": 150}, "inversion recovery"),
    "stir by its sequence": ({"ScanningSequence": ["SE", "IR"]}, "inversion recovery"),
    "stir by its name": ({"SeriesDescription": "STIR SAG"}, "inversion recovery"),
    "tirm by its name": ({"SeriesDescription": "t2_tirm_sag"}, "inversion recovery"),
    "t1": ({"EchoTime": 12, "RepetitionTime": 600}, "not T2"),
    "proton density": ({"EchoTime": 30}, "not T2"),
    "t1 without times": (
        {"EchoTime": None, "RepetitionTime": None, "SeriesDescription": "T1 SAG"},
        "described as T1",
    ),
    "unknown contrast": (
        {"EchoTime": None, "RepetitionTime": None, "SeriesDescription": "SAG"},
        "contrast unknown",
    ),
    "dixon water": ({"ImageType": ["DERIVED", "PRIMARY", "M", "W"]}, "Dixon water"),
    "dixon fat": ({"ImageType": ["DERIVED", "PRIMARY", "FAT"]}, "Dixon fat"),
    "dixon opposed phase": ({"ImageType": ["DERIVED", "PRIMARY", "M", "OPP_PHASE"]}, "Dixon opposed phase"),
    "gradient echo": ({"ScanningSequence": "GR"}, "gradient echo"),
    "t2 star": ({"SeriesDescription": "T2* SAG"}, "gradient echo"),
    "medic": ({"SeriesDescription": "t2_medic_sag"}, "gradient echo"),
    "echo planar": ({"ScanningSequence": "EP"}, "echo planar"),
    "maximum-intensity projection": ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "maximum-intensity projection"),
    "projection image": ({"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE"]}, "maximum-intensity projection"),
    "myelography by its echo": ({"EchoTime": 900}, "myelography"),
    "myelography by its name": ({"SeriesDescription": "haste_myelo_sag"}, "myelography"),
    "myelography by its slab": ({"SliceThickness": 40}, "a projection"),
    "myelography in japanese": ({"SpecificCharacterSet": "ISO_IR 192", "SeriesDescription": "ミエロ"}, "myelography"),
    "localizer by its type": ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
    "localizer by its name": ({"SeriesDescription": "3-plane loc"}, "localizer"),
    "localizer in japanese": ({"SpecificCharacterSet": "ISO_IR 192", "SeriesDescription": "位置決め"}, "localizer"),
    "localizer in french": ({"SpecificCharacterSet": "ISO_IR 100", "SeriesDescription": "Repérage"}, "localizer"),
    "subtraction": ({"ImageType": ["DERIVED", "SECONDARY", "SUB"]}, "subtraction"),
    "diffusion": ({"SeriesDescription": "DWI b800 sag"}, "diffusion"),
    "diffusion by its weighting": ({"DiffusionBValue": 800.0}, "diffusion"),
    "phase image": ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "phase"),
    "axial": ({"ImageOrientationPatient": list(AXIAL)}, "axial (1.00)"),
    "coronal": ({"ImageOrientationPatient": list(CORONAL)}, "coronal (1.00)"),
    "stir by its protocol": ({"SeriesDescription": None, "ProtocolName": "STIR SAG"}, "inversion recovery"),
    "ge of an unknown sequence": ({"ScanningSequence": None, "SeriesDescription": "T2 GE SAG"}, "gradient echo"),
    "subtraction by its name": ({"SeriesDescription": "T2 sag SUB"}, "subtraction"),
    "oblique": ({"ImageOrientationPatient": turned(35)}, "oblique and nearest to sagittal (0.82)"),
    "two slices": ({"count": 2}, "2 slices: too few"),
    "no spacing": ({"PixelSpacing": None}, "no Pixel Spacing"),
}


@pytest.mark.parametrize("name", LOSING)
def test_what_is_no_sagittal_t2_is_refused_and_never_wins(tmp_path, name):
    tags, reason = LOSING[name]
    save_stack(tmp_path, "decoy", **{"count": 12, "SeriesNumber": 1, **tags})
    with pytest.raises(series.NoSeriesError) as error:
        series.choose(study(tmp_path))
    assert reason in str(error.value)
    assert "SECRET" not in str(error.value).upper()
    save_stack(tmp_path, "t2", SeriesNumber=9)
    assert series.choose(study(tmp_path), strict=True).stack.series.number == 9


def test_a_stack_without_orientation(tmp_path):
    for number in range(8):
        own = {"InstanceNumber": number, "ImagePositionPatient": [4 * number, 0, 0]}
        save(tmp_path / str(number), header(ImageOrientationPatient=None, **own))
    with pytest.raises(series.NoSeriesError, match="no Image Orientation"):
        series.choose(study(tmp_path))


def test_a_study_without_any_series():
    with pytest.raises(series.NoSeriesError, match="no MR images that can be read"):
        series.choose(index.Study("1.2"))


@pytest.mark.parametrize(
    "tags",
    [
        {"EchoTime": None, "RepetitionTime": None, "SeriesDescription": "T2w SAG"},
        {"EchoTime": None, "RepetitionTime": None, "SeriesDescription": "t2_tse_sag_p2"},
        {"EchoTime": None, "SpecificCharacterSet": "ISO_IR 192", "SeriesDescription": "Ｔ２強調 矢状断"},
        {"EchoTime": None, "SeriesDescription": "SAG FSE"},
        {"InversionTime": 0},
        {"SeriesDescription": ""},
        {"SeriesDescription": "T2 FSE SAG ASSET flow comp"},
        {"ScanOptions": ["SP", "FC"]},
        {"ImageOrientationPatient": turned(20)},
        {"ImageOrientationPatient": [0, -1, 0, 0, 0, -1]},
        {"ImageType": ["DERIVED", "SECONDARY", "OTHER", "AI"]},
        {"EchoTime": 64},
        {"RepetitionTime": 1500, "SeriesDescription": "t2_space_sag"},
        {"SeriesDescription": "SAG T2 FSE", "ProtocolName": "CERVICAL MYELOPATHY"},
        {"SeriesDescription": "SAG T2 FSE", "ProtocolName": "C-SPINE W STIR"},
        {"SeriesDescription": "SAG T2 FSE", "ProtocolName": "CSPINE + MRA NECK"},
        {"SeriesDescription": "SAG T2 FSE", "ProtocolName": "NECK/C-SPINE GE 3T"},
        {"SeriesDescription": "SAG T2 FSE", "ProtocolName": "C SPINE DIFFUSION"},
        {"SeriesDescription": None, "ProtocolName": "C-SPINE GE 3T MYELOPATHY"},
        {"SeriesDescription": "T2 TSE SAG HWS Myelopathie"},
        {"SeriesDescription": "T2 sag sub-occipital"},
        {"SeriesDescription": "T2 sag sub-luxation C1/C2"},
    ],
)
def test_what_is_taken_for_a_sagittal_t2(tmp_path, tags):
    save_stack(tmp_path, **tags)
    assert series.choose(study(tmp_path)).accepted


BETTER_AND_WORSE = {
    "plain before fat-suppressed": ({}, {"SeriesDescription": "T2 TSE FS SAG"}),
    "plain before an option of fat suppression": ({}, {"ScanOptions": "FS"}),
    "plain before japanese fat suppression": (
        {},
        {"SpecificCharacterSet": "ISO_IR 192", "SeriesDescription": "T2 脂肪抑制"},
    ),
    "plain before dixon in phase": ({}, {"ImageType": ["ORIGINAL", "PRIMARY", "M", "IP"]}),
    "primary before derived": ({}, {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}),
    "long echo before a short one": ({}, {"EchoTime": 62}),
    "measured before described": ({}, {"EchoTime": None}),
    "turbo spin echo before single shot": ({}, {"SeriesDescription": "T2 HASTE SAG"}),
    "enough slices before few": ({}, {"count": 5}),
    "derived plain before original fat-suppressed": (
        {"ImageType": ["DERIVED", "SECONDARY", "OTHER"]},
        {"SeriesDescription": "T2 SPAIR SAG"},
    ),
    "cervical by name before lumbar by name": (
        {"SeriesDescription": "T2 SAG C-SPINE", "FrameOfReferenceUID": "1.1"},
        {"SeriesDescription": "T2 SAG L-SPINE", "FrameOfReferenceUID": "1.2"},
    ),
    "cervical by coverage before its body part": (
        {"BodyPartExamined": "LSPINE"},
        {"BodyPartExamined": "CSPINE", "origin": (0, 0, -300)},
    ),
    "neck before the head above it": ({}, {"count": 30, "origin": (0, 0, 150)}),
    "described neck before a described head above it": (
        {"SeriesDescription": "T2 SAG HWS"},
        {"SeriesDescription": "T2 SAG BRAIN", "origin": (0, 0, 150)},
    ),
    "neck before the width of a head": ({"FrameOfReferenceUID": "1.1"}, {"FrameOfReferenceUID": "1.2", "count": 30}),
}


@pytest.mark.parametrize("name", BETTER_AND_WORSE)
def test_the_better_of_two_candidates(tmp_path, name):
    better, worse = BETTER_AND_WORSE[name]
    save_stack(tmp_path, "a", SeriesNumber=1, **worse)
    save_stack(tmp_path, "b", SeriesNumber=2, **better)
    found = series.rank(study(tmp_path))
    assert [one.accepted for one in found] == [True, True]
    assert series.choose(study(tmp_path), strict=True).stack.series.number == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [({}, {"count": 9}), ({}, {"PixelSpacing": [0.4, 0.4]}), ({"SeriesNumber": 7}, {})],
)
def test_ties_go_to_more_slices_then_finer_pixels_then_the_earlier_number(tmp_path, first, second):
    save_stack(tmp_path, "a", **{"SeriesNumber": 4, **first})
    save_stack(tmp_path, "b", **{"SeriesNumber": 5, **second})
    chosen = series.choose(study(tmp_path))
    assert chosen.stack.series.number == 5
    assert chosen.reasons[-1].startswith("as good as series ")
    with pytest.raises(series.TieError, match="equally good"):
        series.choose(study(tmp_path), strict=True)


def test_a_tie_within_one_series_says_so_and_takes_the_lowest_instance_number(tmp_path):
    save_stack(tmp_path, "s", 7, start=20, AcquisitionNumber=2)
    save_stack(tmp_path, "s", 7, start=40, AcquisitionNumber=1)
    found = study(tmp_path)
    (only,) = found.series
    taken = "the 7 slices from Instance Number 21 on"
    chosen = series.choose(found)
    assert min(frame.instance_number for frame in chosen.stack.frames) == 21
    assert chosen.reasons[-1] == f"as good as another stack of its series, which has the same UID; taken: {taken}"
    assert series.choose(found, only.uid, strict=True).reasons == ("chosen by its UID", *chosen.reasons)
    with pytest.raises(series.TieError) as error:
        series.choose(found, strict=True)
    assert str(error.value) == (
        "no single sagittal T2: series 3 'T2 TSE SAG' holds 2 equally good stacks, which its Series Instance UID "
        f"cannot tell apart. Send one of them alone, or name the series to take {taken}."
    )
    backwards = dataclasses.replace(only, frames=only.frames[::-1])
    again = series.choose(dataclasses.replace(found, series=(backwards,)))
    assert set(again.stack.frames) == set(chosen.stack.frames)


def test_a_tie_of_two_series_names_the_other_once(tmp_path):
    save_stack(tmp_path, "a", SeriesNumber=1)
    for number in (1, 2):
        save_stack(tmp_path, "b", start=20 * number, SeriesNumber=2, AcquisitionNumber=number)
    with pytest.raises(series.TieError, match=r"^no single sagittal T2: series 1 '[^']*' and series 2 '[^']*' are eq"):
        series.choose(study(tmp_path), strict=True)


@pytest.mark.parametrize(
    ("tags", "count"),
    [
        ({"AcquisitionNumber": 2}, 2),
        ({"EchoTime": 64}, 2),
        ({"origin": (0, 0, -300)}, 2),
        ({"EchoTime": 30}, 1),
        ({"ImageType": ["DERIVED", "PRIMARY", "M", "W"]}, 1),
        ({"ImageOrientationPatient": list(AXIAL)}, 1),
        ({"AcquisitionNumber": 2, "count": 2}, 1),
    ],
)
def test_stacks_of_a_series_that_are_as_acceptable(tmp_path, tags, count):
    save_stack(tmp_path, "s", 7)
    save_stack(tmp_path, "s", start=10, **{"count": 7, **tags})
    assert series.alike(series.choose(study(tmp_path))) == count


def test_stacks_of_a_refused_series_are_alike_when_refused_alike(tmp_path):
    for number in (1, 2):
        save_stack(tmp_path, "s", start=20 * number, EchoTime=12, RepetitionTime=600, AcquisitionNumber=number)
    found = study(tmp_path)
    assert series.alike(series.choose(found, found.series[0].uid)) == 2


def test_a_series_with_a_truncated_file_says_so_and_loses(tmp_path):
    damaged = save_stack(tmp_path, "a", SeriesNumber=1)[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (found,) = index.scan([tmp_path]).studies
    assert "1 damaged file of the series left out" in series.choose(found).reasons
    save_stack(tmp_path, "b", SeriesNumber=2)
    (found,) = index.scan([tmp_path]).studies
    assert series.choose(found, strict=True).stack.series.number == 2


def sizes(folder: pathlib.Path) -> list[int]:
    (only,) = study(folder).series
    return sorted(len(stack.frames) for stack in series.stacks(only))


def test_the_planes_of_a_localizer_are_stacks(tmp_path):
    for number, plane in enumerate((SAGITTAL, AXIAL, CORONAL)):
        save_stack(tmp_path, "loc", 3, start=10 * number, ImageOrientationPatient=list(plane))
    assert sizes(tmp_path) == [3, 3, 3]


def test_axial_slabs_with_half_a_degree_between_them_are_stacks(tmp_path):
    for number, degrees in enumerate((0, 0.5, 8)):
        angle = math.radians(degrees)
        plane = [1, 0, 0, 0, round(math.cos(angle), 6), round(math.sin(angle), 6)]
        save_stack(tmp_path, "ax", 4, start=10 * number, ImageOrientationPatient=plane)
    assert sizes(tmp_path) == [4, 4, 4]


@pytest.mark.parametrize(
    "tags",
    [
        {"Rows": 8},
        {"PixelSpacing": [0.6, 0.6]},
        {"EchoTime": 30},
        {"ImageType": ["DERIVED", "PRIMARY", "M", "W"]},
        {"origin": (2, 0, -250)},
        {"AcquisitionNumber": 2},
        {"TemporalPositionIdentifier": 2},
    ],
)
def test_two_stacks_in_one_series(tmp_path, tags):
    save_stack(tmp_path, "s", 7)
    save_stack(tmp_path, "s", 6, start=10, **tags)
    assert sizes(tmp_path) == [6, 7]


def test_a_missing_echo_time_or_small_differences_part_nothing(tmp_path):
    save_stack(tmp_path, "s", 5, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    save_stack(
        tmp_path,
        "s",
        3,
        start=10,
        origin=(20, 0.001, 0),
        EchoTime=None,
        ImageOrientationPatient=[0, 1, 0, 0.0004, 0, -1],
    )
    assert sizes(tmp_path) == [8]


def test_slices_acquired_in_turns_stay_one_stack_although_one_is_copied(tmp_path):
    for number in range(10):
        save_stack(tmp_path, "s", 1, start=number, origin=(4 * number, 0, 0), AcquisitionNumber=1 + number % 2)
    save_stack(tmp_path, "s", 1, start=90, origin=(8, 0, 0), AcquisitionNumber=1)
    assert sizes(tmp_path) == [11]
    assert "10 slices" in series.choose(study(tmp_path)).reasons


def test_enhanced_echoes_are_stacks_and_the_late_one_is_the_t2(tmp_path):
    save(tmp_path / "a", enhanced(7), frames=14)
    chosen = series.choose(study(tmp_path), strict=True)
    assert [frame.number for frame in chosen.stack.frames] == list(range(1, 14, 2))
    assert chosen.reasons[1] == "TE 90 ms, TR 3000 ms: T2"


def test_enhanced_stacks_by_their_id(tmp_path):
    file = enhanced(8)
    for number, group in enumerate(file.PerFrameFunctionalGroupsSequence):
        group.FrameContentSequence[0].StackID = "1" if number < 6 else "2"
    save(tmp_path / "a", file, frames=16)
    assert sizes(tmp_path) == [3, 3, 5, 5]


@pytest.mark.parametrize(
    ("tags", "flags"),
    [
        ({}, ()),
        ({"BodyPartExamined": "SPINE"}, ()),
        ({"BodyPartExamined": "CSPINE"}, ()),
        ({"BodyPartExamined": "NECK"}, ()),
        ({"BodyPartExamined": "LSPINE"}, ("out_of_domain: LSPINE",)),
        ({"BodyPartExamined": "TSPINE"}, ("out_of_domain: TSPINE",)),
        ({"BodyPartExamined": "HEAD"}, ("out_of_domain: HEAD",)),
        ({"BodyPartExamined": "KNEE"}, ("out_of_domain: KNEE",)),
        ({"BodyPartExamined": "MR SMITH"}, ("out_of_domain: another body part",)),
        ({"SeriesDescription": "T2 sag LWS"}, ("out_of_domain: LSPINE",)),
        ({"SeriesDescription": "T2 sag HWS", "BodyPartExamined": "HEAD"}, ()),
        ({"StudyDescription": "IRM rachis lombaire"}, ("out_of_domain: LSPINE",)),
    ],
)
def test_flags_of_the_body_part(tmp_path, tags, flags):
    save_stack(tmp_path, **tags)
    assert series.domain_flags(series.choose(study(tmp_path))) == flags


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("c spine", "CSPINE"),
        ("CERVICAL SPINE", "CSPINE"),
        ("Ct-Spine", "CSPINE"),
        ("頸椎 MRI", "CSPINE"),
        ("Halswirbelsäule", "CSPINE"),
        ("rachis cervical", "CSPINE"),
        ("T2_SPINE", ""),
        ("t2spine", ""),
        ("3D SPINE", ""),
        ("T-spine", "TSPINE"),
        ("腰椎", "LSPINE"),
        ("Lendenwirbelsäule", "LSPINE"),
        ("LSSPINE", "LSPINE"),
        ("whole spine", ""),
        ("Kopf", "HEAD"),
        ("Knie links", "KNEE"),
        ("sag main field", ""),
    ],
)
def test_words_for_parts_of_the_body(text, part):
    assert wording.region(text) == part


@pytest.mark.parametrize(
    ("text", "is_t2"),
    [("t2_tse", True), ("SAGT2", True), ("FRFSE-T2", True), ("T2*", False), ("t2 star", False), ("t1 pat2", False)],
)
def test_words_for_t2(text, is_t2):
    assert bool(wording.T2.search(wording.plain(text))) == is_t2


@pytest.mark.parametrize(
    ("text", "is_myelography"),
    [
        ("haste_myelo_sag", True),
        ("MR-Myelographie", True),
        ("Myélographie", True),
        ("mielografia", True),
        ("MYELOGRAM", True),
        ("myelog", True),
        ("myeloHASTE", True),
        ("ミエログラフィー", True),
        ("cervical myelopathy", False),
        ("Myelopathie", False),
        ("myélopathie", False),
        ("mielopatia", False),
        ("myelomalacia", False),
        ("Myelon", False),
        ("myelin water", False),
        ("myelitis", False),
        ("meningomyelocele", False),
        ("multiple myeloma", False),
        ("頸椎 ミエロパチー", False),
    ],
)
def test_words_for_myelography(text, is_myelography):
    assert bool(dict(wording.REFUSED)["myelography"].search(wording.plain(text))) == is_myelography


def test_the_order_of_files_changes_nothing(tmp_path):
    save_stack(tmp_path, "s", 7, SeriesInstanceUID=uid("x"))
    found = study(tmp_path)
    backwards = dataclasses.replace(found.series[0], frames=found.series[0].frames[::-1])
    again = series.choose(dataclasses.replace(found, series=(backwards,)))
    assert set(again.stack.frames) == set(found.series[0].frames)
    assert again.reasons == series.choose(found).reasons

"""The neck's position is told only where the header leaves no doubt."""

import pytest
from pydicom.dataset import Dataset

from raspine.dicom.position import position


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("C-SPINE LATERAL NEUTRAL", "neutral"),
        ("Cspine lat flexion", "flexion"),
        ("C_SPINE_FLEX", "flexion"),
        ("HWS seitl. Reklination", "extension"),
        ("Hyperextension", "extension"),
        ("HWS Anteflexion", "flexion"),
        ("HWS Retroflexion", "extension"),
        ("C-spine flexion/extension", None),
        ("Flexion and neutral", None),
        ("lateral without flexion", None),
        ("Flexible couch", None),
        ("C-spine lateral", None),
        ("", None),
    ],
)
def test_descriptions(description, expected):
    dataset = Dataset()
    dataset.SeriesDescription = description
    assert position(dataset) == expected


def test_two_tags_that_disagree_tell_nothing():
    dataset = Dataset()
    dataset.SeriesDescription, dataset.ProtocolName = "flexion", "extension"
    assert position(dataset) is None


def test_coded_modifier():
    modifier, view, dataset = Dataset(), Dataset(), Dataset()
    modifier.CodeValue = "24154002"
    view.ViewModifierCodeSequence = [modifier]
    dataset.ViewCodeSequence = [view]
    assert position(dataset) == "extension"

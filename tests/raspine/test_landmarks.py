import dataclasses
import json
import pathlib

import numpy as np
import pytest

from raspine import landmarks
from raspine.landmarks import ATLANTOAXIAL, CEPHALOMETRIC19, Distance, Schema, SchemaError


def test_built_in_schemas() -> None:
    assert landmarks.load("atlantoaxial") is ATLANTOAXIAL
    assert landmarks.load("cephalometric19") is CEPHALOMETRIC19
    assert len(ATLANTOAXIAL.landmarks) == 4
    assert len(CEPHALOMETRIC19.landmarks) == len(set(CEPHALOMETRIC19.landmarks)) == 19
    assert ATLANTOAXIAL.colours == ("#ff0000", "#a020f0", "#00c000", "#ffd700")
    assert len(set(CEPHALOMETRIC19.colours)) == 19


def test_thresholds_of_paper_2_at_their_edge() -> None:
    adi, sac = ATLANTOAXIAL.distances
    np.testing.assert_array_equal(adi.is_positive([2.9, 3.0, 3.0001, np.nan]), [False, False, True, False])
    np.testing.assert_array_equal(sac.is_positive([12.9, 13.0, 13.0001, np.nan]), [True, True, False, False])


def test_measure_in_anisotropic_pixels() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [10.0, 0.0], [10.0, 20.0]])
    measured = ATLANTOAXIAL.measure(points, (0.5, 2.0))
    assert measured["adi"] == pytest.approx(np.hypot(6, 2))
    assert measured["sac"] == pytest.approx(10.0)


def test_a_distance_without_threshold_is_never_positive() -> None:
    assert not Distance("length", "a", "b").is_positive([1e9, -1e9]).any()


def test_other_thresholds() -> None:
    changed = ATLANTOAXIAL.with_thresholds({"adi": 2.5})
    assert [d.threshold_mm for d in changed.distances] == [2.5, 13.0]
    with pytest.raises(SchemaError, match="no distance"):
        ATLANTOAXIAL.with_thresholds({"adl": 2.5})


@pytest.mark.parametrize("schema", landmarks.SCHEMAS.values())
def test_dict_and_file_round_trip(schema: Schema, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(schema.to_dict()))
    assert landmarks.load(file) == schema == landmarks.from_dict(schema.to_dict())


def test_a_minimal_schema_gets_distinct_colours() -> None:
    schema = landmarks.from_dict({"name": "knee", "landmarks": ["a", "b", "c"]})
    assert len(set(schema.colours)) == 3
    assert schema.distances == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a b"}, "name"),
        ({"name": 3}, "Not a landmark schema"),
        ({"landmarks": []}, "named once"),
        ({"landmarks": ["a", "a"]}, "named once"),
        ({"landmarks": "ab"}, "a list of names"),
        ({"landmarks": ["a", "b,x"]}, "letters, digits"),
        ({"landmarks": None}, "a list of names"),
        ({"distances": [{"name": "d", "start": "a", "end": "z"}]}, "no landmark 'z'"),
        ({"distances": [{"name": "d", "start": "a", "end": "a"}]}, "with itself"),
        ({"distances": [{"name": "D", "start": "a", "end": "b"}]}, "lower-case"),
        ({"distances": [{"name": "d", "start": "a", "end": "b", "threshold_mm": -1}]}, "above 0"),
        ({"distances": [{"name": "d", "start": "a", "end": "b", "comparison": "=="}]}, "one of"),
        ({"distances": [{"name": "d", "start": "a", "end": "b", "treshold": 1}]}, "treshold"),
        ({"distances": [{"name": "d", "start": "a", "end": "b"}] * 2}, "once each"),
        ({"colours": ["#ff0000"]}, "colour"),
        ({"colours": ["red", "blue"]}, "colour"),
        ({"ventral_to_dorsal": ["z"]}, "no landmark"),
        ({"extra": 1}, "extra"),
    ],
)
def test_contradictory_schemas_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        landmarks.from_dict({"name": "mine", "landmarks": ["a", "b"], **change})


def test_what_is_no_schema_file(tmp_path: pathlib.Path) -> None:
    broken = tmp_path / "broken.json"
    with pytest.raises(SchemaError, match="No schema 'nothing'"):
        landmarks.load("nothing")
    with pytest.raises(SchemaError, match="Cannot read"):
        landmarks.load(broken)
    for content, message in (("{", "Cannot read"), ("[1]", "Received: list"), ("{}", "name")):
        broken.write_text(content)
        with pytest.raises(SchemaError, match=message):
            landmarks.load(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SchemaError, match="Cannot read"):
        landmarks.load(broken)


def test_schemas_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ATLANTOAXIAL.name = "other"  # type: ignore[misc]

import math

import numpy as np
import pytest

from raspine import clinical


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("age", "61", 61.0),
        ("age", " 61,5 ", 61.5),
        ("disease_duration", "0", 0.0),
        ("disease_duration", "-4", -4.0),
        ("sex", "Female", 1.0),
        ("sex", "M", 0.0),
        ("sex", "1", 1.0),
        ("rf", "Yes", 1.0),
        ("anti_ccp", "negative", 0.0),
        ("biologic", "-", 0.0),
    ],
)
def test_values(column: str, text: str, expected: float) -> None:
    assert clinical.parse(column, text) == expected


@pytest.mark.parametrize("column", clinical.COLUMNS)
@pytest.mark.parametrize("text", ["", "  ", "NA", "nan", "Unknown"])
def test_missing_values(column: str, text: str) -> None:
    assert math.isnan(clinical.parse(column, text))


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("age", "old", "column 'age' is a number of years"),
        ("age", "-1", "from 0 to 120"),
        ("age", "inf", "from 0 to 120"),
        ("disease_duration", "200", "column 'disease_duration'"),
        ("sex", "2", r"female \(1\) or male \(0\)"),
        ("rf", "35", r"column 'rf' is yes \(1\) or no \(0\), a titre by your laboratory's limit"),
        ("weight", "70", "a clinical column is age, sex"),
    ],
)
def test_wrong_values(column: str, text: str, message: str) -> None:
    with pytest.raises(clinical.ClinicalError, match=message):
        clinical.parse(column, text)


def test_the_vector_has_every_column_in_order() -> None:
    vector = clinical.vector({"biologic": "yes", "age": "40", "note": "x", "rf": ""})
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, [40, np.nan, np.nan, np.nan, np.nan, 1])

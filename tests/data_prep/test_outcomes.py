import pathlib

import numpy as np
import pytest

from data_prep import outcomes

HEADER = "patient_id,study_uid,rater1,rater2,consensus"


def read(folder: pathlib.Path, *lines: str) -> outcomes.Table:
    path = folder / "outcomes.csv"
    path.write_text("\n".join(lines) + "\n")
    return outcomes.read(path)


def test_rows_with_clinical_columns(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, f"{HEADER},sex,age,note", "p1,1.2,0,DOUBTFUL,1,female,61.5,x", "p2,1.3,,,0,,,")
    first, second = table.rows
    assert (first.patient_id, first.study_uid, first.key) == ("p1", "1.2", "1.2")
    assert (first.rater1, first.rater2, first.consensus, first.has_consensus) == ("0", "doubtful", "1", True)
    np.testing.assert_array_equal(first.clinical, [61.5, 1, np.nan, np.nan, np.nan, np.nan])
    assert np.isnan(second.clinical).all()
    assert (table.clinical_columns, table.unknown_columns, table.refused) == (("age", "sex"), ("note",), ())


@pytest.mark.parametrize(
    ("grades", "consensus"), [("1,1,", "1"), ("0,0,", "0"), ("doubtful,Doubtful,NA", "doubtful"), ("1.0,1,", "1")]
)
def test_raters_who_agree_are_the_consensus(tmp_path: pathlib.Path, grades: str, consensus: str) -> None:
    (row,) = read(tmp_path, HEADER, f"p1,1.2,{grades}").rows
    assert (row.consensus, row.has_consensus) == (consensus, False)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("p1,1.2,0,1,", "the raters disagree and there is no consensus."),
        ("p1,1.2,1,,", "only one rater gives a grade and there is no consensus."),
        ("p1,1.2,,,", "no outcome is given: fill consensus, or both rater1 and rater2."),
        ("p1,1.2,,,2", "column 'consensus' is 0, 1, doubtful or empty. Received: '2'."),
        ("p1,1.2,yes,,1", "column 'rater1' is 0, 1, doubtful or empty. Received: 'yes'."),
        (",1.2,,,1", "column 'patient_id' is empty."),
        ("p1,1.2,1", "3 cells under 5 columns."),
    ],
)
def test_wrong_rows_are_refused_with_their_study(tmp_path: pathlib.Path, line: str, reason: str) -> None:
    table = read(tmp_path, HEADER, "p0,1.1,,,1", line)
    assert [row.key for row in table.rows] == ["1.1"]
    assert table.refused == (outcomes.Refusal(3, "1.2", f"outcomes row 3: {reason}"),)


def test_wrong_clinical_values_and_files_are_refused(tmp_path: pathlib.Path) -> None:
    table = read(
        tmp_path,
        "patient_id,study_uid,file,consensus,age",
        "p1,,a/b.nii.gz,1,60",
        "p2,,../b.nii,1,60",
        "p3,1.2,b.nii,1,60",
        "p4,1.4,,1,old",
    )
    assert [row.key for row in table.rows] == ["a/b.nii.gz"]
    reasons = [refusal.reason for refusal in table.refused]
    assert [reason[:14] for reason in reasons] == ["outcomes row 3", "outcomes row 4", "outcomes row 5"]
    assert "column 'file' must be a path inside" in reasons[0]
    assert "both filled" in reasons[1]
    assert "column 'age' is a number of years" in reasons[2]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("study_uid,consensus", "lacks the column patient_id"),
        ("patient_id,study_uid,rater1", "lacks the column consensus"),
        ("patient_id,study_uid,consensus,age,age", "more than once: age"),
    ],
)
def test_wrong_files(tmp_path: pathlib.Path, header: str, message: str) -> None:
    with pytest.raises(outcomes.OutcomesError, match=message):
        read(tmp_path, header)


def test_a_missing_file() -> None:
    with pytest.raises(outcomes.OutcomesError, match="cannot be read"):
        outcomes.read("missing.csv")


@pytest.mark.parametrize(("doubtful", "expected"), [("exclude", None), ("negative", 0), ("positive", 1)])
def test_what_a_doubtful_consensus_means(doubtful: str, expected: int | None) -> None:
    assert outcomes.label("doubtful", doubtful) == expected
    assert [outcomes.label(grade, doubtful) for grade in "01"] == [0, 1]


def test_agreement_counts(tmp_path: pathlib.Path) -> None:
    lines = ["a,1,1,1,", "b,2,1,1,0", "c,3,0,1,doubtful", "d,4,,1,1", "e,5,0,0,0"]
    assert outcomes.agreement(read(tmp_path, HEADER, *lines).rows) == {
        "graded_by_both": 4,
        "agree": 3,
        "disagree": 1,
        "rater1_rater2": {"0/0": 1, "0/1": 1, "1/1": 2},
        "consensus_from_agreeing_raters": 1,
        "consensus_against_agreeing_raters": 1,
        "consensus": {"0": 2, "1": 2, "doubtful": 1},
    }

import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import labels
from raspine.landmarks import Schema

SCHEMA = Schema("two", ("a", "b"))
HEADER = "image,annotator,a_x,a_y,b_x,b_y"


def read(folder: pathlib.Path, *lines: str, header: str = HEADER) -> labels.Table:
    file = folder / "labels.csv"
    file.write_text("\n".join([header, *lines]), encoding="utf-8")
    return labels.read(file, SCHEMA)


def test_a_row_an_image_and_annotator(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, "x.png,anna,1,2,3.5,-0.25", "sub/y.png,ben,1,2,,")
    first, second = table.rows
    assert (first.number, first.image, first.annotator) == (2, "x.png", "anna")
    np.testing.assert_array_equal(first.points, [[1, 2], [3.5, -0.25]])
    np.testing.assert_array_equal(second.points, [[1, 2], [np.nan, np.nan]])
    assert (first.patient_id, first.position, first.spacing_mm) == ("", "", None)
    assert table.annotators == ("anna", "ben")
    assert table.images == ("sub/y.png", "x.png")
    assert not table.refused
    assert not table.has_patients


def test_optional_and_unknown_columns_in_any_order(tmp_path: pathlib.Path) -> None:
    header = "position, note ,patient_id,spacing_column_mm,spacing_row_mm,b_y,b_x,a_y,a_x,annotator,image"
    table = read(tmp_path, "Flexion,hi,p1,0.1,0.2,4,3,2,1,anna,x.png", header=header)
    (row,) = table.rows
    np.testing.assert_array_equal(row.points, [[1, 2], [3, 4]])
    assert (row.patient_id, row.position, row.spacing_mm) == ("p1", "flexion", (0.2, 0.1))
    assert table.unknown_columns == ("note",)
    assert table.has_patients


def test_files_as_excel_writes_them(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(
        b"\xef\xbb\xbf" + HEADER.replace(",", ";").encode() + b"\r\nx.png;anna;1,5;2;NA;nan\r\n;;;;;\r\n\r\n"
    )
    (row,) = labels.read(file, SCHEMA).rows
    np.testing.assert_array_equal(row.points, [[1.5, 2], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x.png,anna,1,,3,4", "landmark 'a' has only one of x and y"),
        ("x.png,anna,1,2,3,oops", "column 'b_y' is not a number. Received: 'oops'"),
        ("x.png,anna,1,2,3,inf", "column 'b_y' is not a number"),
        ("x.png,anna,1,2,3,1e999", "column 'b_y' is not a number"),
        ("x.png,anna,1,2,3", "5 cells under 6 columns"),
        ("x.png,anna,1,2,3,4,5", "7 cells under 6 columns"),
        ("x.png,,1,2,3,4", "column 'annotator' is empty"),
    ],
)
def test_a_wrong_row_is_refused_and_the_others_stay(tmp_path: pathlib.Path, line: str, message: str) -> None:
    table = read(tmp_path, "y.png,anna,1,2,3,4", line)
    assert [row.image for row in table.rows] == ["y.png"]
    (refusal,) = table.refused
    assert (refusal.number, refusal.image) == (3, "x.png")
    assert refusal.reason.startswith("labels row 3: ")
    assert message in refusal.reason


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png", "\\\\host\\x.png", "", "a//b"]
)
def test_an_image_must_stay_inside_its_folder(tmp_path: pathlib.Path, name: str) -> None:
    (refusal,) = read(tmp_path, f"{name},anna,1,2,3,4").refused
    assert refusal.image == ""
    assert "inside the images folder" in refusal.reason
    assert name == "" or name not in refusal.reason


@pytest.mark.parametrize(
    ("name", "clean"), [("./a/b.png", "a/b.png"), ("a\\b.png", "a/b.png"), ("e\u0301.png", "é.png")]
)
def test_image_names_are_brought_to_one_form(name: str, clean: str) -> None:
    assert labels.image_name(name) == clean


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("position", "sitting", "column 'position' is neutral, flexion, extension or empty"),
        ("patient_id", "", "column 'patient_id' is empty"),
        ("spacing_row_mm,spacing_column_mm", "0.1,", "both above 0"),
        ("spacing_row_mm,spacing_column_mm", "0.1,0", "both above 0"),
        ("spacing_row_mm,spacing_column_mm", "0.1,-0.1", "both above 0"),
        ("spacing_row_mm,spacing_column_mm", "0.1,mm", "column 'spacing_column_mm' is not a number"),
        ("age", "abc", "labels row 2: column 'age' is a number of years from 0 to 120, or empty. Received: 'abc'"),
        ("age", "-3", "column 'age' is a number of years"),
        ("age", "999", "column 'age' is a number of years"),
        ("sex", "w?", "labels row 2: column 'sex' is female (1) or male (0), or empty"),
    ],
)
def test_wrong_optional_cells(tmp_path: pathlib.Path, column: str, value: str, message: str) -> None:
    (refusal,) = read(tmp_path, f"x.png,anna,1,2,3,4,{value}", header=f"{HEADER},{column}").refused
    assert message in refusal.reason


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("image,annotator,a_x,a_y,b_x", "lacks the columns b_y "),
        ("a_x,a_y,b_x,b_y", "lacks the columns image, annotator "),
        (f"{HEADER},a_x", "more than once: a_x"),
        (f"{HEADER},spacing_row_mm", "both of spacing_row_mm"),
        ("", "lacks the columns image"),
    ],
)
def test_a_wrong_header_fails_the_file(tmp_path: pathlib.Path, header: str, message: str) -> None:
    with pytest.raises(labels.LabelsError, match=message):
        read(tmp_path, header=header)


def test_what_is_no_csv_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(labels.LabelsError, match="cannot be read"):
        labels.read(tmp_path / "missing.csv", SCHEMA)
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + b"\n\xe4.png,anna,1,2,3,4\n")
    with pytest.raises(labels.LabelsError, match="UTF-8"):
        labels.read(tmp_path / "latin.csv", SCHEMA)
    (tmp_path / "quote.csv").write_text(f'{HEADER}\n"x.png,anna,1,2,3,4\n')
    with pytest.raises(labels.LabelsError, match="not a CSV file"):
        labels.read(tmp_path / "quote.csv", SCHEMA)


@pytest.mark.parametrize(
    ("cells", "age", "sex"),
    [
        ("52,F", 52, "F"), ("52.9,woman", 52, "F"), ("89.9,0", 89, "M"), ("90,male", 90, "M"), ("104,Other", 90, "O"),
        (",", None, ""), ("na,unknown", None, ""), ("0,o", 0, "O"),
    ],
)  # fmt: skip
def test_age_and_sex(tmp_path: pathlib.Path, cells: str, age: int | None, sex: str) -> None:
    (found,) = read(tmp_path, f"x.png,anna,1,2,3,4,{cells}", header=f"{HEADER},age,sex").rows
    assert (found.age, found.sex) == (age, sex)
    merged = labels.merge([found, row("ben", [[1, 1], [2, 2]])])
    assert (merged.age, merged.sex) == (age, sex)


def row(annotator: str, points: list[list[float]], **rest: object) -> labels.Row:
    return labels.Row(2, "x.png", annotator, np.array(points, float), **rest)  # type: ignore[arg-type]


def test_merge_sorts_annotators_and_takes_what_any_row_says() -> None:
    merged = labels.merge([row("ben", [[3, 3]], position="flexion"), row("anna", [[1, 1]], spacing_mm=(0.2, 0.1))])
    assert merged.annotators == ("anna", "ben")
    np.testing.assert_array_equal(merged.points[:, 0], [[1, 1], [3, 3]])
    assert (merged.position, merged.spacing_mm) == ("flexion", (0.2, 0.1))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (row("anna", [[1, 1]]), row("anna", [[1, 1]]), "more than one row"),
        (row("anna", [[1, 1]], patient_id="p"), row("ben", [[1, 1]], patient_id="q"), "differ in patient_id"),
        (
            row("anna", [[1, 1]], position="flexion"),
            row("ben", [[1, 1]], position="neutral"),
            "differ in position",
        ),
        (
            row("anna", [[1, 1]], spacing_mm=(1, 1)),
            row("ben", [[1, 1]], spacing_mm=(1, 2)),
            "differ in spacing_mm",
        ),
        (row("anna", [[1, 1]], age=50), row("ben", [[1, 1]], age=51), "differ in age"),
        (row("anna", [[1, 1]], sex="F"), row("ben", [[1, 1]], sex="M"), "differ in sex"),
        (row("anna", [[np.nan] * 2]), row("ben", [[np.nan] * 2]), "no landmark is given"),
    ],
)
def test_merge_refuses_contradictions(first: labels.Row, second: labels.Row, message: str) -> None:
    with pytest.raises(labels.RowError, match=message):
        labels.merge([first, second])


def test_consensus_by_hand() -> None:
    gone = [np.nan, np.nan]
    points = np.array([[[0, 0], [1, 1], gone], [[1, 10], gone, gone], [[5, 2], [3, 5], gone]], float)
    np.testing.assert_array_equal(labels.consensus(points), [[2, 4], [2, 3], gone])
    np.testing.assert_array_equal(labels.consensus(points, "median"), [[1, 2], [2, 3], gone])


@settings(deadline=None)
@given(st.text(max_size=30))
def test_no_image_name_leaves_the_folder(text: str) -> None:
    try:
        name = labels.image_name(text)
    except labels.RowError:
        return
    inside = pathlib.PurePosixPath("/images") / name
    assert ".." not in inside.parts
    assert inside.is_relative_to("/images")
    assert inside != pathlib.PurePosixPath("/images")

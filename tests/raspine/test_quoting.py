import pathlib

import pytest

from raspine import outside_json, quoting, spreadsheet


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("DX", "'DX'"),
        ("", "''"),
        ("a" * 41, f"'{'a' * 40}...'"),
        ("DX\nSecret^Name", "'DX'"),
        ("DX\N{RIGHT-TO-LEFT OVERRIDE}", "'DX'"),
        ([1, 2.5], "'[1, 2.5]'"),
        (None, "'None'"),
    ],
)
def test_received_ends_at_what_is_not_printable(value: object, shown: str) -> None:
    assert quoting.received(value) == shown


def test_the_text_of_another_error_is_one_line() -> None:
    assert quoting.line(ValueError("first\n  second\tthird\0")) == "first second third"
    assert len(quoting.line("x" * 9999)) == 200


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("1O", "'1O'"), ("", "''"), ("SECRET-1", "a text of 8 characters"), ("a\nb", "a text of 3 characters")],
)
def test_only_short_cells_are_shown_since_a_shifted_one_may_name_a_patient(cell: str, shown: str) -> None:
    assert spreadsheet.received(cell) == shown


def test_repeated_columns_are_named_when_they_are_known_and_numbered_when_not() -> None:
    header = ["age", "SECRET-1", "age", "", "", "SECRET-1", "sex"]
    assert spreadsheet.repeated(header, {"age", "sex"}) == ["column 6", "age"]
    assert spreadsheet.repeated(["age", "sex"], {"age"}) == []


@pytest.mark.parametrize("text", [b"[" * 100_000, b"9" * 10_000, b"\xff", b"", "{"])
def test_json_that_cannot_be_read_is_a_value_error_of_one_line(text: bytes | str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        outside_json.parse(text)
    assert "\n" not in str(caught.value)


def test_files_that_are_too_large_are_not_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("[1, 2]")
    assert outside_json.read(path) == [1, 2]
    assert spreadsheet.read(path) == [(1, ["[1", "2]"])]
    monkeypatch.setattr(outside_json, "MAX_BYTES", 5)
    monkeypatch.setattr(spreadsheet, "MAX_BYTES", 5)
    with pytest.raises(ValueError, match="more than 5 bytes"):
        outside_json.read(path)
    with pytest.raises(spreadsheet.SpreadsheetError, match="more than 5 bytes"):
        spreadsheet.read(path)


def test_json_that_can_be_read() -> None:
    assert outside_json.parse('{"a": [1, NaN]}')["a"][0] == 1

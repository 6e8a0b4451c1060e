import contextlib
import json
import os
import pathlib
import stat

import pytest

from raspine import atomic


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_half_way(block: contextlib.AbstractContextManager[pathlib.Path], name: str) -> None:
    def write() -> None:
        with block as aside:
            (aside / name).write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()


def test_a_file_appears_whole(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "new" / "a.json"
    with atomic.atomic_file(target) as aside:
        aside.write_text("1")
        assert not target.exists()
        assert aside.suffix == ".json"
    assert target.read_text() == "1"
    assert names(target.parent) == ["a.json"]


def test_a_failure_leaves_the_old_file(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    fail_half_way(atomic.atomic_file(target), "")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_appears_whole_with_the_usual_mode(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "new" / "out"
    with atomic.atomic_directory(target) as aside:
        (aside / "x").write_text("1")
        assert not target.exists()
    assert names(target.parent) == ["out"]
    assert names(target) == ["x"]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_what_another_process_has_written_meanwhile_stays(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "out"

    def write() -> None:
        with atomic.atomic_directory(target) as aside:
            (aside / "ours").write_text("2")
            target.mkdir()
            (target / "theirs").write_text("1")

    with pytest.raises(FileExistsError, match="exists and is not empty"):
        write()
    assert names(tmp_path) == ["out"]
    assert names(target) == ["theirs"]


def test_an_empty_folder_gives_way(tmp_path: pathlib.Path) -> None:
    with atomic.atomic_directory(tmp_path / "out") as aside:
        (tmp_path / "out").mkdir()
        (aside / "x").write_text("1")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["x"]


def test_a_failure_leaves_no_folder(tmp_path: pathlib.Path) -> None:
    fail_half_way(atomic.atomic_directory(tmp_path / "out"), "x")
    assert names(tmp_path) == []


def test_a_folder_with_content_is_refused_or_replaced(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("1")
    with pytest.raises(FileExistsError, match="not empty"), atomic.atomic_directory(target):
        pass
    with atomic.atomic_directory(target, replace=True) as aside:
        (aside / "new").write_text("1")
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(tmp_path) == ["out"]


def test_a_file_in_the_way_counts_as_content(tmp_path: pathlib.Path) -> None:
    (tmp_path / "out").write_text("1")
    with pytest.raises(FileExistsError), atomic.atomic_directory(tmp_path / "out"):
        pass


def test_json_has_no_nan(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert names(tmp_path) == []
    atomic.write_json(tmp_path / "a.json", {"x": [1, None, "é"]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, None, "é"]}


def test_csv_leaves_missing_cells_empty(tmp_path: pathlib.Path) -> None:
    atomic.write_csv(tmp_path / "a.csv", [{"a": 1, "b": None}, {"b": "x,y"}], ("a", "b"))
    assert (tmp_path / "a.csv").read_text() == 'a,b\n1,\n,"x,y"\n'
    with pytest.raises(ValueError, match="dict contains fields"):
        atomic.write_csv(tmp_path / "b.csv", [{"c": 1}], ("a",))
    assert names(tmp_path) == ["a.csv"]


def test_a_read_only_parent_is_an_os_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), atomic.atomic_file(tmp_path / "file" / "a.txt") as aside:  # noqa: PT011
        aside.write_text("1")
    assert os.listdir(tmp_path) == ["file"]

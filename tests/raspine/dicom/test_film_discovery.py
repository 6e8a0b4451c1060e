"""Which files of a folder are candidates."""

from tiny_films import build_film, to_bytes

from raspine.dicom.film import discover, is_film_file


def test_candidates_by_content_and_by_suffix(tmp_path):
    data = to_bytes(build_film())
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "IM0001").write_bytes(data)
    (tmp_path / "b.dcm").write_bytes(b"")
    (tmp_path / "a.PNG").write_bytes(b"broken")
    (tmp_path / "labels.csv").write_text("image,annotator\n")
    (tmp_path / ".hidden.dcm").write_bytes(data)
    found = discover([tmp_path])
    assert [path.name for path in found] == ["a.PNG", "b.dcm", "IM0001"]
    assert found == sorted(found)


def test_named_files_are_kept_and_counted_once(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "film.dcm").write_bytes(to_bytes(build_film()))
    missing = tmp_path / "missing.dcm"
    found = discover([tmp_path / "notes.txt", tmp_path, tmp_path / "film.dcm", missing])
    assert found == [tmp_path / "film.dcm", missing, tmp_path / "notes.txt"]


def test_loops_of_links_end(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "film.dcm").write_bytes(to_bytes(build_film()))
    (tmp_path / "inside" / "loop").symlink_to(tmp_path)
    assert [path.name for path in discover([tmp_path])] == ["film.dcm"]


def test_folders_and_broken_links_are_no_films(tmp_path):
    (tmp_path / "folder.dcm").mkdir()
    (tmp_path / "gone.dcm").symlink_to(tmp_path / "nowhere")
    assert not is_film_file(tmp_path / "folder.dcm")
    assert not is_film_file(tmp_path / "gone.dcm")
    assert discover([tmp_path]) == []

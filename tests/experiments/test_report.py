import pathlib
from collections.abc import Callable

import pytest
import report_folders


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return report_folders.studies(tmp_path_factory.mktemp("report") / "run")


def test_it_writes_page_and_card_and_replaces_older_ones(
    folder: pathlib.Path, start: Callable, tmp_path: pathlib.Path
) -> None:
    output, card = tmp_path / "new" / "report.html", tmp_path / "card.md"
    card.write_text("older")
    flags = (f"--run={folder}", f"--output={output}", f"--card={card}", "--title=A <title>")
    done = start("experiments.report", *flags)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"report: {output}, model card: {card}"]
    assert "<title>A &lt;title&gt;</title>" in output.read_text()
    assert card.read_text().startswith("# Model card: A &lt;title&gt;")
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]
    output.write_text("older")
    assert start("experiments.report", *flags).returncode == 0
    assert output.read_text().startswith("<!doctype html>")


def test_wrong_flags_are_told_in_one_line(folder: pathlib.Path, start_many: Callable, tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").mkdir()
    films = report_folders.data(tmp_path / "films", "films", ["P1"])
    output = f"--output={tmp_path / 'report.html'}"
    lines = {
        "--output must have a value": [f"--run={folder}"],
        "neither an evaluation": [f"--run={tmp_path / 'empty'}", output],
        "is not a folder": [f"--run={tmp_path / 'none'}", output],
        "--training:": [f"--run={folder}", output, f"--training={tmp_path / 'empty'}"],
        "--output is a file": [f"--run={folder}", f"--output={tmp_path}"],
        "'/proc/x.html' cannot be written": [f"--run={folder}", "--output=/proc/x.html"],
        "cannot be written: Not a directory": [f"--run={folder}", f"--output={folder / 'summary.json' / 'x.html'}"],
        "--card is a file": [f"--run={folder}", output, "--card=/dev/null"],
        "--data: ": [f"--run={folder}", output, f"--data={films}"],
        "two files": [f"--run={folder}", output, f"--card={tmp_path / 'report.html'}"],
        "unexpected argument": [f"--run={folder}", output, "more"],
    }
    for (expected, _), (status, _, error) in zip(
        lines.items(), start_many("experiments.report", list(lines.values())), strict=True
    ):
        assert status == 2, error
        assert expected in error
        assert "Traceback" not in error
    assert not (tmp_path / "report.html").exists()


def test_a_damaged_run_ends_with_status_1(start_many: Callable, tmp_path: pathlib.Path) -> None:
    run = report_folders.training(tmp_path / "run", "deformity")
    (run / "run.json").write_text("{")
    output = tmp_path / "report.html"
    status, _, error = start_many("experiments.report", [[f"--run={run}", f"--output={output}"]])[0]
    assert status == 1
    assert error.count("\n") == 1
    assert "run.json' is damaged" in error
    assert not output.exists()


def test_a_damaged_table_ends_with_status_1(start_many: Callable, tmp_path: pathlib.Path) -> None:
    run = report_folders.studies(tmp_path / "run")
    (run / "studies.csv").write_text("study,outcome,risk\nS1,1,abc\n")
    status, _, error = start_many("experiments.report", [[f"--run={run}", f"--output={tmp_path / 'report.html'}"]])[0]
    assert status == 1
    assert error.count("\n") == 1
    assert "studies.csv' is damaged: row 2, column 'risk'" in error

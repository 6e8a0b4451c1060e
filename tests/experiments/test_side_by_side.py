import sys
import time

import pytest

from experiments import side_by_side
from raspine import program


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_lines_stand_under_the_name_of_their_command(capsys: pytest.CaptureFixture[str]) -> None:
    side_by_side.run({"one": python("print('a'); print('b')"), "three": python("print('c')")})
    assert sorted(capsys.readouterr().out.splitlines()) == ["one   | a", "one   | b", "three | c"]


def test_a_bar_that_redraws_itself_is_shown_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    bar = "import sys\nfor i in range(50): sys.stderr.write(f'\\r{i} of 50')\nsys.stderr.write('\\n')"
    side_by_side.run({"bar": python(bar)})
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "bar | 49 of 50"
    assert len(lines) < 10


def test_when_one_fails_the_others_end() -> None:
    began = time.monotonic()
    with pytest.raises(program.NothingDone, match="bad ended with status 3"):
        side_by_side.run({"bad": python("raise SystemExit(3)"), "long": python("import time; time.sleep(60)")})
    assert time.monotonic() - began < 30

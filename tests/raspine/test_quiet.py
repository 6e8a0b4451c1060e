import pathlib
import subprocess
import sys

TALK = """
import sys
import experiments
import tensorflow
print("later", file=sys.stderr)
print(tensorflow.constant(1).numpy())
"""


def test_tensorflow_is_imported_without_a_word_and_later_words_are_heard() -> None:
    done = subprocess.run([sys.executable, "-c", TALK], capture_output=True, text=True, check=True)
    assert done.stderr == "later\n"
    assert done.stdout == "1\n"


def test_an_import_that_fails_still_says_why(tmp_path: pathlib.Path) -> None:
    code = "import sys, experiments; sys.path.insert(0, sys.argv[1]); import tensorflow"
    broken = "raise RuntimeError('broken on purpose')"
    package = tmp_path / "tensorflow"
    package.mkdir()
    (package / "__init__.py").write_text(broken)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "broken on purpose" in done.stderr

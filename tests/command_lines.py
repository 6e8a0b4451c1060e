"""Runs a program with one command line after the other, and prints status, output and errors of each as JSON.

    python command_lines.py MODULE LINES

LINES: JSON, a list of lists of arguments.
"""

import contextlib
import importlib
import io
import json
import sys

from absl import flags
from absl.testing import flagsaver

program = importlib.import_module(sys.argv[1])
results = []
for arguments in json.loads(sys.argv[2]):
    sys.argv = [program.__name__, *arguments]
    out, err = io.StringIO(), io.StringIO()
    with flagsaver.flagsaver(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        flags.FLAGS.unparse_flags()
        try:
            program.run()
        except SystemExit as end:
            results.append((end.code, out.getvalue(), err.getvalue()))
print(json.dumps(results))

"""Hostile input for every reader of outside bytes: what breaks a reader is kept, and reported in one line.

`python tests/fuzz --minutes=30` runs it; it is no part of `make test`. test_seeds.py is, and replays what once failed.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The tiny films and studies of the other tests are the seeds here. Not `python -m tests.fuzz`: tf-keras-vis installs a
# package called tests, which goes before a folder of that name.
for place in (ROOT / "tests" / "raspine" / "dicom", ROOT / "tests", ROOT):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

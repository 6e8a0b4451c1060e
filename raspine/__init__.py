"""raspine: the cervical spine in rheumatoid arthritis, read from radiographs and MRI. Research use only."""

import os

__version__ = "0.1.0"

# TensorFlow greets on stderr with what it was compiled for; it must be told before its first import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

"""raspine: the cervical spine in rheumatoid arthritis, read from radiographs and MRI. Research use only."""

__version__ = "0.1.0"

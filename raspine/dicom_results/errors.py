"""The one error of this package."""


class ResultError(ValueError):
    """A result cannot become a DICOM object; the message is one line and holds nothing that identifies anybody."""

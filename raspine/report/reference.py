"""What the model's points are compared with: annotators, or the exact points of a phantom."""

from collections.abc import Mapping

from raspine.report import gather

_EXACT = ["exact"]
CONSENSUS, EXACT = "consensus", "exact points"


def is_exact(run: gather.Run) -> bool:
    """Returns whether the data's only annotator is a phantom's own, named `exact`."""
    options = run.data.get("options")
    return isinstance(options, Mapping) and options.get("annotators") == _EXACT


def name(run: gather.Run, annotated: str = CONSENSUS) -> str:
    """Returns the reference for people.

    Args:
      run: as read.
      annotated: what it is called where people annotated.
    """
    return EXACT if is_exact(run) else annotated

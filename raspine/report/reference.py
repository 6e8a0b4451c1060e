"""What the model's points are compared with: annotators, or the exact points of a phantom."""

from raspine.report import gather

CONSENSUS, EXACT = "consensus", "exact points"


def name(run: gather.Run, annotated: str = CONSENSUS) -> str:
    """Returns the reference for people.

    Args:
      run: as read.
      annotated: what it is called where people annotated.
    """
    return EXACT if run.exact else annotated

"""The flag --model: a model directory, or status 2."""

from raspine import landmarker, program


def load(folder: str) -> landmarker.Landmarker:
    """Returns the landmark model in a folder.

    Raises:
      UsageError: the folder is not a model directory, or a damaged one.
    """
    try:
        return landmarker.load(folder)
    except (ValueError, OSError) as error:
        raise program.UsageError(f"--model: {error}") from error

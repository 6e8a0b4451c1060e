"""The flag --thresholds: other limits for a schema's distances."""

import math
from collections.abc import Sequence

from raspine import landmarks, program

HELP = "NAME=MM, ... : other thresholds, e.g. adi=3.0,sac=13.0."


def apply(schema: landmarks.Schema, given: Sequence[str]) -> landmarks.Schema:
    """Returns the schema with the thresholds that the user gave as NAME=MM.

    Raises:
      UsageError: one is no NAME=MM, names no distance of the schema or is not above 0.
    """
    thresholds = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            thresholds[name.strip()] = float(number)
        except ValueError:
            raise program.UsageError(f"--thresholds is NAME=MM,... Received: '{text}'.") from None
    if not all(map(math.isfinite, thresholds.values())):
        raise program.UsageError(f"--thresholds are finite numbers of mm. Received: {','.join(given)}.")
    try:
        return schema.with_thresholds(thresholds)
    except landmarks.SchemaError as error:
        raise program.UsageError(f"--thresholds: {error}") from error

"""JSON that comes from outside: whatever is wrong with it is a ValueError."""

import json
from typing import Any

from raspine import quoting


def parse(text: str | bytes) -> Any:
    """Returns the value of a JSON text.

    Raises:
      ValueError: it is no JSON, no UTF-8, holds a number of thousands of digits, or nests too deep for Python.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its values are nested too deep") from error
    except ValueError as error:
        raise ValueError(quoting.line(error)) from error

"""JSON that comes from outside: whatever is wrong with it is a ValueError."""

import json
import pathlib
from typing import Any

from raspine import quoting

MAX_BYTES = 1 << 24


def read(path: pathlib.Path) -> Any:
    """Returns the value in a JSON file.

    Raises:
      OSError: the file cannot be read.
      ValueError: it has more than MAX_BYTES, or see `parse`.
    """
    with path.open("rb") as stream:
        text = stream.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return parse(text)


def parse(text: str | bytes) -> Any:
    """Returns the value of a JSON text.

    Raises:
      ValueError: it is no JSON, no UTF-8, holds a number of thousands of digits, or nests too deep for Python.
    """
    try:
        # json itself would take UTF-16 and UTF-32 too.
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise ValueError("its values are nested too deep") from error
    except ValueError as error:
        raise ValueError(quoting.line(error)) from error

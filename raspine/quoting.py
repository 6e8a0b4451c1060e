"""How a message shows what was received: short, printable and in one line, whatever came from outside."""

import itertools


def received(value: object, limit: int = 40) -> str:
    """Returns a value in quotes; it ends at the first unprintable character, or at `limit` characters and "..."."""
    line = "".join(itertools.takewhile(str.isprintable, str(value)))
    return f"'{line[:limit]}...'" if len(line) > limit else f"'{line}'"


def line(text: object, limit: int = 200) -> str:
    """Returns the text of another library's error as one printable line of at most `limit` characters."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return " ".join(plain.split())[:limit]

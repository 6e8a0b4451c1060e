"""CSV and JSON spoiled cell by cell and value by value."""

import json
import random
from typing import Any

from fuzz.mutation import numbers

_DEEP = 100_000


def csv(data: bytes, rng: random.Random) -> bytes:
    """Returns a CSV file spoiled in one way."""
    text = data.decode("utf-8", "replace")
    kind = rng.randrange(10)
    if kind == 0:
        return text.encode(rng.choice(("utf-16", "utf-8-sig", "latin-1", "cp1252", "utf-32")), "replace")
    if kind == 1:
        return text.replace("\n", rng.choice(("\r", "\r\n", "\n\n", "\x0b", "\u2028"))).encode("utf-8", "replace")
    if kind == 2:
        return text.replace(",", rng.choice((";", "\t", ",,", "|"))).encode("utf-8", "replace")
    rows = [line.split(",") for line in text.split("\n")]
    row = rng.choice(rows)
    cell = rng.randrange(len(row))
    if kind <= 6:
        row[cell] = rng.choice((numbers.text(rng), '"', '"a,b"', '"a\nb"', "\0", '""', "a" * 200_000, "9" * 5000))
    elif kind == 7:
        row[cell : cell + 1] = rng.choice(([], [row[cell]] * 2, [""] * 20_000))
    elif kind == 8:
        rows.insert(rng.randrange(len(rows) + 1), list(rng.choice(rows)))
    else:
        rng.shuffle(rows)
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "replace")


def json_text(data: bytes, rng: random.Random) -> bytes:
    """Returns a JSON document with one value changed, removed, doubled or buried."""
    if rng.random() < 0.15:
        return _raw(data, rng)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return numbers.spoil(data, rng)
    found = list(places(document))
    if not found:
        return json.dumps(json_value(rng)).encode()
    holder, key = rng.choice(found)
    if rng.random() < 0.2:
        del holder[key]
    else:
        holder[key] = json_value(rng)
    return json.dumps(document).encode("utf-8", "replace")


def json_value(rng: random.Random) -> Any:
    """Returns some value that JSON, or Python's reading of it, can hold."""
    kind = rng.randrange(9)
    if kind == 0:
        return rng.choice(numbers.WHOLE)
    if kind == 1:
        return rng.choice((0.5, -1.0, 1e308, float("nan"), float("inf"), float("-inf")))
    if kind == 2:
        return numbers.text(rng)
    if kind == 3:
        return rng.choice((None, True, False))
    if kind == 4:
        return [json_value(rng) for _ in range(rng.randrange(4))]
    if kind == 5:
        return {rng.choice(("name", "x", "", "count", "1")): json_value(rng) for _ in range(rng.randrange(3))}
    if kind == 6:
        value: Any = rng.choice((1, [], {}))
        for _ in range(rng.choice((1, 30, 900))):
            value = [value] if rng.random() < 0.5 else {"a": value}
        return value
    return rng.choice(([], {}, "", [[]], [None], 10**30, [0] * 50, "a" * 3000))


def _raw(data: bytes, rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        return b"[" * _DEEP + b"]" * _DEEP
    if kind == 1:
        return b'{"a":' * _DEEP
    if kind == 2:
        return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-8-sig", "utf-32")))
    if kind == 3:
        return b"9" * 10_000
    if kind == 4:
        return data[: rng.randrange(len(data) + 1)]
    return numbers.spoil(data, rng)


def places(value: Any) -> Any:
    """Yields (list or dict, key) of every value inside a document."""
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from places(inner)

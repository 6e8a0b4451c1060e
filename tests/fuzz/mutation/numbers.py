"""Values that break readers: numbers at the ends of their types, text that is nearly a number, junk."""

import random

WHOLE = (
    0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 64, 127, 128, 255, 256, 257, 1024, 4096, 20_000, 20_001, 32767,
    32768, 65534, 65535, 65536, 1_000_000, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63,
    1 << 64, -1, -2, -128, -32768, -(1 << 31), -(1 << 63),
)  # fmt: skip
FRACTIONS = ("0.143", "1e-5", "-0.2", "1e308", "-1e308", "1e400", "nan", "NaN", "inf", "-inf", "-0", "0.0", "1e-320")
JUNK = (
    "", " ", "0", "1", "-1", "1\\2", "0\\0", "1\\", "\\\\\\", "x", "Nobody^X", "1,5", "1.5.2", "0x10",
    "1_000", "\u0663", "\u00b2", "1e", "+-1", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "\x00", "\r\n", "a\nb", "None", "true", "=1+1", "@SUM(A1)", "../../etc", "/dev/zero", "\u202e", "\ufeff1", "1 2",
)  # fmt: skip


def text(rng: random.Random) -> str:
    """Returns something that a number or a word might be written as."""
    kind = rng.randrange(5)
    if kind == 0:
        return str(rng.choice(WHOLE))
    if kind == 1:
        return rng.choice(FRACTIONS)
    if kind == 2:
        return "\\".join(rng.choice((*JUNK, *FRACTIONS)) for _ in range(rng.choice((2, 3, 6, 7, 40))))
    if kind == 3:
        return rng.choice(("9", "1", "A", "A ", "\u00e4", "\\", "1\\")) * rng.choice((17, 65, 1025, 5000, 70_000))
    return rng.choice(JUNK)


def spoil(data: bytes, rng: random.Random) -> bytes:
    """Changes, cuts, doubles or moves a few bytes."""
    if not data:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice((1, 1, 2, 4, 8, 64, 1024)))
    kind = rng.randrange(6)
    if kind == 0:
        return data[:start]
    if kind == 1:
        return data[:start] + data[end:]
    if kind == 2:
        return data[:end] + data[start:end] * rng.choice((1, 2, 30)) + data[end:]
    if kind == 3:
        return data[:start] + bytes(rng.randrange(256) for _ in range(end - start)) + data[end:]
    if kind == 4:
        size = rng.choice((1, 2, 4, 8))
        value = rng.choice(WHOLE) % (1 << (8 * size))
        return data[:start] + value.to_bytes(size, rng.choice(("little", "big"))) + data[start + size :]
    return data[:start] + bytes((data[start] ^ (1 << rng.randrange(8)),)) + data[start + 1 :]

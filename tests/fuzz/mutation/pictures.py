"""PNG, JPEG, JPEG-LS, JPEG 2000 and RLE streams spoiled where they say how large they are and how they go on."""

import random
import struct
import zlib

from fuzz.mutation import numbers

_PNG = b"\x89PNG\r\n\x1a\n"
_SIDES = (0, 1, 2, 37, 48, 1000, 16384, 20_000, 20_001, 65535, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Returns a picture spoiled in one way."""
    if rng.random() < 0.2:
        return numbers.spoil(data, rng)
    if data.startswith(_PNG):
        return _png(data, rng)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data, rng)
    if b"\xff\x4f\xff\x51" in data[:200]:
        return _jpeg2000(data, rng)
    if len(data) > 64 and struct.unpack_from("<I", data)[0] in (1, 2, 3, 6):
        return _rle(data, rng)
    return numbers.spoil(data, rng)


def _png(data: bytes, rng: random.Random) -> bytes:
    chunks = _chunks(data)
    if not chunks:
        return numbers.spoil(data, rng)
    kind = rng.randrange(6)
    if kind == 0:
        sides = struct.pack(">II", rng.choice(_SIDES), rng.choice(_SIDES))
        chunks[0] = (chunks[0][0], sides + chunks[0][1][8:])
    elif kind == 1:
        head = bytearray(chunks[0][1].ljust(13, b"\0"))
        head[8 + rng.randrange(5)] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
        chunks[0] = (chunks[0][0], bytes(head))
    elif kind == 2:
        bomb = zlib.compress(b"\0" * rng.choice((10, 1 << 16, 1 << 22)), 9)
        name, start = rng.choice(((b"IDAT", b""), (b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0")))
        chunks.insert(rng.randrange(1, len(chunks) + 1), (name, start + bomb))
    elif kind == 3:
        place = rng.randrange(len(chunks))
        chunks[place] = (chunks[place][0], numbers.spoil(chunks[place][1], rng))
    elif kind == 4:
        rng.shuffle(chunks)
    else:
        extra = rng.choice(
            ((b"PLTE", b"\1\2\3" * 300), (b"tRNS", b"\0" * 5), (b"gAMA", b"\0" * 4), (b"acTL", b"\xff" * 8))
        )
        chunks.insert(rng.randrange(1, len(chunks) + 1), extra)
    return _PNG + b"".join(_chunk(name, value) for name, value in chunks)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        if place + 12 + length > len(data):
            break
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def _chunk(name: bytes, value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + name + value + struct.pack(">I", zlib.crc32(name + value))


def _jpeg(data: bytes, rng: random.Random) -> bytes:
    """Spoils one marker segment, as JPEG and JPEG-LS have them."""
    segments, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        end = place + 2 + struct.unpack_from(">H", data, place + 2)[0]
        segments.append(data[place:end])
        place = end
    rest = data[place:]
    if not segments:
        return numbers.spoil(data, rng)
    chosen = rng.randrange(len(segments))
    kind = rng.randrange(5)
    frames = [n for n, one in enumerate(segments) if one[1] in (*range(0xC0, 0xC4), 0xF7) and len(one) > 10]
    if kind == 0 and frames:
        one = bytearray(segments[frames[0]])
        at, size = rng.choice(((4, 1), (5, 2), (7, 2), (9, 1), (11, 1)))
        one[at : at + size] = (rng.choice(_SIDES) & ((1 << 8 * size) - 1)).to_bytes(size, "big")
        segments[frames[0]] = bytes(one)
    elif kind == 1:
        segments[chosen] = segments[chosen][:4] + numbers.spoil(segments[chosen][4:], rng)
    elif kind == 2:
        del segments[chosen]
    elif kind == 3:
        segments.insert(rng.randrange(len(segments) + 1), segments[chosen])
    else:
        rest = numbers.spoil(rest, rng)
    return data[:2] + b"".join(segments) + rest


def _jpeg2000(data: bytes, rng: random.Random) -> bytes:
    """Spoils a field of the SIZ segment, or what follows it."""
    start = data.index(b"\xff\x4f\xff\x51")
    if rng.random() < 0.4:
        return data[: start + 40] + numbers.spoil(data[start + 40 :], rng)
    at, size = rng.choice(
        (*((start + 8 + 4 * n, 4) for n in range(8)), (start + 40, 2), (start + 42, 1), (start + 43, 1))
    )
    return data[:at] + (rng.choice(_SIDES) & ((1 << 8 * size) - 1)).to_bytes(size, "big") + data[at + size :]


def _rle(data: bytes, rng: random.Random) -> bytes:
    """Spoils the RLE header's offsets, or makes runs that go on too long."""
    if rng.random() < 0.5:
        at = 4 * rng.randrange(16)
        return data[:at] + struct.pack("<I", rng.choice(numbers.WHOLE) & 0xFFFFFFFF) + data[at + 4 :]
    return data[:64] + b"\x81\0" * rng.choice((1, 100, 20_000)) + data[64:]

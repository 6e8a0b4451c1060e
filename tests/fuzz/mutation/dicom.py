"""DICOM files spoiled tag by tag: values, representations, lengths, sequences, fragments, codestreams."""

import dataclasses
import random
import struct
import zlib
from collections.abc import Callable

from fuzz.mutation import numbers, pictures

_PREAMBLE = 132
_LONG = (b"OB", b"OW", b"OD", b"OF", b"OL", b"OV", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_ALL = (
    *_LONG, b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
    b"SS", b"ST", b"TM", b"UI", b"UL", b"US", b"??", b"\0\0",
)  # fmt: skip
_UNDEFINED = 0xFFFFFFFF
_PIXELS = (0x7FE0, 0x0010)
_SYNTAXES = [
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{last}" for last in (50, 51, 57, 70, 80, 81, 90, 91, 100, 201, 202, 203)), "1.2.3.4",
    "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.99", "",
]  # fmt: skip
# Tags that readers look at, with a value representation.
_INTERESTING = {
    (0x0008, 0x0008): b"CS", (0x0008, 0x0016): b"UI", (0x0008, 0x0060): b"CS", (0x0008, 0x0068): b"CS",
    (0x0008, 0x103E): b"LO", (0x0010, 0x0020): b"LO", (0x0018, 0x0020): b"CS", (0x0018, 0x0050): b"DS",
    (0x0018, 0x0080): b"DS", (0x0018, 0x0081): b"DS", (0x0018, 0x0082): b"DS", (0x0018, 0x1110): b"DS",
    (0x0018, 0x1111): b"DS", (0x0018, 0x1114): b"DS", (0x0018, 0x1164): b"DS", (0x0018, 0x2010): b"DS",
    (0x0018, 0x5101): b"CS", (0x0018, 0x9087): b"FD", (0x0020, 0x000D): b"UI", (0x0020, 0x000E): b"UI",
    (0x0020, 0x0012): b"IS", (0x0020, 0x0013): b"IS", (0x0020, 0x0020): b"CS", (0x0020, 0x0032): b"DS",
    (0x0020, 0x0037): b"DS", (0x0020, 0x0062): b"CS", (0x0020, 0x0100): b"IS", (0x0020, 0x1041): b"DS",
    (0x0028, 0x0002): b"US", (0x0028, 0x0004): b"CS", (0x0028, 0x0006): b"US", (0x0028, 0x0008): b"IS",
    (0x0028, 0x0010): b"US", (0x0028, 0x0011): b"US", (0x0028, 0x0030): b"DS", (0x0028, 0x0034): b"IS",
    (0x0028, 0x0100): b"US", (0x0028, 0x0101): b"US", (0x0028, 0x0102): b"US", (0x0028, 0x0103): b"US",
    (0x0028, 0x0120): b"US", (0x0028, 0x0121): b"US", (0x0028, 0x0301): b"CS", (0x0028, 0x0A02): b"CS",
    (0x0028, 0x1050): b"DS", (0x0028, 0x1051): b"DS", (0x0028, 0x1052): b"DS", (0x0028, 0x1053): b"DS",
    (0x0028, 0x1056): b"CS", (0x2050, 0x0020): b"CS", (0x7FE0, 0x0001): b"OV", (0x7FE0, 0x0002): b"OV",
    (0x7FE0, 0x0008): b"OF",
}  # fmt: skip
_SEQUENCES = (
    (0x0028, 0x3000), (0x0028, 0x3010), (0x5200, 0x9229), (0x5200, 0x9230), (0x0054, 0x0220), (0x0018, 0x9006),
    (0x0008, 0x1140), (0x0009, 0x0010),
)  # fmt: skip


@dataclasses.dataclass
class Element:
    """One element as it stands in the file, its length possibly a lie."""

    tag: tuple[int, int]
    vr: bytes
    value: bytes
    length: int | None = None


@dataclasses.dataclass
class _File:
    start: bytes
    meta: list[Element]
    body: list[Element]
    order: str = "<"
    implicit: bool = False
    deflated: bool = False
    rest: bytes = b""


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Returns a DICOM file spoiled in one way; other bytes are returned as they are."""
    file = _parsed(data)
    if file is None or not file.body:
        return numbers.spoil(data, rng)
    chosen = rng.choices(_OPERATIONS, _WEIGHTS)[0]
    chosen(file, rng)
    written = _written(file)
    if rng.random() < 0.05:
        return written[: rng.randrange(len(written) + 1)]
    return written


def split(data: bytes) -> tuple[str, bytes] | None:
    """Returns the transfer syntax of a DICOM file and its data set, still encoded; None for other bytes."""
    if data[128:132] != b"DICM":
        return None
    meta, place = _elements(data, _PREAMBLE, "<", False, until=2)
    return _declared(meta), data[place:]


def _declared(meta: list[Element]) -> str:
    return next((one.value for one in meta if one.tag == (2, 0x10)), b"").rstrip(b"\0 ").decode("latin-1")


def _parsed(data: bytes) -> _File | None:
    if data[128:132] != b"DICM":
        return None
    meta, place = _elements(data, _PREAMBLE, "<", False, until=2)
    syntax = _declared(meta)
    file = _File(data[:_PREAMBLE], meta, [])
    body = data[place:]
    if syntax.endswith(".1.99"):
        try:
            body, file.deflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, 1 << 24), True
        except zlib.error:
            return None
    file.order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    file.implicit = syntax == "1.2.840.10008.1.2"
    file.body, end = _elements(body, 0, file.order, file.implicit)
    file.rest = body[end:]
    return file


def _elements(
    data: bytes, place: int, order: str, implicit: bool, until: int | None = None
) -> tuple[list[Element], int]:
    found = []
    while place + 8 <= len(data):
        tag = struct.unpack_from(f"{order}HH", data, place)
        if until is not None and tag[0] != until:
            break
        vr, length, head = _head(data, place, order, implicit)
        start = place + head
        if length == _UNDEFINED:
            end = _delimited(data, start, order)
            found.append(Element(tag, vr, data[start:end], length))
        else:
            end = start + length
            if end > len(data):
                break
            found.append(Element(tag, vr, data[start:end]))
        place = end
    return found, place


def _head(data: bytes, place: int, order: str, implicit: bool) -> tuple[bytes, int, int]:
    vr = data[place + 4 : place + 6]
    if implicit or not vr.isalpha():
        return b"", struct.unpack_from(f"{order}I", data, place + 4)[0], 8
    if vr in _LONG:
        if place + 12 > len(data):
            return vr, 0, 12
        return vr, struct.unpack_from(f"{order}I", data, place + 8)[0], 12
    return vr, struct.unpack_from(f"{order}H", data, place + 6)[0], 8


def _delimited(data: bytes, place: int, order: str) -> int:
    """Returns where a value of undefined length ends, its delimiter included."""
    found = data.rfind(struct.pack(f"{order}HH", 0xFFFE, 0xE0DD), place)
    return len(data) if found < 0 else min(found + 8, len(data))


def _written(file: _File) -> bytes:
    meta = b"".join(_encoded(one, "<", False) for one in file.meta)
    body = b"".join(_encoded(one, file.order, file.implicit) for one in file.body) + file.rest
    if file.deflated:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = deflater.compress(body) + deflater.flush()
    return file.start + meta + body


def _encoded(one: Element, order: str, implicit: bool) -> bytes:
    length = len(one.value) if one.length is None else one.length
    head = struct.pack(f"{order}HH", *one.tag)
    if implicit or not one.vr:
        return head + struct.pack(f"{order}I", length & 0xFFFFFFFF) + one.value
    if one.vr in _LONG:
        return head + one.vr + b"\0\0" + struct.pack(f"{order}I", length & 0xFFFFFFFF) + one.value
    if one.length is None and len(one.value) > 0xFFFF:
        one = dataclasses.replace(one, value=one.value[:0xFFFE])
        length = len(one.value)
    return head + one.vr + struct.pack(f"{order}H", length & 0xFFFF) + one.value


def _some(file: _File, rng: random.Random) -> Element:
    return rng.choice(file.meta if file.meta and rng.random() < 0.1 else file.body)


def _value(file: _File, rng: random.Random) -> None:
    """Gives an element another value of its own kind."""
    one = _some(file, rng)
    one.value, one.length = _junk(one.vr, file.order, rng), None


def _junk(vr: bytes, order: str, rng: random.Random) -> bytes:
    if vr in (b"US", b"SS", b"OW"):
        return b"".join(struct.pack(f"{order}H", rng.choice(numbers.WHOLE) & 0xFFFF) for _ in range(rng.choice((1, 3))))
    if vr in (b"UL", b"SL", b"FL", b"AT"):
        return struct.pack(f"{order}I", rng.choice(numbers.WHOLE) & 0xFFFFFFFF)
    if vr in (b"FD", b"OV"):
        value = rng.choice((0.0, -1.0, 1e308, float("nan"), float("inf"), 1.0))
        return struct.pack(f"{order}d", value) * rng.choice((1, 1, 3))
    if rng.random() < 0.1:
        return rng.randbytes(rng.choice((1, 2, 3, 8, 16)))
    text = numbers.text(rng).encode(rng.choice(("utf-8", "latin-1", "utf-16")), "replace")
    return text + b" " * (len(text) % 2)


def _interesting(file: _File, rng: random.Random) -> None:
    """Sets a tag that readers look at."""
    tag, vr = rng.choice(list(_INTERESTING.items()))
    value = _junk(vr, file.order, rng)
    for one in file.body:
        if one.tag == tag:
            one.value, one.length = value, None
            return
    _insert(file, Element(tag, vr, value))


def _insert(file: _File, element: Element) -> None:
    file.body.append(element)
    file.body.sort(key=lambda one: one.tag)


def _syntax(file: _File, rng: random.Random) -> None:
    """Declares another transfer syntax."""
    for one in file.meta:
        if one.tag == (2, 0x10):
            text = rng.choice(_SYNTAXES).encode()
            one.value = text + b"\0" * (len(text) % 2)


def _representation(file: _File, rng: random.Random) -> None:
    one = _some(file, rng)
    one.vr = rng.choice(_ALL)


def _length(file: _File, rng: random.Random) -> None:
    """Lies about a length."""
    one = _some(file, rng)
    true = len(one.value)
    one.length = rng.choice((0, 1, true - 1, true + 1, true + 2, true // 2, 2 * true, 1 << 31, _UNDEFINED, 0xFFFE))


def _order(file: _File, rng: random.Random) -> None:
    """Removes, doubles or shuffles elements."""
    kind, place = rng.randrange(4), rng.randrange(len(file.body))
    if kind == 0:
        del file.body[place]
    elif kind == 1:
        file.body.insert(rng.randrange(len(file.body)), dataclasses.replace(file.body[place]))
    elif kind == 2:
        rng.shuffle(file.body)
    else:
        file.meta = [one for one in file.meta if rng.random() < 0.6]


def _nested(file: _File, rng: random.Random) -> None:
    """Puts a sequence in, possibly thousands deep, possibly one that an MR or LUT reader expects."""
    depth = rng.choice((0, 1, 2, 40, 300, 1200, 3000))
    order = file.order
    value = b"".join(
        _encoded(Element(tag, vr, _junk(vr, order, rng)), order, file.implicit)
        for tag, vr in rng.sample(
            [*_INTERESTING.items(), ((0x28, 0x3002), b"US"), ((0x28, 0x3006), b"US")], rng.randrange(4)
        )
    )
    tag = rng.choice(_SEQUENCES)
    for _ in range(depth):
        value = _encoded(Element(tag, b"SQ", _item(value, order, rng)), order, file.implicit)
    count = rng.choice((1, 1, 1, 2, 200))
    file.body = [one for one in file.body if one.tag != tag]
    _insert(file, Element(tag, b"SQ", _item(value, order, rng) * count))


def _item(value: bytes, order: str, rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, _UNDEFINED) + value
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(value)) + value


def _lut(file: _File, rng: random.Random) -> None:
    """Puts a lookup table in whose descriptor and data may disagree."""
    order = file.order
    count = rng.choice((0, 1, 2, 256, 4096, 65535))
    shorts = [count, rng.choice((0, 1, 65535, 32768, 100)), rng.choice((0, 1, 8, 10, 12, 16, 17, 255))]
    descriptor = struct.pack(f"{order}3H", *shorts)[: rng.choice((6, 6, 6, 4, 2, 0))]
    data = rng.randbytes(2 * min(rng.choice((count, count, count // 2, 0, 3)), 5000))
    vr = rng.choice((b"US", b"OW", b"SS", b"UN", b"LO"))
    inside = _encoded(Element((0x28, 0x3002), rng.choice((b"US", b"SS", b"UN")), descriptor), order, file.implicit)
    inside += _encoded(Element((0x28, 0x3006), vr, data), order, file.implicit)
    tag = rng.choice(((0x0028, 0x3000), (0x0028, 0x3010)))
    file.body = [one for one in file.body if one.tag != tag]
    _insert(file, Element(tag, b"SQ", struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(inside)) + inside))


def _inside(file: _File, rng: random.Random) -> None:
    """Spoils bytes inside a sequence or another long value."""
    long = [one for one in file.body if len(one.value) > 16 and one.tag != _PIXELS] or file.body
    one = rng.choice(long)
    one.value = numbers.spoil(one.value, rng)


def _pixels(file: _File, rng: random.Random) -> None:
    """Spoils the pixels: their fragments, their offsets, or the compressed stream itself."""
    one = next((one for one in file.body if one.tag == _PIXELS), None)
    if one is None:
        return
    fragments = _fragments(one.value)
    if one.length != _UNDEFINED or not fragments:
        one.value = numbers.spoil(one.value, rng)
        return
    offsets, *parts = fragments
    kind = rng.randrange(7)
    if kind <= 2:
        parts = [pictures.mutate(b"".join(parts), rng)]
    elif kind == 3 and parts:
        whole = b"".join(parts)
        cut = sorted(rng.randrange(len(whole) + 1) for _ in range(rng.choice((1, 2, 9))))
        parts = [whole[a:b] for a, b in zip([0, *cut], [*cut, len(whole)], strict=True)]
    elif kind == 4:
        offsets = b"".join(struct.pack("<I", rng.choice(numbers.WHOLE) & 0xFFFFFFFF) for _ in range(rng.randrange(4)))
    elif kind == 5:
        parts = [part for part in parts if rng.random() < 0.5] + [b""] * rng.randrange(2)
    encoded = b"".join(_fragment(part, rng if kind == 6 else None) for part in (offsets, *parts))
    one.value = encoded + (b"" if rng.random() < 0.1 else struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))


def _fragments(value: bytes) -> list[bytes]:
    found, place = [], 0
    while place + 8 <= len(value):
        group, element, length = struct.unpack_from("<HHI", value, place)
        if (group, element) != (0xFFFE, 0xE000) or length > len(value):
            break
        found.append(value[place + 8 : place + 8 + length])
        place += 8 + length
    return found


def _fragment(part: bytes, rng: random.Random | None) -> bytes:
    length = len(part)
    if rng is not None:
        length = rng.choice((0, length + 1, length + 2, length // 2, 1 << 31, _UNDEFINED, length))
    return struct.pack("<HHI", 0xFFFE, 0xE000, length) + part


_OPERATIONS: tuple[Callable[[_File, random.Random], None], ...] = (
    _value, _interesting, _syntax, _representation, _length, _order, _nested, _lut, _inside, _pixels,
)  # fmt: skip
_WEIGHTS = (4, 8, 1, 2, 3, 2, 3, 2, 3, 6)

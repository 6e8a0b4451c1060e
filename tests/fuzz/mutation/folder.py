"""A folder of files as one string of bytes, since fuzzers know nothing else."""

import pathlib
import random
import struct
from collections.abc import Callable, Mapping

_MOST = 40  # files
Mutator = Callable[[bytes, random.Random], bytes]


def pack(files: Mapping[str, bytes]) -> bytes:
    """Returns the files one after the other: length of the name, name, length, content."""
    return b"".join(
        struct.pack("<H", len(name)) + name + struct.pack("<I", len(content)) + content
        for name, content in ((name.encode(), content) for name, content in files.items())
    )


def unpack(data: bytes) -> dict[str, bytes]:
    """Returns the files in some bytes as far as these go; names are made plain ones."""
    files: dict[str, bytes] = {}
    place = 0
    while place + 2 <= len(data) and len(files) < _MOST:
        (size,) = struct.unpack_from("<H", data, place)
        name = data[place + 2 : place + 2 + size].decode("latin-1")
        place += 2 + size
        if place + 4 > len(data):
            break
        (length,) = struct.unpack_from("<I", data, place)
        plain = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[:60].strip(".")
        files[plain or f"file{len(files)}"] = data[place + 4 : place + 4 + length]
        place += 4 + length
    return files


def write(data: bytes, folder: pathlib.Path) -> pathlib.Path:
    """Writes the files of some bytes into a folder that is made for them."""
    folder.mkdir(parents=True)
    for name, content in unpack(data).items():
        (folder / name).write_bytes(content)
    return folder


def mutator(spoil: Mutator | Mapping[str, Mutator]) -> Mutator:
    """Returns what spoils one or several files of a folder, leaves one out, or exchanges two.

    Args:
      spoil: for every file, or by the ending of its name.
    """

    def mutate(data: bytes, rng: random.Random) -> bytes:
        files = unpack(data)
        if not files:
            return data
        names = list(files)
        name = rng.choice(names)
        kind = rng.random()
        if kind < 0.05:
            del files[name]
        elif kind < 0.08:
            other = rng.choice(names)
            files[name], files[other] = files[other], files[name]
        else:
            alike = [one for one in names if kind > 0.9 or one == name]
            seed = rng.random()
            for one in alike:  # now and then the same change to all files, with which they still agree
                own = random.Random(seed)
                chosen = spoil if callable(spoil) else spoil[one.rpartition(".")[2]]
                files[one] = chosen(files[one], own)
        return pack(files)

    return mutate

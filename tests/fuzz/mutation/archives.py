"""Archives of weights: .keras (zip), .npz, .pth (zip of pickles), HDF5 and safetensors spoiled member by member."""

import io
import json
import random
import struct
import warnings
import zipfile

from fuzz.mutation import documents, numbers

_NAMES = ("config.json", "metadata.json", "model.weights.h5", "../evil", "/etc/evil", "a/b", "x.pkl", "", "assets/a")


def zipped(data: bytes, rng: random.Random) -> bytes:
    """Returns a zip with one member spoiled, renamed, doubled or blown up."""
    if rng.random() < 0.2:
        return numbers.spoil(data, rng)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            members = [(one.filename, source.read(one)) for one in source.infolist() if one.file_size < 1 << 24]
    except Exception:  # already spoiled
        return numbers.spoil(data, rng)
    if not members:
        return data
    place = rng.randrange(len(members))
    name, content = members[place]
    kind = rng.randrange(8)
    if kind <= 3:
        members[place] = (name, _spoiled(name, content, rng))
    elif kind == 4:
        members[place] = (rng.choice(_NAMES), content)
    elif kind == 5:
        members.insert(rng.randrange(len(members)), members[place])
    elif kind == 6:
        members[place] = (name, b" " * rng.choice((1 << 16, 1 << 24)) + content)
    else:
        del members[place]
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", rng.choice((0, 8, 8, 12, 14))) as target:
        warnings.simplefilter("ignore")  # of doubled names
        for name, content in members:
            target.writestr(zipfile.ZipInfo(name or "_"), content, target.compression)
    return out.getvalue()


def _spoiled(name: str, content: bytes, rng: random.Random) -> bytes:
    if name.endswith(".json"):
        return documents.json_text(content, rng)
    if name.endswith(".pkl"):
        return pickled(content, rng)
    return hdf5(content, rng) if name.endswith(".h5") else numbers.spoil(content, rng)


def pickled(data: bytes, rng: random.Random) -> bytes:
    """Returns a pickle that wants something else, such as a function of the system."""
    if rng.random() < 0.3:
        return b"cos\nsystem\n(S'true'\ntR."
    return numbers.spoil(data, rng)


def hdf5(data: bytes, rng: random.Random) -> bytes:
    """Returns an HDF5 file with some words overwritten: most of it is addresses and lengths."""
    for _ in range(rng.choice((1, 1, 4, 16))):
        if len(data) < 8:
            return data
        if rng.random() < 0.3:
            data = numbers.spoil(data, rng)
            continue
        at = rng.randrange(0, min(len(data) - 8, 1 << 14) + 1, 8 if rng.random() < 0.5 else 1)
        data = data[:at] + (rng.choice(numbers.WHOLE) & ((1 << 64) - 1)).to_bytes(8, "little") + data[at + 8 :]
    return data


def safetensors(data: bytes, rng: random.Random) -> bytes:
    """Returns a safetensors file with its header's JSON or its header's length spoiled."""
    if len(data) < 8 or rng.random() < 0.2:
        return numbers.spoil(data, rng)
    (length,) = struct.unpack_from("<Q", data)
    header, rest = data[8 : 8 + length], data[8 + length :]
    if rng.random() < 0.2:
        return struct.pack("<Q", rng.choice(numbers.WHOLE) & ((1 << 64) - 1)) + header + rest
    header = documents.json_text(header, rng)
    return struct.pack("<Q", len(header)) + header + rest


def card(data: bytes, rng: random.Random) -> bytes:
    """Returns a model's card with one value changed, or with a class or function of Python for a value."""
    if rng.random() < 0.9:
        return documents.json_text(data, rng)
    return json.dumps({"class_name": "Lambda", "module": "builtins", "registered_name": "eval"}).encode()

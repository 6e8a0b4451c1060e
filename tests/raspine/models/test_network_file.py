"""A .keras file that names other classes or files, or more weights than it holds, is refused before Keras opens it."""

import io
import json
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from raspine.models import network_file, weights_file
from raspine.models.network_file import CONFIGURATION, METADATA, WEIGHTS, NetworkFileError

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def network() -> keras.Model:
    images = keras.Input((8, 8, 1), name="image")
    maps = keras.layers.Conv2D(4, 3, name="conv", activation="relu")(images)
    return keras.Model(images, keras.layers.Dense(2, name="head")(maps))


@pytest.fixture(scope="module")
def sound(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Members:
    path = tmp_path_factory.mktemp("network") / "model.keras"
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        return {one.filename: archive.read(one) for one in archive.infolist()}


def write(folder: pathlib.Path, members: Members, compression: int = zipfile.ZIP_STORED) -> pathlib.Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def with_configuration(members: Members, change: Callable[[dict[str, Any]], object]) -> Members:
    """The members with the configuration changed: `change` gets it whole."""
    configuration = json.loads(members[CONFIGURATION])
    change(configuration)
    return {**members, CONFIGURATION: json.dumps(configuration).encode()}


def layer(configuration: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in configuration["config"]["layers"] if one["name"] == name)


def refusal(path: pathlib.Path) -> str:
    with pytest.raises(NetworkFileError) as caught:
        network_file.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_sound_file_gives_the_same_network(network: keras.Model, sound: Members, tmp_path: pathlib.Path) -> None:
    again = network_file.load(write(tmp_path, sound))
    images = np.random.default_rng(1).random((2, 8, 8, 1), np.float32)
    np.testing.assert_array_equal(again(images), network(images))


FOREIGN = {
    "Lambda": {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}},
    "a function of the system": {"module": "os", "class_name": "function", "config": "system"},
    "eval": {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
    "a SavedModel from a path": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/x"}},
    "pickled PyTorch": {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "x"}},
    "a vocabulary file": {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/x"}},
    "code as text": {"class_name": "__lambda__", "config": {"value": "x"}},
    "a type of TensorFlow": {"class_name": "__typespec__", "module": "os", "config": ["system"]},
    "another registered class": {"module": "keras.layers", "class_name": "ReLU", "registered_name": "other>Thing"},
    "a module that is no text": {"module": ["os"], "class_name": "ReLU"},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_class_that_no_network_of_raspine_has_is_refused(sound: Members, tmp_path: pathlib.Path, case: str) -> None:
    as_layer = with_configuration(sound, lambda found: found["config"]["layers"].append(FOREIGN[case]))
    as_value = with_configuration(sound, lambda found: layer(found, "conv")["config"].update(activation=FOREIGN[case]))
    for members in (as_layer, as_value):
        assert "could run code" in refusal(write(tmp_path, members))


def test_keras_saves_a_lambda_that_is_refused(tmp_path: pathlib.Path) -> None:
    images = keras.Input((4,))
    keras.Model(images, keras.layers.Lambda(lambda x: x)(images)).save(tmp_path / "model.keras")
    assert "could run code" in refusal(tmp_path / "model.keras")


def test_the_old_hdf5_format_is_refused_under_any_name(network: keras.Model, tmp_path: pathlib.Path) -> None:
    network.save(tmp_path / "model.h5")
    (tmp_path / "model.h5").rename(tmp_path / "model.keras")
    assert "no .keras file" in refusal(tmp_path / "model.keras")


def test_compressed_members_are_refused_whatever_they_would_grow_to(sound: Members, tmp_path: pathlib.Path) -> None:
    bomb = {**sound, CONFIGURATION: b" " * (1 << 24)}
    assert "compressed" in refusal(write(tmp_path, bomb, zipfile.ZIP_DEFLATED))


MEMBERS: dict[str, Callable[[Members], Members]] = {
    "a path out of the folder": lambda members: {**members, "../evil": b""},
    "an absolute path": lambda members: {**members, "/tmp/evil": b""},
    "assets": lambda members: {**members, "assets/vocabulary.txt": b""},
    "thousands": lambda members: {**members, **{f"m{number}": b"" for number in range(3000)}},
    "one too few": lambda members: {name: members[name] for name in (CONFIGURATION, METADATA)},
}


@pytest.mark.parametrize("case", MEMBERS)
def test_other_members_are_refused(sound: Members, tmp_path: pathlib.Path, case: str) -> None:
    assert "nothing else" in refusal(write(tmp_path, MEMBERS[case](sound)))


def test_a_member_twice_is_refused(sound: Members, tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, sound)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CONFIGURATION, b"{}")
    assert "nothing else" in refusal(path)


def test_a_link_among_the_members_is_refused(sound: Members, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sound.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == WEIGHTS else 0o600) << 16
            archive.writestr(info, content)
    assert "a link" in refusal(path)


def test_a_size_that_is_a_lie_is_refused(sound: Members, tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, sound)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")  # the last entry of the table of contents
    data[place + 24 : place + 28] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(data)
    assert "more bytes than the file has" in refusal(path)


SIZES = {"units": 1 << 30, "a little more": 3000, "none": 0, "a fraction": 1.5, "text": "9"}


@pytest.mark.parametrize("case", SIZES)
def test_a_layer_larger_than_the_weights_is_refused(sound: Members, tmp_path: pathlib.Path, case: str) -> None:
    members = with_configuration(sound, lambda found: layer(found, "conv")["config"].update(filters=SIZES[case]))
    assert "sizes are whole numbers" in (text := refusal(write(tmp_path, members))) or "bytes of them" in text


def test_a_layer_without_its_size_is_refused(sound: Members, tmp_path: pathlib.Path) -> None:
    members = with_configuration(sound, lambda found: layer(found, "head").pop("build_config"))
    assert "lacks its size" in refusal(write(tmp_path, members))


def test_json_that_is_none_or_too_deep_is_refused(sound: Members, tmp_path: pathlib.Path) -> None:
    for text in (b"", b"\xff", b"[" * 100_000, b"9" * 10_000, b"[]", b"{}"):
        refusal(write(tmp_path, {**sound, CONFIGURATION: text}))


def weights(fill: Callable[[h5py.File], object]) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    return stream.getvalue()


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("x", layout)


HDF5: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "a link to another file": (lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")), "links"),
    "a soft link": (lambda file: file.__setitem__("x", h5py.SoftLink("/y")), "links"),
    "numbers in another file": (
        lambda file: file.create_dataset("x", (4,), "f4", external=[("/etc/passwd", 0, 16)]),
        "other files",
    ),
    "a virtual dataset": (virtual, "other files"),
    "a compressed bomb": (lambda file: file.create_dataset("x", (1 << 20,), "f4", compression="gzip"), "compressed"),
    "numbers never written": (lambda file: file.create_dataset("x", (1 << 40,), "f4", chunks=(1024,)), "claims"),
    "objects": (lambda file: file.create_dataset("x", (1,), h5py.ref_dtype), "type"),
}


@pytest.mark.parametrize("case", HDF5)
def test_weights_that_point_elsewhere_or_claim_too_much_are_refused(
    sound: Members, tmp_path: pathlib.Path, case: str
) -> None:
    fill, word = HDF5[case]
    content = weights(fill)
    assert word in refusal(write(tmp_path, {**sound, WEIGHTS: content}))
    (tmp_path / "alone.h5").write_bytes(content)
    with pytest.raises(weights_file.WeightsFileError, match=word):
        weights_file.check(tmp_path / "alone.h5")


def damaged(place: int, number: int) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:place] + number.to_bytes(8, "little") + whole[place + 8 :]


def without_end(whole: bytes) -> bytes:
    """A heap of texts whose first object takes no room: HDF5 looks for its end for ever."""
    place = whole.index(b"GCOL") + 16
    return whole[:place] + bytes(16) + whole[place + 16 :]


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut": (lambda whole: whole[:200], "damaged: OSError"),
    "empty": (lambda whole: b"", "damaged: OSError"),
    "a driver's block of 4 GiB": (damaged(48, 31), "damaged: "),
    "a heap without end": (without_end, "reading it does not end"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_hdf5_file_is_one_line(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    change, reason = DAMAGED[case]
    whole = weights(lambda file: file.attrs.__setitem__("name", "conv1"))
    (tmp_path / "alone.h5").write_bytes(change(whole))
    monkeypatch.setattr(weights_file, "SECONDS", 4.0)
    with pytest.raises(weights_file.WeightsFileError, match=reason):
        weights_file.check(tmp_path / "alone.h5")


def test_a_file_is_looked_through_again_when_it_changed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "alone.h5"
    for size in (4, 6):
        path.write_bytes(weights(lambda file, size=size: file.create_dataset("x", data=np.ones(size, np.float32))))  # type: ignore[misc]
        assert weights_file.check(path) == weights_file.check(path) == 4 * size

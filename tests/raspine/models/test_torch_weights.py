import io
import pathlib
import re
import sys
import types
import zipfile

import hrnet_reference as reference
import keras
import numpy as np
import pytest
import safetensors.numpy

from raspine.models.hrnet import hrnet
from raspine.models.torch_weights import load_into, published_names, read_checkpoint

StateDict = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return hrnet(8, num_landmarks=4, input_shape=(None, None, 3), small=True)


@pytest.fixture(scope="module")
def state(model: keras.Model) -> StateDict:
    """A state dict for the small network, from its layers' kernels and channels in PyTorch's order."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            height, width, inputs, outputs = layer.kernel.shape
            shapes[f"{layer.name}.weight"] = (outputs, inputs, height, width)
        elif hasattr(layer, "gamma"):
            for entry in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{layer.name}.{entry}"] = tuple(layer.gamma.shape)
            shapes[f"{layer.name}.num_batches_tracked"] = ()
    shapes["final_layer.bias"] = (4,)
    return reference.state_dict(shapes)


@pytest.fixture
def untouched(model: keras.Model):  # type: ignore[no-untyped-def]
    before = model.get_weights()
    yield
    for value, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, weight)


def _images(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 32, 64, channels)).astype(np.float32)


def test_every_entry_is_placed(model: keras.Model, state: StateDict) -> None:
    placement = load_into(model, state)
    assert set(placement.placed) == {name for name in state if not name.endswith("num_batches_tracked")}
    assert placement.skipped == ()
    assert placement.adapted == {}
    expected = reference.heatmaps(state, _images())
    np.testing.assert_allclose(model(_images()), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("head", ["head.", "keypoint_head."])
def test_wrappers_and_mmpose_prefixes(model: keras.Model, state: StateDict, head: str) -> None:
    mmpose = {(head if name.startswith("final_layer") else "backbone.") + name: v for name, v in state.items()}
    for wrapped in (mmpose, {f"module.{name}": v for name, v in state.items()}):
        assert published_names(wrapped).keys() == load_into_names(model, wrapped)


def load_into_names(model: keras.Model, wrapped: StateDict) -> set[str]:
    return set(load_into(model, wrapped).placed)


def _imagenet(state: StateDict) -> StateDict:
    """As the published classifier's: other heads, and a last module that fuses every branch."""
    rest = {name: value for name, value in state.items() if not name.startswith("final_layer")}
    extra = (
        "incre_modules.0.0.conv1.weight",
        "downsamp_modules.0.0.bias",
        "classifier.weight",
        "final_layer.0.weight",
        "final_layer.1.running_var",
        "stage4.1.fuse_layers.1.0.0.0.weight",
        "stage4.1.fuse_layers.3.2.0.1.running_mean",
    )
    return rest | dict.fromkeys(extra, np.zeros(3, np.float32))


def test_a_classifier_is_left_out_when_told(model: keras.Model, state: StateDict) -> None:
    load_into(model, state)
    head = model.get_layer("final_layer").get_weights()
    changed = {name: value * 2 for name, value in state.items()}
    placement = load_into(model, _imagenet(changed), skip_head=True)
    assert len(placement.skipped) == 7
    assert not any(name.startswith("final_layer") for name in placement.placed)
    np.testing.assert_array_equal(model.get_layer("conv1").kernel, changed["conv1.weight"].transpose(2, 3, 1, 0))
    for before, after in zip(head, model.get_layer("final_layer").get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.usefixtures("untouched")
def test_a_classifier_fails_when_not_told(model: keras.Model, state: StateDict) -> None:
    with pytest.raises(ValueError, match=r"7 entries without a place in the model: classifier\.weight, .*skip_head"):
        load_into(model, _imagenet(state))


@pytest.mark.usefixtures("untouched")
def test_a_head_of_another_size(model: keras.Model, state: StateDict) -> None:
    other = state | {"final_layer.weight": np.zeros((17, 8, 1, 1)), "final_layer.bias": np.zeros(17)}
    message = re.escape(
        "2 entries of another shape: final_layer.bias (as a Keras weight (17,), the model's (4,)), "
        "final_layer.weight (as a Keras weight (1, 1, 8, 17), the model's (1, 1, 8, 4)) (skip_head=True"
    )
    with pytest.raises(ValueError, match=message):
        load_into(model, other)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("skip_head", [False, True])
def test_every_fault_is_listed(model: keras.Model, state: StateDict, skip_head: bool) -> None:
    faulty = dict(state)
    del faulty["layer1.0.bn1.running_var"], faulty["stage2.0.branches.0.0.conv1.weight"]
    faulty |= {"stage9.weight": np.zeros(2), "stage3.0.fuse_layers.9.0.0.0.weight": np.zeros(2)}
    faulty["conv2.weight"] = faulty["conv2.weight"][:, :5]
    with pytest.raises(ValueError, match="does not fit") as raised:
        load_into(model, faulty, skip_head=skip_head)
    message = str(raised.value)
    assert "2 entries without a place in the model: stage3.0.fuse_layers.9.0.0.0.weight, stage9.weight" in message
    assert "without an entry: layer1.0.bn1.running_var, stage2.0.branches.0.0.conv1.weight" in message
    assert "conv2.weight (as a Keras weight (3, 3, 5, 64), the model's (3, 3, 64, 64))" in message


def test_a_colour_stem_is_summed_for_grey_films(model: keras.Model, state: StateDict) -> None:
    grey = hrnet(8, num_landmarks=4, input_shape=(None, None, 1), small=True)
    load_into(model, state)
    placement = load_into(grey, state)
    assert placement.adapted == {"conv1.weight": "summed over three input channels for a model of one"}
    images = _images(1)
    expected = model(np.repeat(images, 3, axis=-1)).numpy()
    np.testing.assert_allclose(grey(images), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_one_name_twice() -> None:
    with pytest.raises(ValueError, match=r"both conv1.weight; one is called backbone.conv1.weight"):
        published_names({"conv1.weight": 0, "backbone.conv1.weight": 0})


def test_safetensors_need_no_pytorch(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, state: StateDict) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "pose.safetensors"
    safetensors.numpy.save_file({f"module.{name}": value for name, value in state.items()}, path)
    entries = read_checkpoint(path)
    assert entries.keys() == published_names(state).keys()
    np.testing.assert_array_equal(entries["conv1.weight"], state["conv1.weight"])
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"pose.safetensors is not a readable \.safetensors file"):
        read_checkpoint(path)


def test_other_files_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"Received: weights\.h5"):
        read_checkpoint(tmp_path / "weights.h5")


def test_pth_without_pytorch_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pose.pth needs PyTorch: pip install 'raspine\[torch\]'"):
        read_checkpoint("pose.pth")


class _Tensor:
    """The two methods of PyTorch's tensor that reading a checkpoint uses."""

    def __init__(self, value: np.ndarray) -> None:
        self.value = value

    def float(self) -> "_Tensor":
        return _Tensor(self.value.astype(np.float32))

    def numpy(self) -> np.ndarray:
        return self.value


def _fake_torch(monkeypatch: pytest.MonkeyPatch, content: object) -> list[dict]:
    calls: list[dict] = []

    def load(stream: io.BufferedReader, **arguments: object) -> object:
        calls.append(arguments)
        if isinstance(content, Exception):
            raise content
        return content

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(load=load, Tensor=_Tensor))
    return calls


@pytest.fixture
def pth(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "x.pth"
    path.write_bytes(b"a pickle")
    return path


def test_pth_is_loaded_as_weights_only_and_unwrapped(monkeypatch: pytest.MonkeyPatch, pth: pathlib.Path) -> None:
    tensors = {
        "module.conv1.weight": _Tensor(np.ones(2)),
        "module.bn1.num_batches_tracked": _Tensor(np.array(3)),
    }
    calls = _fake_torch(monkeypatch, {"epoch": 210, "state_dict": tensors})
    entries = read_checkpoint(pth)
    assert list(entries) == ["conv1.weight"]
    assert entries["conv1.weight"].dtype == np.float32
    assert calls == [{"map_location": "cpu", "weights_only": True}]


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}])
def test_pth_without_a_state_dict(monkeypatch: pytest.MonkeyPatch, pth: pathlib.Path, content: object) -> None:
    _fake_torch(monkeypatch, content)
    with pytest.raises(ValueError, match=r"x\.pth holds no state dict"):
        read_checkpoint(pth)


@pytest.mark.parametrize("error", [RuntimeError("Weights only load failed."), KeyError(101), OSError(22, "")])
def test_pth_that_would_run_code_or_is_damaged(
    monkeypatch: pytest.MonkeyPatch, pth: pathlib.Path, error: Exception
) -> None:
    _fake_torch(monkeypatch, error)
    with pytest.raises(ValueError, match=r"x\.pth is damaged, or holds more than weights"):
        read_checkpoint(pth)


def test_pth_that_grows_when_it_is_read_is_not_opened(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _fake_torch(monkeypatch, {})
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(1 << 20))
    with pytest.raises(
        ValueError, match=r"bomb\.pth is damaged, or no archive that PyTorch wrote: a member is compressed"
    ):
        read_checkpoint(path)
    assert not calls

"""One device, two logical CPUs and two worker processes train to the same network at the same global batch."""

import os
import pathlib
from collections.abc import Sequence

import film_shards
import forked
import h5py
import numpy as np
import pytest
import study_shards

from experiments import local_workers
from experiments.cluster import tf_config

SCRIPT = str(pathlib.Path(__file__).with_name("strategies.py"))
TITLES = ("landmarks", "deformity")


def run(name: str, folder: pathlib.Path, data: pathlib.Path, clusters: Sequence[str] = ("",)) -> pathlib.Path:
    """Trains under a strategy, in a process for each cluster configuration, and returns what was left."""
    folder.mkdir()
    arguments = [name, str(data), str(folder / "result.npz")]
    begun = []
    for worker, cluster in enumerate(clusters):
        environment = {**os.environ, **({tf_config.VARIABLE: cluster} if cluster else {})}
        begun.append(forked.begin(SCRIPT, arguments, folder, folder / f"worker{worker}", environment))
    for program in begun:
        assert program.end() == 0, program.errors.read_text()[-3000:]
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    for name in ("films", "studies"):
        (folder / name).mkdir()
    film_shards.write(folder / "films", {"train": 16, "validation": 5}, 2)
    study_shards.write(folder / "studies", {"train": 16, "validation": 6}, 2, 64)
    return folder


@pytest.fixture(scope="module")
def alone(data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return run("one_device", tmp_path_factory.mktemp("alone") / "one_device", data)


def weights(folder: pathlib.Path, run_name: str) -> dict[str, np.ndarray]:
    """Returns the last checkpoint's weights, moments and average, by name."""
    found: dict[str, np.ndarray] = {}
    newest = sorted(folder.glob(f"{run_name}/state/step-*"))[-1]
    assert newest.name.endswith("20")
    for file in newest.glob("*.h5"):
        with h5py.File(file) as stored:

            def keep(name: str, item: object, file: pathlib.Path = file) -> None:
                if isinstance(item, h5py.Dataset):
                    found[f"{file.name}/{name}"] = np.asarray(item)

            stored.visititems(keep)
    return found


def check(folder: pathlib.Path, alone: pathlib.Path, name: str) -> None:
    """Compares the network after twenty steps in float64, and the first loss and gradients in float32."""
    with np.load(folder / "result.npz") as ours, np.load(alone / "result.npz") as one:
        for title in TITLES:
            for value in ("first_loss", "first_gradients"):
                expected = one[f"{title}/{value}"]
                apart = np.abs(ours[f"{title}/{value}"] - expected).max()
                assert apart <= 1e-5 * np.abs(expected).max(), (title, value, apart)
            np.testing.assert_allclose(ours[f"{title}/loss"], one[f"{title}/loss"], rtol=1e-9)
            # Points and risks are float32, whatever the network computes in.
            np.testing.assert_allclose(ours[f"{title}/validation"], one[f"{title}/validation"], atol=1e-5)
    for title in (*TITLES, "plain"):
        found, expected_ = weights(folder, f"{title}_{name}"), weights(alone, f"{title}_one_device")
        assert found.keys() == expected_.keys()
        assert len(found) > (60 if title in TITLES else 10)
        for key, value in expected_.items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-9, err_msg=key)


def test_two_logical_cpus(data: pathlib.Path, alone: pathlib.Path, tmp_path: pathlib.Path) -> None:
    check(run("mirrored", tmp_path / "mirrored", data), alone, "mirrored")


def test_two_workers(data: pathlib.Path, alone: pathlib.Path, tmp_path: pathlib.Path) -> None:
    addresses = [f"127.0.0.1:{port}" for port in local_workers.free_ports(2)]
    tasks = [tf_config.text(addresses, worker) for worker in (0, 1)]
    check(run("multi_worker", tmp_path / "workers", data, tasks), alone, "multi_worker")

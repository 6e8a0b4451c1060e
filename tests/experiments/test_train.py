import json
import pathlib
import re
import shlex
from collections.abc import Callable

import pytest

from experiments import deformity_flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAG_MODULES = ("train.py", "training_flags.py", "landmark_flags.py", "deformity_flags.py")
TASKS = ("subluxation", "cephalometry", "deformity")
FLAG_FILES = sorted(path for task in TASKS for path in (ROOT / "experiments" / task).glob("*.flags"))


def test_wrong_flags_end_with_one_line_and_status_2(
    start_many: Callable, data_set: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    output, data = f"--output_dir={tmp_path / 'run'}", f"--data={data_set}"
    for name, task in (("films", "subluxation"), ("studies", "deformity")):
        (tmp_path / name).mkdir()
        stored = {"task": task, "counts": {"train": {name: 3}}, "data_hash": "0"}
        (tmp_path / name / "dataset.json").write_text(json.dumps(stored))
    cases = {
        (output,): "--data",
        (data,): "--output_dir",
        (data, output, "--input_height=100"): "--input_height must be a multiple of 32. Received: 100",
        (data, output, "--epochs=0"): "epochs",
        (data, output, "--loss=hinge"): "hinge",
        (data, output, "--logical_cpus=2"): "--logical_cpus is for --strategy=mirrored",
        (data, output, "--reach=3"): "--reach is for a refiner",
        (data, output, "--weights=nowhere.pth"): "no file 'nowhere.pth'",
        (data, output, "extra"): "unexpected argument",
        (data, output, "--depth=50"): "--depth is not for --task=subluxation",
        (data, output, "--task=deformity", "--sigma=1"): "--sigma is not for --task=deformity",
        (data, output, "--task=deformity", "--focal_gamma=1"): "--focal_gamma is for --risk_loss=focal",
        (data, output, "--task=deformity", "--pool=mean"): "--pool is for --per_slice",
        (data, output, "--task=deformity", "--weights=imagenet", "--depth=26"): "nobody publishes a ResNet of depth 26",
        (data, output, "--task=deformity", "--weights=nowhere.h5"): "no file 'nowhere.h5'",
        (f"--data={tmp_path / 'none'}", output): "no folder",
        (f"--data={tmp_path / 'films'}", output, "--task=deformity"): (
            "films' is no data folder of data_prep.mri: its task is 'subluxation', wanted is deformity."
        ),
        (f"--data={tmp_path / 'studies'}", output): (
            "studies' is no data folder of data_prep.radiographs: its task is 'deformity', wanted is subluxation or "
            "landmarks."
        ),
        (f"--data={tmp_path}", output): "is no data folder",
    }
    results = start_many("experiments.train", [list(arguments) for arguments in cases])
    for (arguments, expected), (status, _, err) in zip(cases.items(), results, strict=True):
        assert status == 2, (arguments, err)
        assert expected in err, (arguments, err)
        assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_a_network_that_sees_a_small_part_of_the_slices_is_warned_of() -> None:
    warning = deformity_flags.window_warning((96, 64), (512, 512), 0.5)
    assert "the middle 48 x 32 mm of slices of 256 x 256 mm" in warning
    for whole in ((0, 0), (256, 256), (0, 128)):
        assert not deformity_flags.window_warning(whole, (512, 512), 0.5)


@pytest.mark.parametrize("path", FLAG_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_flag_file_opens_with_its_purpose_and_holds_flags_that_exist(path: pathlib.Path) -> None:
    text = path.read_text()
    for heading in ("Purpose:", "Command:", "Machine:", "Result:"):
        assert heading in text, heading
    sources = [(ROOT / "experiments" / name).read_text() for name in FLAG_MODULES]
    known = set(re.findall(r'DEFINE_\w+\(\s*"(\w+)"', "".join(sources))) | {"flagfile"}
    given = [line for line in text.splitlines() if line and not line.startswith("#")]
    names = {shlex.split(line)[0].removeprefix("--").split("=")[0] for line in given}
    assert names <= known
    assert names

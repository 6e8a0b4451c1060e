import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from experiments.cluster import tf_config
from raspine import program
from raspine.training import strategy

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "experiments" / "cluster"
SBATCH = FOLDER / "slurm.sbatch"

# Runs every task one after the other, and has it show what it would start. Ends with the status it is told.
SRUN = f"""#!{sys.executable}
import os, subprocess, sys
program = sys.argv.index(sys.executable)
print("srun", *sys.argv[1:program], flush=True)
command = sys.argv[program:]
for task in range(2):
    subprocess.run([*command[:3], "--show", *command[3:]], env={{**os.environ, "SLURM_PROCID": str(task)}}, check=True)
sys.exit(int(os.environ["STATUS"]))
"""
SCONTROL = """#!/bin/bash
case "$1" in
    show) printf 'node07\\nnode08\\n' ;;
    *) echo "scontrol $*" ;;
esac
"""


def worker(index: int, *hosts: str) -> dict[str, Any]:
    return {"cluster": {"worker": list(hosts)}, "task": {"type": "worker", "index": index}}


def test_tf_config_is_what_the_strategy_takes() -> None:
    text = tf_config.text(["a:1", "b:1"], 1)
    assert json.loads(text) == worker(1, "a:1", "b:1")
    strategy.check_cluster(text)
    assert tf_config.VARIABLE == strategy.CLUSTER


def test_addresses_come_from_names_or_from_a_pattern() -> None:
    assert tf_config.addresses("a, b", 0, 2222) == ["a:2222", "b:2222"]
    assert tf_config.addresses("job-{index}.svc", 3, 1) == ["job-0.svc:1", "job-1.svc:1", "job-2.svc:1"]


def test_the_index_comes_from_kubernetes_or_slurm() -> None:
    assert tf_config.index({"JOB_COMPLETION_INDEX": "3"}) == 3
    assert tf_config.index({"SLURM_PROCID": "0"}) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tf_config.text(["a:1"], 1), "worker 1 is not among the 1 workers"),
        (lambda: tf_config.text(["a:1", "a:1"], 0), "an address of its own. Received: a:1, a:1"),
        (lambda: tf_config.addresses("a,b", 3, 1), "2 hosts, 3 workers"),
        (lambda: tf_config.addresses("", 0, 1), "0 hosts, 0 workers"),
        (lambda: tf_config.addresses("a{index}", 0, 1), "needs the number of workers"),
        (lambda: tf_config.index({}), "none of JOB_COMPLETION_INDEX and SLURM_PROCID"),
        (lambda: tf_config.index({"SLURM_PROCID": "x"}), "says which worker this is"),
    ],
)
def test_what_describes_no_worker_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(tf_config.ClusterError, match=re.escape(message)):
        call()


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())}


@pytest.fixture(scope="module")
def container(documents: dict[str, Any]) -> dict[str, Any]:
    [only] = documents["Job"]["spec"]["template"]["spec"]["containers"]
    return only


def test_the_job_is_indexed_and_all_workers_run_at_once(documents: dict[str, Any], container: dict[str, Any]) -> None:
    spec = documents["Job"]["spec"]
    assert documents["Job"]["apiVersion"] == "batch/v1"
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"]
    assert f"--workers={spec['completions']}" in container["args"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] >= 1


def test_the_pods_find_each_other_by_the_headless_service(documents: dict[str, Any], container: dict[str, Any]) -> None:
    service, template = documents["Service"], documents["Job"]["spec"]["template"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert template["spec"]["subdomain"] == service["metadata"]["name"]
    host = f"{documents['Job']['metadata']['name']}-{{index}}.{service['metadata']['name']}"
    [port] = [one["port"] for one in service["spec"]["ports"]]
    assert {f"--hosts={host}", f"--port={port}"} <= set(container["args"])
    assert [one["containerPort"] for one in container["ports"]] == [port]


def test_a_pod_that_stopped_is_started_again_and_wrong_flags_end_the_job(
    documents: dict[str, Any], container: dict[str, Any]
) -> None:
    spec = documents["Job"]["spec"]
    codes = {
        value: rule["action"]
        for rule in spec["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule and rule["onExitCodes"]["containerName"] == container["name"]
        for value in rule["onExitCodes"]["values"]
    }
    assert codes == {program.WRONG_FLAGS: "FailJob", program.STOPPED: "Ignore"}
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # podFailurePolicy demands it
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["backoffLimit"] > 0
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] >= 60


def test_data_and_run_folder_lie_on_the_shared_volume(documents: dict[str, Any], container: dict[str, Any]) -> None:
    volumes = {one["name"]: one for one in documents["Job"]["spec"]["template"]["spec"]["volumes"]}
    mounts = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
    places = [text.partition("=")[2] for text in container["args"] if text.startswith(("--data=", "--output_dir="))]
    assert len(places) == 2
    for place in [*places, container["command"][0], container["workingDir"]]:
        [mount] = [path for path in mounts if place.startswith(f"{path}/")]
        assert "persistentVolumeClaim" in mounts[mount]


def test_each_pod_becomes_its_worker(start: Callable, container: dict[str, Any]) -> None:
    module = container["command"][container["command"].index("-m") + 1]
    environment = {**os.environ, "JOB_COMPLETION_INDEX": "1"}
    done = start(module, "--show", *container["args"], env=environment)
    assert done.returncode == 0, done.stderr
    config, *command = done.stdout.splitlines()
    hosts = "raspine-0.raspine:2222", "raspine-1.raspine:2222"
    assert json.loads(config.removeprefix("TF_CONFIG=")) == worker(1, *hosts)
    assert command[:3] == ["-m", "experiments.train", "--strategy=multi_worker"]
    assert command[3:] == container["args"][container["args"].index("--") + 1 :]
    [flag_file] = [text.partition("=")[2] for text in command if text.startswith("--flagfile=")]
    assert (ROOT / flag_file).is_file()


def test_a_worker_turns_into_the_training(start: Callable, tmp_path: pathlib.Path) -> None:
    environment = {**os.environ, "SLURM_PROCID": "0"}
    flags = (f"--data={tmp_path / 'none'}", f"--output_dir={tmp_path / 'run'}")
    done = start("experiments.cluster.worker", "--hosts=a,b", "--", *flags, env=environment)
    assert done.returncode == program.WRONG_FLAGS
    assert "TF_CONFIG=" in done.stdout
    assert "--data: no folder" in done.stderr


def test_a_worker_without_a_number_or_flags_is_refused(start: Callable) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in tf_config.INDICES}
    for arguments, message in (
        (("--hosts=a,b", "--", "--data=d"), "none of JOB_COMPLETION_INDEX and SLURM_PROCID"),
        (("--hosts=a,b",), "the flags of experiments.train are missing"),
    ):
        done = start("experiments.cluster.worker", *arguments, env=clean)
        assert done.returncode == program.WRONG_FLAGS
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def submit(folder: pathlib.Path, status: int, restarts: int = 0) -> "subprocess.CompletedProcess[str]":
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in tf_config.INDICES},
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "STATUS": str(status),
        "SLURM_JOB_ID": "31007",
        "SLURM_JOB_NODELIST": "node[07-08]",
        "SLURM_RESTART_COUNT": str(restarts),
    }
    flags = ["--flagfile=a b.flags", "--output_dir=run"]
    return subprocess.run(
        ["bash", SBATCH, *flags], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_batch_script_makes_each_task_its_worker(tmp_path: pathlib.Path) -> None:
    done = submit(tmp_path, 0)
    assert (done.returncode, done.stderr) == (0, "")
    started, *lines = done.stdout.splitlines()
    assert started == "srun --kill-on-bad-exit=0 --wait=120 --label"
    configs = [json.loads(line.removeprefix("TF_CONFIG=")) for line in lines if line.startswith("TF_CONFIG=")]
    assert configs == [worker(index, "node07:31007", "node08:31007") for index in range(2)]
    assert lines[1:6] == [
        "-m",
        "experiments.train",
        "--strategy=multi_worker",
        "--flagfile=a b.flags",
        "--output_dir=run",
    ]
    assert "requeue" not in done.stdout


@pytest.mark.parametrize(
    ("status", "restarts", "again"), [(75, 0, True), (75, 20, False), (2, 0, False), (1, 0, False)]
)
def test_only_a_job_that_stopped_with_its_state_saved_is_queued_again(
    tmp_path: pathlib.Path, status: int, restarts: int, again: bool
) -> None:
    done = submit(tmp_path, status, restarts)
    assert done.returncode == status
    assert ("scontrol requeue 31007" in done.stdout) == again


def test_the_batch_script_asks_for_what_the_programs_need() -> None:
    text = SBATCH.read_text()
    assert subprocess.run(["bash", "-n", SBATCH], check=False).returncode == 0
    options = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", text, re.MULTILINE))
    assert options["ntasks-per-node"] == "1"
    assert int(options["nodes"]) >= 2
    name, _, seconds = options["signal"].partition("@")
    assert name == "TERM"
    assert int(seconds) >= 60
    assert {"requeue", "gpus-per-node"} <= set(options)


@pytest.mark.parametrize("name", ["kubernetes.yaml", "slurm.sbatch"])
def test_a_template_says_that_no_real_cluster_ran_it(name: str) -> None:
    assert "it has not been run on a real cluster" in (FOLDER / name).read_text()

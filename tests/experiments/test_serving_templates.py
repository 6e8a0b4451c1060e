import http.server
import json
import pathlib
import re
import subprocess
import threading
from typing import Any

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from experiments.serving import served_versions
from raspine.serving import address

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "experiments" / "serving"
IMAGE = re.compile(r"[a-z/]+:v?\d+\.\d+\.\d+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?")
THEIRS = {"models", "tls"}  # folders that who deploys fills
PROXY_PORTS = {8443, 9443}

# Flags that tensorflow_model_server has; it prints a notice at an unknown one and goes on.
SERVER_FLAGS = {
    "port", "rest_api_port", "rest_api_num_threads", "rest_api_timeout_in_ms", "model_config_file",
    "model_config_file_poll_wait_seconds", "allow_version_labels_for_unavailable_models", "monitoring_config_file",
    "tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism", "enable_model_warmup",
    "max_num_load_retries", "enable_batching", "batching_parameters_file",
}  # fmt: skip

# Messages whose protos the package tensorflow-serving-api leaves out, field by field as TensorFlow Serving has them.
BOOL, INT64, STRING = (
    getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind}") for kind in ("BOOL", "INT64", "STRING")
)
MESSAGES: dict[str, list[tuple[str, int | str, bool]]] = {
    "SSLConfig": [
        ("server_key", STRING, False),
        ("server_cert", STRING, False),
        ("custom_ca", STRING, False),
        ("client_verify", BOOL, False),
    ],
    "PrometheusConfig": [("enable", BOOL, False), ("path", STRING, False)],
    "MonitoringConfig": [("prometheus_config", ".serving.PrometheusConfig", False)],
    "BatchingParameters": [
        ("max_batch_size", ".google.protobuf.Int64Value", False),
        ("batch_timeout_micros", ".google.protobuf.Int64Value", False),
        ("max_enqueued_batches", ".google.protobuf.Int64Value", False),
        ("num_batch_threads", ".google.protobuf.Int64Value", False),
        ("thread_pool_name", ".google.protobuf.StringValue", False),
        ("allowed_batch_sizes", INT64, True),
        ("pad_variable_length_inputs", BOOL, False),
    ],
}


@pytest.fixture(scope="module")
def protos() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto", package="serving", syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name]
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (key, kind, many) in enumerate(fields, 1):
            typed = {"type": kind} if isinstance(kind, int) else {"type_name": kind}
            message.field.add(name=key, number=number, label=3 if many else 1, **typed)
    pool.Add(file)
    return pool


def parsed(protos: descriptor_pool.DescriptorPool, name: str, text: str) -> Any:
    kind = message_factory.GetMessageClass(protos.FindMessageTypeByName(f"serving.{name}"))
    return text_format.Parse(text, kind())


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())}


@pytest.fixture(scope="module")
def pod(documents: dict[str, Any]) -> dict[str, Any]:
    return documents["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def containers(pod: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in pod["containers"]}


def flags(arguments: list[str]) -> dict[str, str]:
    return dict(one.removeprefix("--").split("=", 1) for one in arguments)


def test_the_models_are_a_list_that_the_server_reads() -> None:
    config = text_format.Parse((FOLDER / "config" / "models.config").read_text(), ModelServerConfig())
    [model] = config.model_config_list.config
    assert model.base_path == f"{served_versions.SERVER_FOLDER}/{model.name}"
    assert model.model_platform == "tensorflow"
    assert list(model.model_version_policy.specific.versions) == [1]
    assert dict(model.version_labels) == {served_versions.STABLE: 1}


def test_the_worker_s_example_asks_for_a_model_that_is_served_and_not_for_its_canary() -> None:
    config = text_format.Parse((FOLDER / "config" / "models.config").read_text(), ModelServerConfig())
    given = flags(re.findall(r"^--\S+$", (FOLDER / "pacs_worker.flags").read_text(), re.MULTILINE))
    asked = address.parse(given["landmark_endpoint"])
    assert asked.model in [model.name for model in config.model_config_list.config]
    assert asked.label == served_versions.STABLE


def test_batches_are_small_and_never_padded(protos: descriptor_pool.DescriptorPool, compose: dict[str, Any]) -> None:
    found = parsed(protos, "BatchingParameters", (FOLDER / "config" / "batching.config").read_text())
    assert not found.pad_variable_length_inputs
    assert found.max_batch_size.value == 8
    assert found.num_batch_threads.value == compose["services"]["serving"]["cpus"]


def test_metrics_have_one_path_everywhere(
    protos: descriptor_pool.DescriptorPool, compose: dict[str, Any], documents: dict[str, Any]
) -> None:
    found = parsed(protos, "MonitoringConfig", (FOLDER / "config" / "monitoring.config").read_text())
    assert found.prometheus_config.enable
    path = found.prometheus_config.path
    [job] = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    assert job["metrics_path"] == path
    assert [job["job_name"], job["static_configs"][0]["targets"]] == ["raspine", ["proxy:9145"]]
    assert f"location = {path} " in (FOLDER / "nginx.conf").read_text()
    marked = documents["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert (marked["prometheus.io/path"], marked["prometheus.io/port"]) == (path, "9145")
    assert "proxy" in compose["services"]


def test_an_invented_field_would_be_noticed(protos: descriptor_pool.DescriptorPool) -> None:
    with pytest.raises(text_format.ParseError, match="no field named"):
        parsed(protos, "BatchingParameters", "max_batch: 8")


def test_both_ways_start_the_server_alike(compose: dict[str, Any], containers: dict[str, Any]) -> None:
    service, container = compose["services"]["serving"], containers["serving"]
    assert service["command"] == container["args"]
    assert service["entrypoint"] == container["command"]
    assert service["image"] == container["image"]
    assert compose["services"]["proxy"]["image"] == containers["proxy"]["image"]
    assert compose["services"]["proxy"]["command"] == containers["proxy"]["command"]
    given = flags(container["args"])
    assert set(given) <= SERVER_FLAGS
    assert given["tensorflow_intra_op_parallelism"] == container["resources"]["limits"]["cpu"] == str(service["cpus"])
    mentioned = set(re.findall(r"--([a-z_]+)=", (FOLDER / "compose.yaml").read_text()))
    assert {"enable_batching", "batching_parameters_file"} <= mentioned


def test_images_are_pinned(compose: dict[str, Any], containers: dict[str, Any]) -> None:
    images = [one["image"] for one in (*compose["services"].values(), *containers.values())]
    images += re.findall(r"^ARG PYTHON=(\S+)$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 6
    assert all(IMAGE.fullmatch(image) for image in images)
    assert "tensorflow/serving:2.21.0" in images


def test_every_service_is_confined(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["user"] == "65532:65532"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert {"cpus", "mem_limit", "pids_limit"} <= set(service)
        assert all(mount.endswith(":ro") for mount in service["volumes"])


def test_the_model_server_reaches_nothing_outside(compose: dict[str, Any], documents: dict[str, Any]) -> None:
    assert compose["services"]["serving"]["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True
    assert "ports" not in compose["services"]["serving"]
    policy = documents["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    ports = [{port["port"] for port in rule["ports"]} for rule in policy["ingress"]]
    assert ports == [PROXY_PORTS, {9145}]
    assert all(rule["from"] for rule in policy["ingress"])


def test_published_ports_are_the_proxys_and_on_the_loopback_address(compose: dict[str, Any]) -> None:
    published = compose["services"]["proxy"]["ports"]
    assert published == [f"${{RASPINE_ADDRESS:-127.0.0.1}}:{port}:{port}" for port in sorted(PROXY_PORTS)]
    assert compose["services"]["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]


def test_what_is_mounted_is_there_and_configuration_is_a_folder(compose: dict[str, Any]) -> None:
    mounts = [mount.split(":")[:2] for service in compose["services"].values() for mount in service["volumes"]]
    for source, _ in mounts:
        assert (FOLDER / source).exists() or source.removeprefix("./") in THEIRS
    assert ["./config", "/config"] in mounts
    for name in ("model_config_file", "monitoring_config_file"):
        path = pathlib.Path(flags(compose["services"]["serving"]["command"])[name])
        assert path.parent == pathlib.Path("/config")
        assert (FOLDER / "config" / path.name).is_file()


def test_the_health_check_sees_a_loaded_model_alone(compose: dict[str, Any]) -> None:
    command = compose["services"]["serving"]["healthcheck"]["test"][1:]
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        state = "AVAILABLE"

        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"model_version_status": [{"version": "1", "state": self.state}]}, indent=1).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = [part.replace("8501", str(server.server_port)) for part in command]
        statuses = []
        for Server.state in ("AVAILABLE", "LOADING"):
            statuses.append(subprocess.run(here, timeout=30, check=False).returncode)
        server.shutdown()
    closed = subprocess.run(here, timeout=30, check=False, stderr=subprocess.DEVNULL).returncode
    assert statuses == [0, 1]
    assert closed != 0
    assert asked == ["/v1/models/atlantoaxial/labels/stable"] * 2


def test_the_objects_are_those_that_a_deployment_needs(documents: dict[str, Any]) -> None:
    assert {kind: one["apiVersion"] for kind, one in documents.items()} == {
        "PersistentVolumeClaim": "v1",
        "Service": "v1",
        "Deployment": "apps/v1",
        "PodDisruptionBudget": "policy/v1",
        "HorizontalPodAutoscaler": "autoscaling/v2",
        "NetworkPolicy": "networking.k8s.io/v1",
    }
    labels = documents["Deployment"]["spec"]["template"]["metadata"]["labels"]
    deployment = documents["Deployment"]["spec"]
    selectors = [
        documents["Service"]["spec"]["selector"],
        *(documents[kind]["spec"]["selector"]["matchLabels"] for kind in ("Deployment", "PodDisruptionBudget")),
        documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    assert selectors == [labels] * 4
    scaled = documents["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "raspine"}
    assert "replicas" not in deployment
    assert scaled["minReplicas"] > documents["PodDisruptionBudget"]["spec"]["minAvailable"]
    [metric] = scaled["metrics"]
    assert metric["containerResource"]["container"] == "serving"


def test_containers_meet_the_restricted_standard(pod: dict[str, Any], containers: dict[str, Any]) -> None:
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 65532
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in containers.values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]) == {"requests", "limits"}
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_volumes_are_there_and_reach_running_pods(pod: dict[str, Any], containers: dict[str, Any]) -> None:
    volumes = {one["name"]: one for one in pod["volumes"]}
    mounted = {mount["name"] for container in containers.values() for mount in container["volumeMounts"]}
    assert mounted == set(volumes)
    assert not any("subPath" in mount for container in containers.values() for mount in container["volumeMounts"])
    writable = {m["name"] for c in containers.values() for m in c["volumeMounts"] if not m.get("readOnly")}
    assert all(volumes[name]["emptyDir"]["medium"] == "Memory" for name in writable)
    made = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    files = {one["name"]: one["files"] for one in made["configMapGenerator"]}
    assert {volumes[name]["configMap"]["name"] for name in ("config", "proxy")} == set(files)
    assert all((FOLDER / name).is_file() for names in files.values() for name in (*names, *made["resources"]))
    assert {pathlib.Path(name).name for name in files["raspine-config"]} == {
        path.name for path in (FOLDER / "config").iterdir()
    }
    assert made["generatorOptions"]["disableNameSuffixHash"] is True


def test_probes_and_service_name_ports_that_are_open(documents: dict[str, Any], containers: dict[str, Any]) -> None:
    ports = {name: {p["name"]: p["containerPort"] for p in one["ports"]} for name, one in containers.items()}
    given = flags(containers["serving"]["args"])
    assert ports["serving"] == {"grpc": int(given["port"]), "rest": int(given["rest_api_port"])}
    for name, container in containers.items():
        probes = [probe for key, probe in container.items() if key.endswith("Probe")]
        assert len(probes) >= 2
        assert all((probe.get("httpGet") or probe["tcpSocket"])["port"] in ports[name] for probe in probes)
    assert "tcpSocket" in containers["serving"]["livenessProbe"]
    service = documents["Service"]["spec"]["ports"]
    assert {ports["proxy"][port["targetPort"]] for port in service} == {port["port"] for port in service} == PROXY_PORTS


def test_the_proxy_lets_predictions_through_and_nothing_that_changes_models(
    compose: dict[str, Any], pod: dict[str, Any]
) -> None:
    text = (FOLDER / "nginx.conf").read_text()
    plain = re.sub(r"#.*|'[^']*'|\"[^\"]*\"", "", text)
    assert plain.count("{") == plain.count("}")
    given = flags(compose["services"]["serving"]["command"])
    upstreams = dict(re.findall(r"upstream (\w+) \{\s+server (\S+);", text))
    assert upstreams == {"rest": f"serving:{given['rest_api_port']}", "grpc": f"serving:{given['port']}"}
    assert pod["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": ["serving"]}]
    assert sorted(map(int, re.findall(r"listen (\d+)", text))) == sorted([*PROXY_PORTS, 9145])
    assert re.findall(r"location = /tensorflow\.serving\.(\S+) \{ grpc_pass", text) == [
        "PredictionService/Predict",
        "PredictionService/GetModelMetadata",
        "ModelService/GetModelStatus",
    ]
    assert "ssl_verify_client on;" in text
    assert set(re.findall(r"/tls/[\w.]+", plain)) == {"/tls/server.crt", "/tls/server.key", "/tls/clients.crt"}
    seconds = int(re.search(r"proxy_read_timeout (\d+)s", text).group(1))  # type: ignore[union-attr]
    assert seconds > int(given["rest_api_timeout_in_ms"]) / 1000


def test_the_proxy_asks_for_the_stable_version_where_none_is_named() -> None:
    [pattern] = re.findall(r'"~(\S+)" \$model/labels/stable:predict;', (FOLDER / "nginx.conf").read_text())
    unlabelled = re.compile(pattern.replace("?<", "?P<"))
    assert unlabelled.fullmatch("/v1/models/a-b_1:predict")["model"] == "/v1/models/a-b_1"  # type: ignore[index]
    assert not unlabelled.fullmatch("/v1/models/a/labels/canary:predict")
    assert not unlabelled.fullmatch("/v1/models/a/versions/2:predict")


PEM = "-----BEGIN {0}-----\nMIIBszCCAVmgAwIB/+==\nAg==\n-----END {0}-----\n"


@pytest.mark.parametrize("client", [False, True])
def test_ssl_config_holds_what_the_files_hold(
    protos: descriptor_pool.DescriptorPool, tmp_path: pathlib.Path, client: bool
) -> None:
    texts = [PEM.format(kind) for kind in ("PRIVATE KEY", "CERTIFICATE", "CERTIFICATE")]
    texts[2] *= 2
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.pem").write_text(text)
    files = [str(tmp_path / f"{number}.pem") for number in range(3 if client else 2)]
    done = subprocess.run(["sh", FOLDER / "ssl_config.sh", *files], capture_output=True, text=True, check=True)
    found = parsed(protos, "SSLConfig", done.stdout)
    assert [found.server_key, found.server_cert] == texts[:2]
    assert (found.custom_ca, found.client_verify) == ((texts[2], True) if client else ("", False))


def test_ssl_config_refuses_what_is_no_pem(tmp_path: pathlib.Path) -> None:
    (tmp_path / "key").write_text("secret")
    for arguments, status in (([tmp_path / "key"], 2), ([tmp_path / "key", tmp_path / "key"], 1)):
        done = subprocess.run(["sh", FOLDER / "ssl_config.sh", *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (status, "")
        assert "secret" not in done.stderr


def test_alerts_rest_on_metrics_that_are_there() -> None:
    [group] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    metrics = {name for rule in group["rules"] for name in re.findall(r":[a-z:_]+[a-z]|\bup\b", rule["expr"])}
    assert metrics == {
        "up",
        ":tensorflow:serving:request_count",
        ":tensorflow:serving:request_latency_bucket",
        ":tensorflow:cc:saved_model:load_attempt_count",
    }
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].endswith((".", "change.", ")."))
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_the_image_of_raspine_needs_no_network_and_no_root() -> None:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    assert sum(line.startswith("FROM ") for line in lines) == 2
    assert [line for line in lines if line.startswith("USER ")] == ["USER 65532:65532"]
    [install] = [line for line in lines if "pip install" in line and not line.startswith("#")]
    assert {"--no-index", "--require-hashes"} <= set(install.split())
    assert not any(line.startswith(("ADD ", "COPY .")) or "apt-get" in line for line in lines)


def test_the_offline_page_and_the_image_install_alike() -> None:
    page = (FOLDER / "offline.md").read_text()
    assert "--no-index --require-hashes --requirement requirements.txt" in page
    assert not re.search(r"https?://|index-url", page)
    assert all(image in page for image in ("tensorflow/serving:2.21.0", "nginx:1.28.0"))


@pytest.mark.parametrize(
    ("name", "words"), [("compose.yaml", "neither has run"), ("kubernetes.yaml", "has not been run on a real cluster")]
)
def test_a_template_says_that_it_has_not_run(name: str, words: str) -> None:
    assert words in " ".join((FOLDER / name).read_text().replace("#", " ").split())

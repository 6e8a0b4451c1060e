r"""Puts a served model under load and compares it with bare calls of the same model in one process.

    python -m experiments.load_test --endpoint=grpc://127.0.0.1:8500/NAME --model=models/NAME/1 --output_dir=DIR

--clients threads ask for --seconds without a pause, each for one synthetic film or study at a time (serve_png, pictures
of noise, encoded before). Before and after that the exported model in --model is called back to back, so that the ratio
does not depend on what else the machine does. Server, clients and bare calls share the machine unless the server stands
elsewhere. Each answer is compared with the bare model's.

Leaves in --output_dir: load.json (throughput, its ratio to the bare calls, percentiles, errors by code) and load.png.

Exits with 0 when answers came, 1 when none did, 2 when the flags are wrong. Research use only.
"""

import functools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import flags
from numpy.typing import NDArray
from tqdm import tqdm

from experiments import endpoints, load_chart, load_clients
from raspine import atomic, program, provenance
from raspine.serving import client, signatures

_MODEL = flags.DEFINE_string("model", None, "Folder of the same SavedModel, NAME/VERSION.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make.", required=True)
_CLIENTS = flags.DEFINE_integer("clients", 16, "Requests at once.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 60.0, "How long the clients ask.", lower_bound=0.1)
_BARE = flags.DEFINE_float("bare_seconds", 15.0, "How long bare calls run, before and after.", lower_bound=0.1)
_SIZE = flags.DEFINE_list("film_size", ["1000", "800"], "HEIGHT,WIDTH of the synthetic films, pixels.")
flags.adopt_module_key_flags(endpoints)

_REQUESTS = 8


def main(argv: Sequence[str]) -> None:
    """Asks the endpoint that the flags name."""
    size = _check_flags(argv)
    with endpoints.connected(concurrency=_CLIENTS.value) as model, atomic.atomic_directory(_OUTPUT_DIR.value) as folder:
        assert model is not None  # --endpoint is given
        requests = _requests(model, size)
        facts, load = _measured(model, requests)
        atomic.write_json(folder / "load.json", facts)
        if len(load.latencies):
            title = f"{facts['throughput_per_s']:.1f} answers/s, {100 * facts['ratio']:.0f} % of bare calls"
            load_chart.draw(load.latencies, f"{_CLIENTS.value} clients: {title}", folder / "load.png")
    if not len(load.latencies):
        raise program.NothingDone(f"no answer in {load.seconds:.0f} s: {facts['errors']}, see {_OUTPUT_DIR.value}.")
    print(f"{_summary(facts)}: {_OUTPUT_DIR.value}")


def _check_flags(argv: Sequence[str]) -> tuple[int, int]:
    program.check_flags_alone(argv)
    endpoints.check(has_model=False)
    if not (pathlib.Path(_MODEL.value) / "saved_model.pb").is_file():
        raise program.UsageError(f"--model: '{_MODEL.value}' is no SavedModel: experiments.export writes them.")
    program.check_new_folder(_OUTPUT_DIR.value)
    try:
        height, width = (int(value) for value in _SIZE.value)
    except ValueError:
        height = width = 0
    if not (16 <= height <= 10_000 and 16 <= width <= 10_000):
        raise program.UsageError(f"--film_size is HEIGHT,WIDTH, 16 to 10000. Received: {','.join(_SIZE.value)}.")
    return height, width


def _requests(model: client.RemoteModel, size: tuple[int, int]) -> list[dict[str, NDArray[Any]]]:
    """Returns requests for different pictures of smooth noise."""
    random = np.random.default_rng(0)
    if isinstance(model, client.RemoteLandmarker):
        return [model.request(_noise(random, size), (0.2, 0.2)) for _ in range(_REQUESTS)]
    choice = model.settings.choice
    return [
        model.request(np.stack([_noise(random, choice.size) for _ in range(choice.count)])) for _ in range(_REQUESTS)
    ]


def _noise(random: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Returns uint16 [height, width]: coarse noise, with fine noise that makes a PNG as large as a film's."""
    coarse = random.random((size[0] // 16 + 1, size[1] // 16 + 1))
    smooth = np.kron(coarse, np.ones((16, 16)))[: size[0], : size[1]]
    return np.round(60_000 * smooth + 2_000 * random.random(size)).astype(np.uint16)


def _measured(
    model: client.RemoteModel, requests: Sequence[dict[str, NDArray[Any]]]
) -> tuple[dict[str, Any], load_clients.Load]:
    bare = load_clients.Bare(_MODEL.value, signatures.PNG, requests)
    expected = bare.all_answers()
    outputs = model.outputs()
    predict = functools.partial(model.endpoint.predict, signatures.PNG, outputs=outputs, address=model.address)
    predict(requests[0])
    before = _bare(bare, "before")
    load = load_clients.ask(lambda inputs: predict(inputs), requests, expected, _CLIENTS.value, _SECONDS.value)
    after = _bare(bare, "after")
    return _facts(model, requests, load, (before, after)), load


def _bare(bare: load_clients.Bare, when: str) -> float:
    with tqdm(total=1, desc=f"bare calls {when}", bar_format="{desc}: {elapsed}") as progress:
        found = bare.throughput(_BARE.value)
        progress.update()
    return found


def _facts(
    model: client.RemoteModel,
    requests: Sequence[dict[str, NDArray[Any]]],
    load: load_clients.Load,
    bare: tuple[float, float],
) -> dict[str, Any]:
    """Returns load.json."""
    pictures = [np.atleast_1d(request[signatures.PICTURE]).ravel() for request in requests]
    return {
        **provenance.describe(),
        "endpoint": endpoints.described(model),
        "signature": signatures.PNG,
        "clients": _CLIENTS.value,
        "seconds": round(load.seconds, 3),
        "request_bytes": round(float(np.mean([sum(map(len, one)) for one in pictures]))),
        "answers": len(load.latencies),
        "errors": load.errors,
        "wrong_answers": load.wrong,
        "throughput_per_s": round(load.throughput, 3),
        "bare_before_per_s": round(bare[0], 3),
        "bare_after_per_s": round(bare[1], 3),
        "ratio": round(load.throughput / float(np.mean(bare)), 4),
        **_percentiles(load.latencies),
        "cpus": os.cpu_count(),
    }


def _percentiles(latencies: NDArray[np.float64]) -> dict[str, float]:
    if not len(latencies):
        return {}
    return {
        f"p{percent}_ms": round(1000 * float(np.percentile(latencies, percent)), 2) for percent in (50, 90, 99, 100)
    }


def _summary(facts: dict[str, Any]) -> str:
    errors, rate = sum(facts["errors"].values()), facts["throughput_per_s"]
    return (
        f"{facts['clients']} clients, {facts['seconds']:.0f} s: {facts['answers']} answers, {errors} errors, "
        f"{facts['wrong_answers']} wrong, {rate:.1f}/s, {100 * facts['ratio']:.0f} % of bare calls, "
        f"p50 {facts['p50_ms']:.0f} ms, p99 {facts['p99_ms']:.0f} ms"
    )


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

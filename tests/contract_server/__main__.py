"""Serves SavedModels by TensorFlow Serving's contract, for tests: the official gRPC services and the REST route.

    python tests/contract_server --models=DIR

DIR holds NAME/VERSION/ folders. Prints one line of JSON with grpc_port, rest_port and models once it serves, on the
loopback interface alone. It imports nothing of raspine: what it answers, a SavedModel says by itself. It is no
tensorflow_model_server: versions are found at the start, and there is no batching across requests.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import threading

_MEGABYTE = 1 << 20


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, required=True, help="folder of NAME/VERSION/")
    parser.add_argument("--grpc_port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--rest_port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--label", action="append", default=[], help="NAME:LABEL=VERSION; may be repeated")
    parser.add_argument("--max_body_mb", type=int, default=64, help="of a request, megabytes")
    parser.add_argument("--running", type=int, default=os.cpu_count(), help="calls of a model at once")
    parser.add_argument("--waiting", type=int, default=64, help="requests that may wait for their turn")
    parser.add_argument("--until_stdin_ends", action="store_true", help="end with whoever started it")
    return parser.parse_args()


def _labels(given: list[str]) -> dict[str, dict[str, int]]:
    labels: dict[str, dict[str, int]] = {}
    for text in given:
        name, _, rest = text.partition(":")
        label, _, number = rest.partition("=")
        labels.setdefault(name, {})[label] = int(number)
    return labels


def main() -> None:
    """Serves until it is told to stop."""
    arguments = _arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import grpc_service  # after the environment is set: these import TensorFlow
    import rest
    from admission import Admission
    from served import Models

    admission = Admission(arguments.running, arguments.waiting)
    models = Models(arguments.models, _labels(arguments.label), admission)
    max_body = arguments.max_body_mb * _MEGABYTE
    grpc_server, grpc_port = grpc_service.start(models, arguments.grpc_port, max_body, admission.places)
    web = rest.Server(models, arguments.rest_port, max_body, max(64, 4 * admission.places))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    ports = {"grpc_port": grpc_port, "rest_port": web.server_address[1], "models": models.listed()}
    print(json.dumps(ports), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if arguments.until_stdin_ends:
        sys.stdin.read()
    else:
        signal.pause()
    grpc_server.stop(0)


if __name__ == "__main__":
    main()

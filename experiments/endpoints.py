"""The flags of a served model: --endpoint and how it is asked."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from absl import flags

from raspine import program
from raspine.serving import client
from raspine.serving.address import parse

_ENDPOINT = flags.DEFINE_string(
    "endpoint", "", "grpc://HOST:PORT/NAME or http://HOST:PORT/v1/models/NAME (TLS: grpcs, https), in place of --model."
)
_CA = flags.DEFINE_string(
    "endpoint_ca",
    "",
    "PEM file of the authorities that the server's certificate may be from; the usual ones if not given.",
)
_CERTIFICATE = flags.DEFINE_string("endpoint_certificate", "", "PEM file of our certificate, if the server wants one.")
_KEY = flags.DEFINE_string("endpoint_key", "", "PEM file of its key.")
_TOKEN = flags.DEFINE_string("endpoint_token_file", "", "File with the bearer token that the server wants.")
_DEADLINE = flags.DEFINE_float("deadline", 60.0, "Seconds that a request may take, retries included.", lower_bound=0.1)
_CARD = flags.DEFINE_string("card", "", "The exported model.json, for servers without the signature 'describe'.")

_HOLDERS = (_CA, _CERTIFICATE, _KEY, _TOKEN, _DEADLINE, _CARD)


def check(has_model: bool) -> None:
    """Checks the flags before any work.

    Args:
      has_model: whether --model is given.

    Raises:
      UsageError: both or neither of --model and --endpoint are given, or the flags do not fit together.
    """
    if has_model == bool(_ENDPOINT.value):
        raise program.UsageError("give --model=DIR or --endpoint=ADDRESS, exactly one of the two.")
    if has_model and (given := [holder.name for holder in _HOLDERS if holder.present]):
        raise program.UsageError(f"--{given[0]} goes with --endpoint, not with --model.")
    if _ENDPOINT.value:
        with _usage():
            _options().check(parse(_ENDPOINT.value))


@contextlib.contextmanager
def connected(concurrency: int = client.Options.concurrency) -> Iterator[client.RemoteModel | None]:
    """Yields the model behind --endpoint, None without the flag.

    Args:
      concurrency: requests at once.

    Raises:
      UsageError: the flags are wrong.
      NothingDone: the server does not answer, or answers what cannot be right.
    """
    if not _ENDPOINT.value:
        yield None
        return
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines on the terminal; the errors say what they say
    try:
        with _usage(), client.connect(_ENDPOINT.value, _options(concurrency)) as endpoint:
            yield client.load(endpoint, _CARD.value)
    except client.EndpointError as error:
        raise program.NothingDone(str(error)) from error


def described(model: Any) -> dict[str, Any] | None:
    """Returns where a model is served and which it is, for run.json; None for one that is not."""
    if not isinstance(model, client.RemoteModel):
        return None
    return {"address": str(model.address), **dataclasses.asdict(model.identity)}


def _options(concurrency: int = client.Options.concurrency) -> client.Options:
    return client.Options(
        concurrency=concurrency,
        deadline=_DEADLINE.value,
        ca_file=_CA.value,
        certificate_file=_CERTIFICATE.value,
        key_file=_KEY.value,
        token_file=_TOKEN.value,
    )


@contextlib.contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except client.SettingsError as error:
        raise program.UsageError(f"--endpoint: {error.what}") from error

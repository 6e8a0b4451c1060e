"""One served model: predictions within a deadline, asked again where that is safe, only so many at once."""

import concurrent.futures
import contextlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from raspine.serving import address as addresses
from raspine.serving import answers, errors, grpc_transport, rest_transport, retry
from raspine.serving.address import Address
from raspine.serving.options import Options

Inputs = Mapping[str, NDArray[Any]]


class Transport(Protocol):
    """How requests get to a server."""

    def predict(
        self,
        address: Address,
        signature: str,
        inputs: Inputs,
        outputs: tuple[str, ...],
        timeout: float,
        request_id: str,
    ) -> dict[str, Any]:
        """Returns an array or nested lists by the name of each output, from one attempt.

        Args:
          address: of the model.
          signature: its name.
          inputs: arrays by name; strings are object arrays of bytes.
          outputs: the names that are wanted.
          timeout: seconds for everything.
          request_id: what the request goes by in the server's log.

        Raises:
          EndpointError: the attempt failed.
        """

    def close(self) -> None:
        """Ends the connections."""


class Endpoint:
    """One served model; may be used by several threads.

    Args:
      address: of the model.
      options: how it is asked.
      transport: how requests get there; the address's own unless given.

    Attributes:
      address: of the model.
      options: how it is asked.
    """

    def __init__(self, address: Address, options: Options, transport: Transport | None = None) -> None:
        options.check(address)
        kind = rest_transport.RestTransport if address.is_rest else grpc_transport.GrpcTransport
        self.address, self.options = address, options
        self._transport: Transport = transport or kind(address, options)
        self._slots = threading.BoundedSemaphore(options.concurrency)
        self._pool = concurrent.futures.ThreadPoolExecutor(options.concurrency, "endpoint")

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections; a request on its way fails."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    def predict(
        self, signature: str, inputs: Inputs, outputs: Mapping[str, answers.Output], address: Address | None = None
    ) -> answers.Arrays:
        """Returns what a signature answers, checked.

        Args:
          signature: its name.
          inputs: arrays by name; strings are object arrays of bytes.
          outputs: what the answer has to hold.
          address: another version of the same model; None for the endpoint's own.

        Raises:
          RefusedError: the server refuses this request.
          AnswerError: the answer is not what `outputs` says.
          EndpointError: there is no answer.
        """
        place, request_id = address or self.address, uuid.uuid4().hex
        ends = time.monotonic() + self.options.deadline

        def attempt(left: float) -> dict[str, Any]:
            return self._transport.predict(place, signature, inputs, tuple(outputs), left, request_id)

        try:
            with self._slot():
                return answers.checked(retry.run(attempt, self.options.retries, ends), outputs)
        except answers.NonsenseError as error:
            raise errors.bad_answer(str(error), _where(place, signature), request_id) from error
        except errors.EndpointError as error:
            error.where, error.request_id = _where(place, signature), request_id
            raise

    def predict_many(
        self,
        signature: str,
        requests: Sequence[Inputs],
        outputs: Mapping[str, answers.Output],
        address: Address | None = None,
    ) -> list[answers.Arrays]:
        """Returns what a signature answers to each request, some of which go at once; see `predict`.

        Raises:
          EndpointError: the first request that failed; those that were not sent yet are not sent.
        """
        if len(requests) < 2:
            return [self.predict(signature, request, outputs, address) for request in requests]
        waiting = [self._pool.submit(self.predict, signature, request, outputs, address) for request in requests]
        try:
            return [one.result() for one in waiting]
        finally:
            for one in waiting:
                one.cancel()

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self.options.deadline):
            raise errors.of_code(
                "DEADLINE_EXCEEDED", f"{self.options.concurrency} other requests took all the time there was"
            )
        try:
            yield
        finally:
            self._slots.release()


def connect(address: str, options: Options | None = None) -> Endpoint:
    """Returns the endpoint at an address; the first request connects. Close it, or use it in a `with` block.

    Args:
      address: see `raspine.serving.address`.
      options: how it is asked.

    Raises:
      SettingsError: the address is none, or does not go with the options.
    """
    return Endpoint(addresses.parse(address), options or Options())


def _where(address: Address, signature: str) -> str:
    return f"{address} for '{signature}'"

"""A served model under load: clients that ask without a pause, beside bare calls of the same signature."""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from raspine.serving import answers, client

Inputs = Mapping[str, NDArray[Any]]
_TOLERANCE = 1e-3  # of an answer: a thousandth of a pixel; a risk lies within 0..1


@dataclasses.dataclass(frozen=True)
class Load:
    """What came of the clients' requests.

    Attributes:
      latencies: float64 [answer], seconds.
      seconds: that the clients ran.
      errors: how many by code.
      wrong: answers that were not the bare model's.
    """

    latencies: NDArray[np.float64]
    seconds: float
    errors: dict[str, int]
    wrong: int

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds


class Bare:
    """An exported model in this process, called back to back.

    Args:
      folder: of the SavedModel.
      signature: its name.
      requests: inputs by name.

    Raises:
      ValueError: it has no such signature.
    """

    def __init__(self, folder: str, signature: str, requests: Sequence[Inputs]) -> None:
        self._loaded = tf.saved_model.load(folder)  # kept: the signature holds its variables weakly
        if signature not in self._loaded.signatures:
            raise ValueError(f"the SavedModel has no signature '{signature}': experiments.export writes such models.")
        self._function = self._loaded.signatures[signature]
        self._requests = [{name: tf.constant(value) for name, value in request.items()} for request in requests]

    def all_answers(self) -> list[answers.Arrays]:
        """Returns what it says to each request.

        Raises:
          ValueError: it refuses one: it is another model than the one that the requests are for.
        """
        try:
            return [self._call(request) for request in self._requests]
        except (tf.errors.OpError, TypeError) as error:
            raise ValueError(
                "the SavedModel refuses what the endpoint is asked: give the same model's folder."
            ) from error

    def throughput(self, seconds: float) -> float:
        """Returns calls a second, over at least so many seconds."""
        begin, calls = time.perf_counter(), 0
        while (passed := time.perf_counter() - begin) < seconds:
            self._call(self._requests[calls % len(self._requests)])
            calls += 1
        return calls / passed

    def _call(self, request: Mapping[str, tf.Tensor]) -> answers.Arrays:
        return {name: value.numpy() for name, value in self._function(**request).items()}


def ask(
    predict: Callable[[Inputs], answers.Arrays],
    requests: Sequence[Inputs],
    expected: Sequence[answers.Arrays],
    clients: int,
    seconds: float,
) -> Load:
    """Returns what comes of clients that ask for so many seconds, each anew as soon as it is answered.

    Args:
      predict: asks the endpoint.
      requests: inputs by name, taken in turn.
      expected: the answer to each.
      clients: threads.
      seconds: after which no request begins.
    """
    found: list[list[float]] = [[] for _ in range(clients)]
    errors: collections.Counter[str] = collections.Counter()
    wrong, begin = [0] * clients, time.perf_counter()

    def run(number: int) -> None:
        turn = number
        while (start := time.perf_counter()) - begin < seconds:
            at = turn % len(requests)
            turn += 1
            try:
                answer = predict(requests[at])
            except client.EndpointError as error:
                errors[error.code] += 1
                continue
            found[number].append(time.perf_counter() - start)
            wrong[number] += not _same(answer, expected[at])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    with tqdm(total=round(seconds), desc=f"{clients} clients", unit="s") as progress:
        for thread in threads:
            while thread.is_alive():
                thread.join(1.0)
                progress.update(min(round(time.perf_counter() - begin), progress.total) - progress.n)
    latencies = np.array(sorted(value for one in found for value in one), np.float64)
    return Load(latencies, time.perf_counter() - begin, dict(errors), sum(wrong))


def _same(answer: answers.Arrays, expected: answers.Arrays) -> bool:
    return all(
        np.allclose(value, expected[name], rtol=0, atol=_TOLERANCE, equal_nan=True) for name, value in answer.items()
    )

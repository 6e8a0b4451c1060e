"""What the reading process does with each request; see `reading_process`."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydicom.dataset import Dataset

from raspine.pacs import answering, ledger, loaded_models, reading_process
from raspine.pacs.archive import Address, Archive
from raspine.pacs.failures import FailedError
from raspine.pacs.sessions import Limits
from raspine.serving.errors import EndpointError


class Session:
    """The models and the archive of a process.

    Raises:
      ValueError, OSError, EndpointError: a model cannot be loaded, or the archive's address is none.
    """

    def __init__(self, start: reading_process.Start):
        self._state = pathlib.Path(start.state)
        self._archive = Archive(_address(start.archive)) if start.archive else None
        self._models = loaded_models.Models(start)

    def identities(self) -> dict[str, dict[str, str]]:
        """Returns which model answers each kind of job."""
        return {kind: dataclasses.asdict(model.identity) for kind, model in self._models.by_kind.items()}

    def do(self, what: str, **request: Any) -> Any:
        """Does what a request says.

        Raises:
          RefusedError, FailedError, OutageError: it cannot be done.
        """
        known: Mapping[str, Callable[..., Any]] = {
            reading_process.FETCH: self._fetch,
            reading_process.FILM: self._film,
            reading_process.STUDY: self._study,
            reading_process.PING: self._models.ping,
        }
        try:
            return known[what](**request)
        except EndpointError as error:
            raise loaded_models.translated(error) from error

    def _fetch(self, instances: list[list[Any]], room: int) -> list[int]:
        """Fetches objects into the files that they name; returns the bytes of each."""
        if self._archive is None:
            raise FailedError("no archive to fetch from.")
        sizes: list[int] = []
        for one in reading_process.instances(instances):
            path = self._state / one.file
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._archive.fetch(one, path)
            sizes.append(path.stat().st_size)
            if sum(sizes) > room:
                raise FailedError("no room for the images of this job.")
        return sizes

    def _film(self, instances: list[list[Any]], folder: str) -> list[tuple[str, str]]:
        one = reading_process.instances(instances)[0]
        model = self._models.by_kind[ledger.FILM]
        return self._written(answering.film_objects(model, one, self._state / one.file), folder)

    def _study(self, instances: list[list[Any]], folder: str) -> list[tuple[str, str]]:
        found = reading_process.instances(instances)
        paths = [self._state / one.file for one in found]
        model = self._models.by_kind[ledger.STUDY]
        return self._written(answering.study_objects(model, found, paths, self._models.explain), folder)

    def _written(self, objects: Sequence[Dataset], folder: str) -> list[tuple[str, str]]:
        return [(sop, f"{folder}/{name}") for sop, name in answering.write(objects, self._state / folder)]


def _address(facts: Mapping[str, Any]) -> Address:
    return Address(**{**facts, "limits": Limits(**facts["limits"])})

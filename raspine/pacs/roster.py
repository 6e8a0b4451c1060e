"""Which models answer, and who has to know when a server's model is replaced while the worker runs."""

import contextlib
from collections.abc import Callable, Iterator, Mapping

from raspine.model_identity import ModelIdentity
from raspine.pacs import audit
from raspine.pacs.course import PauseError, Reading
from raspine.pacs.failures import UnreadyError
from raspine.pacs.ledger import Ledger
from raspine.pacs.metrics import MODEL, Metrics
from raspine.pacs.watching import Watcher


class Roster:
    """The models of a worker.

    Args:
      reader: has them.
      jobs: those that are not answered yet go to the models of now.
      watcher: makes jobs for them.
      figures: the metrics.
      tell: takes events of the audit log.
    """

    def __init__(self, reader: Reading, jobs: Ledger, watcher: Watcher, figures: Metrics, tell: Callable[..., None]):
        self._reader, self._jobs, self._watcher, self._metrics, self._tell = reader, jobs, watcher, figures, tell
        self._known: Mapping[str, ModelIdentity] = {}
        self.adopt()

    def adopt(self) -> bool:
        """Takes the models that the reader has now; returns whether there are others than before."""
        found = self._reader.identities
        if found == self._known:
            return False
        models = digests(found)
        self._jobs.adopt(models)
        self._watcher.adopt(models)
        self._metrics.models(found)
        for kind, one in found.items():
            if self._known.get(kind, one) != one:
                facts = {"kind": kind, "name": one.name, "version": one.version, "variant": one.variant}
                self._tell(audit.MODEL_REPLACED, **facts, model=one.digest[:12])
        self._known = found  # last: whatever failed on the way is done again
        return True

    @contextlib.contextmanager
    def adopting(self) -> Iterator[None]:
        """Takes the models that there are when the block finds that they are others, and ends the block.

        Raises:
          PauseError: there are none, or none but those that do not answer.
        """
        try:
            yield
        except UnreadyError as error:
            if not self.adopt():
                self._metrics.outage(MODEL)
                raise PauseError(MODEL, str(error)) from error

    def facts(self) -> dict[str, str]:
        """Returns the models in words, for the page."""
        return {f"model of a {kind}": f"{one.name} {one.version} ({one.variant})" for kind, one in self._known.items()}


def digests(identities: Mapping[str, ModelIdentity]) -> dict[str, str]:
    """Returns the digest of the model by kind of job."""
    return {kind: one.digest for kind, one in identities.items()}

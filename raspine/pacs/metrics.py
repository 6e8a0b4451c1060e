"""What Prometheus may ask: jobs by state, seconds by step, what waits, what went wrong; no free labels."""

import contextlib
import time
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from raspine.model_identity import ModelIdentity
from raspine.pacs import audit, ledger

FETCH, ANSWER, SEND, POLL = STEPS = ("fetch", "answer", "send", "poll")
ARCHIVE, DESTINATION, MODEL, STATE = PARTNERS = ("archive", "destination", "model", "state_folder")
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """The worker's figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._jobs = Gauge("raspine_pacs_jobs", "Jobs by state.", ["state"], registry=self.registry)
        self._seconds = Histogram(
            "raspine_pacs_step_seconds", "Duration of steps.", ["step"], buckets=_SECONDS, registry=self.registry
        )
        self._queue = Gauge("raspine_pacs_queue_length", "Jobs and objects that wait.", registry=self.registry)
        self._bytes = Gauge("raspine_pacs_held_bytes", "Bytes of image files held.", registry=self.registry)
        self._retries = Counter("raspine_pacs_retries", "Failed attempts of jobs.", registry=self.registry)
        self._errors = Counter(
            "raspine_pacs_partner_errors",
            "Times that a partner could not be reached.",
            ["partner"],
            registry=self.registry,
        )
        self._events = Counter("raspine_pacs_events", "Events of the audit log.", ["event"], registry=self.registry)
        self._model = Gauge(
            "raspine_pacs_model",
            "The models that answer.",
            ["kind", "name", "version", "variant"],
            registry=self.registry,
        )
        for partner in PARTNERS:
            self._errors.labels(partner)
        for event in (*audit.EVENTS, *audit.NETWORK_EVENTS, audit.MODEL_REPLACED, *audit.PARTNER_EVENTS):
            self._events.labels(event)
        self.stands(dict.fromkeys(ledger.STATES, 0), 0, 0)

    def stands(self, counts: Mapping[str, int], queue: int, held: int) -> None:
        """Takes what the ledger says."""
        for state, count in counts.items():
            self._jobs.labels(state).set(count)
        self._queue.set(queue)
        self._bytes.set(held)

    def models(self, identities: Mapping[str, ModelIdentity]) -> None:
        """Takes which model answers each kind of job."""
        self._model.clear()
        for kind, one in identities.items():
            self._model.labels(kind, one.name, one.version, one.variant).set(1)

    def event(self, name: str) -> None:
        """Counts an event of the audit log."""
        self._events.labels(name).inc()

    def retry(self) -> None:
        """Counts a failed attempt."""
        self._retries.inc()

    def outage(self, partner: str) -> None:
        """Counts a time that a partner could not be reached."""
        self._errors.labels(partner).inc()

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measures a step, failed ones too."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._seconds.labels(step).observe(time.monotonic() - start)

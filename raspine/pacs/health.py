"""The health page: HTTP with /healthz, /readyz, /metrics and a page for people; no identifiers, GET only."""

import contextlib
import dataclasses
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from html import escape

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = 10.0  # that a caller may take to ask
_PLAIN, _HTML, _JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>raspine beside the archive</title>
<style>body {{ font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 40em; padding: 0 1em; color: #222 }}
table {{ border-collapse: collapse }} th, td {{ text-align: left; padding: .2em 1.5em .2em 0; font-weight: normal }}
td {{ font-variant-numeric: tabular-nums }}</style></head>
<body><h1>raspine beside the archive</h1><p>{ready}</p>
<table>{rows}</table>
<p>Research use only. <a href="metrics">metrics</a> <a href="readyz">readiness</a></p></body></html>
"""


@dataclasses.dataclass(frozen=True)
class Status:
    """How the worker is.

    Attributes:
      checks: what must work, and whether it does.
      facts: what the page shows, in its order.
      reasons: why what does not work does not, as far as that is known.
    """

    checks: Mapping[str, bool]
    facts: Mapping[str, object]
    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether everything works."""
        return all(self.checks.values())

    def lost(self) -> dict[str, str]:
        """Returns what does not work, with the reason."""
        return {name: _lost(self.reasons.get(name, "")) for name, works in self.checks.items() if not works}


def _lost(reason: str) -> str:
    return f"not reachable: {reason}" if reason else "not reachable"


@contextlib.contextmanager
def serving(address: str, port: int, status: Callable[[], Status], registry: CollectorRegistry) -> Iterator[int]:
    """Serves the health page within the block and yields the port.

    Args:
      address: of the interface.
      port: TCP; 0 for any free one.
      status: asked at each request.
      registry: of the metrics.
    """
    handler = type("Handler", (_Handler,), {"status": staticmethod(status), "registry": registry})
    server = http.server.ThreadingHTTPServer((address, port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    status: Callable[[], Status]
    registry: CollectorRegistry
    timeout = _SECONDS
    server_version, sys_version = "raspine", ""

    def do_GET(self) -> None:
        """Answers the four paths."""
        answers: dict[str, Callable[[], tuple[int, str, bytes]]] = {
            "/healthz": lambda: (200, _PLAIN, b"alive\n"),
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/": self._page,
        }
        answer = answers.get(self.path)
        self._send(*(answer() if answer else (404, _PLAIN, b"not found\n")))

    def log_message(self, *_: object) -> None:
        """Says nothing: probes come every few seconds."""

    def _ready(self) -> tuple[int, str, bytes]:
        found = type(self).status()
        checks = dict.fromkeys(found.checks, "ok") | found.lost()
        return (200 if found.is_ready else 503), _JSON, json.dumps(checks).encode() + b"\n"

    def _metrics(self) -> tuple[int, str, bytes]:
        type(self).status()
        return 200, CONTENT_TYPE_LATEST, generate_latest(type(self).registry)

    def _page(self) -> tuple[int, str, bytes]:
        found = type(self).status()
        bad = "; ".join(f"{name} {why}" for name, why in found.lost().items())
        ready = escape(bad) or "Everything it needs can be reached."
        rows = "\n".join(
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
            for name, value in found.facts.items()
        )
        return 200, _HTML, _PAGE.format(ready=ready, rows=rows).encode()

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", _POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

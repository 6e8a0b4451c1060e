"""What can go wrong with an endpoint, each as one line: the code, what, where, and what to do.

Codes are gRPC's, over REST too, and four of our own: TOO_LARGE (a message beyond a limit), UNTRUSTED (TLS), BAD_ANSWER,
and SETTINGS (address or options).
"""

import re

TOO_LARGE, UNTRUSTED, BAD_ANSWER, SETTINGS = "TOO_LARGE", "UNTRUSTED", "BAD_ANSWER", "SETTINGS"

# After these the same request may be asked again: a prediction changes nothing on the server.
_TRANSIENT = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
# The request itself is wrong; another one may be answered.
_REFUSED = ("INVALID_ARGUMENT", "OUT_OF_RANGE", TOO_LARGE)
_ADVICE = {
    "UNAVAILABLE": "Is the server running, and ready at this address?",
    "DEADLINE_EXCEEDED": "Allow it more time, or ask less of it at once.",
    "RESOURCE_EXHAUSTED": "The server has too much to do: ask later, or less at once.",
    "UNAUTHENTICATED": "Give the server's token or a client certificate.",
    "PERMISSION_DENIED": "Ask whoever runs the server for access.",
    "NOT_FOUND": "Compare model, version and label with what the server serves.",
    "FAILED_PRECONDITION": "Is it a model that experiments.export wrote?",
    "UNIMPLEMENTED": "Is it TensorFlow Serving, or one that speaks its protocol, at this address?",
    "INTERNAL": "The server's log says more.",
    "UNKNOWN": "The server's log says more.",
    TOO_LARGE: "Raise the limit of whoever refused it.",
    UNTRUSTED: "Give the certificate authority's file, and the name that the certificate is for.",
}
_LONGEST = 400
_NO_TLS = "WRONG_VERSION_NUMBER"  # what OpenSSL and BoringSSL make of an answer that is no TLS
# Where in TensorFlow's graph it was, and the record that it repeats when it cannot read it.
_PLACE = re.compile(r"\[(Op:|\[?\{\{node).*|, value: '.*", re.DOTALL)
_ASSERTION = re.compile(r".*?raspine: (.*?Received:)\] \[(.*)\]\s*$", re.DOTALL)


class EndpointError(Exception):
    """A call of an endpoint failed.

    Attributes:
      code: see the module.
      what: what happened, one line.
      where: the endpoint and the signature asked for.
      request_id: what the request goes by in the server's log; empty when nothing was sent.
      retry_after: seconds after which the server wants to be asked again; None when it says nothing.
      attempts: how often the request was sent.
    """

    def __init__(
        self, code: str, what: str, where: str = "", request_id: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(code, what, where, request_id, retry_after)
        self.code, self.what, self.where = code, readable(what), where
        self.request_id, self.retry_after, self.attempts = request_id, retry_after, 1

    def __str__(self) -> str:
        often = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        asked = f" Asked{often}: {self.where}" if self.where else ""
        known = f", request {self.request_id}." if self.request_id else "." if asked else ""
        advice = f" {_ADVICE[self.code]}" if self.code in _ADVICE else ""
        return f"{self.code}: {self.what.rstrip('.')}.{asked}{known}{advice}"

    @property
    def is_transient(self) -> bool:
        """Whether the same request may be answered a little later."""
        return self.code in _TRANSIENT


class RefusedError(EndpointError):
    """The server, or a limit on the way, refuses this request; another one may be answered."""


class AnswerError(EndpointError):
    """The server answers something that no model of its kind can answer, or that contradicts itself."""


class SettingsError(EndpointError, ValueError):
    """The address or the options of an endpoint are wrong; nothing was sent."""


def of_code(
    code: str, what: str, where: str = "", request_id: str = "", retry_after: float | None = None
) -> EndpointError:
    """Returns the error that a code stands for."""
    kind = RefusedError if code in _REFUSED else EndpointError
    return kind(code, what, where, request_id, retry_after)


def of_handshake(what: str) -> EndpointError:
    """Returns the error of a TLS handshake that failed: the server shows the wrong certificate, or speaks no TLS."""
    if _NO_TLS in what:
        return of_code("UNAVAILABLE", "the server does not speak TLS at this port")
    return of_code(UNTRUSTED, what)


def bad_answer(what: str, where: str = "", request_id: str = "") -> AnswerError:
    """Returns the error of an answer that cannot be right."""
    return AnswerError(BAD_ANSWER, what, where, request_id)


def wrong_settings(what: str) -> SettingsError:
    """Returns the error of an address or of options."""
    return SettingsError(SETTINGS, what)


def readable(message: str) -> str:
    """Returns a server's message as one line without control characters and places in TensorFlow's graph."""
    text = _PLACE.sub("", message)
    if found := _ASSERTION.match(text.strip()):
        text = f"{found[1]} {found[2]}"
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(printable.split()) or "no message"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."

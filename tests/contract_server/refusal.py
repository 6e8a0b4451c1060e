"""A request that is refused: gRPC's code, and the HTTP status that TensorFlow Serving gives for it."""

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class Refusal(Exception):  # noqa: N818 - it names an outcome
    """A request is refused.

    Attributes:
      code: name of gRPC's status code.
      message: why, for whoever sent the request.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, "".join(letter if letter.isprintable() else "?" for letter in message)
        super().__init__(self.message)

    @property
    def http_status(self) -> int:
        """The HTTP status of the code; 500 for what has none of its own."""
        return HTTP_STATUS.get(self.code, 500)


def invalid(message: str) -> Refusal:
    """Returns the refusal of a request that is wrong in itself."""
    return Refusal("INVALID_ARGUMENT", message)

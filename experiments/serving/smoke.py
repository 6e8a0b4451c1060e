"""Asks a served raspine model for answers and says whether they are what they have to be. Needs Python 3.9 alone.

    python smoke.py http://localhost:8501/v1/models/atlantoaxial
    python smoke.py https://host:8443/v1/models/atlantoaxial/labels/canary --ca=ca.crt --cert=me.crt --key=me.key

Copy this one file to where the server is. It runs against any server with `POST /v1/models/NAME:predict` (TensorFlow
Serving, KServe) and needs nothing else of it: it makes its own picture, or takes a grey PNG of yours (--png), asks by
PNG and by array, sends bad requests, and lists what else it finds. /labels/L or /versions/N may follow the name.

  ok      as it has to be
  FAILED  wrong; the exit status is then 1
  absent  this server or model does not have it; no fault

Exits with 0 when nothing failed and the model answered, 1 otherwise, 2 when the arguments are wrong. Research use only.
"""

from __future__ import annotations

import argparse
import base64
import functools
import http.client
import json
import math
import os
import re
import ssl
import statistics
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

OK, FAILED, ABSENT = "ok", "FAILED", "absent"
LANDMARKS, DEFORMITY = "landmarks", "deformity"
SIGNATURES = "serving_default", "serve_png", "serve_example", "describe", "gradcam", "gradcam_png", "gradcam_example"
METRICS = "/monitoring/prometheus/metrics", "/metrics"
PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
MODEL_URL = re.compile(
    r"(https?://(?:[\w.-]+|\[[\w:.%]+\])(?::\d{1,5})?(?:/[\w.~-]+)*?)"  # a proxy may have a path of its own
    r"(/v1/models/[\w.-]+)((?:/versions/\d+|/labels/[\w.-]+)?)(?::predict)?/?",
    re.ASCII,
)
LARGEST_ANSWER = 64 << 20  # bytes
PIXELS_APART, SHARES_APART, MM_APART = 0.01, 1e-4, 0.01
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": float.__gt__, ">=": float.__ge__, "<": float.__lt__, "<=": float.__le__,
}  # fmt: skip

# What an answer leads to that is of another form than it has to be.
NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

Picture = list[list[int]]  # rows of 16-bit grey values


class Wrong(Exception):  # noqa: N818 - it names an outcome
    """What was asked for is there and not as it has to be."""


class Absent(Exception):  # noqa: N818 - it names an outcome
    """The server or the model does not have it."""


class Reply(NamedTuple):
    """What a server sent: the HTTP status, the JSON (or text) and the seconds it took."""

    status: int
    body: Any
    seconds: float

    def message(self) -> str:
        """Returns its error, on one line, from where the model itself speaks."""
        text = self.body.get("error", self.body) if isinstance(self.body, dict) else self.body
        words = " ".join(str(text).split())
        return words[max(words.find("raspine:"), 0) :][:160]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follows none: a picture goes where it was sent, and nowhere else."""


class Endpoint:
    """A model of a server."""

    def __init__(self, url: str, context: ssl.SSLContext | None, timeout: float) -> None:
        found = MODEL_URL.fullmatch(url)
        if not found:
            raise ValueError(f"the address is http(s)://HOST:PORT/v1/models/NAME[/labels/L]. Received: '{url}'.")
        self.root, self.model, self.place = found.groups()
        self._timeout = timeout
        # Proxies of the environment are left aside: a hospital's model server is not reached through them.
        handlers: list[Any] = [urllib.request.ProxyHandler({}), _NoRedirect()]
        self._open = urllib.request.build_opener(*handlers, urllib.request.HTTPSHandler(context=context)).open

    def get(self, path: str) -> Reply:
        """Returns what a path of the server gives."""
        return self._send(urllib.request.Request(self.root + path))

    def predict(self, body: bytes | dict[str, Any], place: str | None = None) -> Reply:
        """Returns what the model answers to a body, as bytes or to be written as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        address = f"{self.root}{self.model}{self.place if place is None else place}:predict"
        return self._send(urllib.request.Request(address, data, {"Content-Type": "application/json"}, method="POST"))

    def rows(self, signature: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Returns the answer to each row.

        Raises:
          Absent: the model has no such signature, or the server takes none of its types (TensorFlow Serving's REST
            interface knows no uint16: arrays go there by gRPC).
          Wrong: the server refuses the request, or its answer is of another form.
        """
        reply = self.predict({"signature_name": signature, "instances": rows})
        if 400 <= reply.status < 500 and "signature" in reply.message().lower():
            raise Absent(f"no signature '{signature}'")
        if reply.status == 501:
            raise Absent(f"not by REST: {reply.message()}")
        if reply.status != 200:
            raise Wrong(f"status {reply.status}: {reply.message()}")
        answers = reply.body.get("predictions") if isinstance(reply.body, dict) else None
        if not isinstance(answers, list) or len(answers) != len(rows):
            raise Wrong(f"'predictions' has no entry for each of {len(rows)} instances: {reply.message()}")
        return answers

    def _send(self, request: urllib.request.Request) -> Reply:
        begun = time.perf_counter()
        try:
            with self._open(request, timeout=self._timeout) as stream:
                status, text = stream.status, stream.read(LARGEST_ANSWER)
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read(LARGEST_ANSWER)
        except (http.client.HTTPException, UnicodeError) as error:
            raise ConnectionError(f"no whole HTTP answer ({type(error).__name__}): is this the REST port?") from error
        seconds = time.perf_counter() - begun
        words = text.decode("utf-8", "replace")
        try:
            return Reply(status, json.loads(words), seconds)
        except ValueError:
            return Reply(status, words, seconds)


def made_picture(height: int, width: int, shift: int = 0) -> Picture:
    """Returns smooth waves over the whole range of 16 bits."""
    down = [math.sin((y + shift) / 17) for y in range(height)]
    along = [math.cos((x - shift) / 23) for x in range(width)]
    return [[round(32767.5 * (1 + a * b)) for b in along] for a in down]


def png(picture: Picture) -> bytes:
    """Returns a 16-bit grey PNG of a picture."""
    lines = b"".join(b"\0" + struct.pack(f">{len(row)}H", *row) for row in picture)
    return header(len(picture), len(picture[0])) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")


def header(height: int, width: int) -> bytes:
    """Returns the beginning of a 16-bit grey PNG, its picture still to come."""
    return PNG_BEGIN + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def binary(data: bytes) -> dict[str, str]:
    """Returns bytes as the REST interface takes them."""
    return {"b64": base64.b64encode(data).decode()}


def number(value: Any) -> float:
    """Returns a number of an answer; null, which some servers write for NaN, as NaN."""
    if value is None:
        return math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise Wrong(f"no number: {str(value)[:40]}")


def numbers(value: Any) -> list[float]:
    """Returns all numbers of nested lists in their order."""
    return [one for part in value for one in numbers(part)] if isinstance(value, list) else [number(value)]


def named(answer: Any, names: list[str]) -> None:
    """Raises Wrong unless an answer has these outputs."""
    missing = [name for name in names if not isinstance(answer, dict) or name not in answer]
    if missing:
        raise Wrong(f"the answer lacks {', '.join(missing)}")


def apart(one: list[float], two: list[float]) -> float:
    """Returns the largest difference of two lists of numbers, infinite where one alone is NaN or has more."""
    if len(one) != len(two):
        return math.inf
    pairs = [(a, b) for a, b in zip(one, two) if not (math.isnan(a) and math.isnan(b))]  # noqa: B905 - Python 3.9
    return max((math.inf if math.isnan(a - b) else abs(a - b) for a, b in pairs), default=0.0)


def sensible_film(answer: dict[str, Any], size: tuple[int, int], spacing: list[float], card: dict[str, Any]) -> str:
    """Checks names, shapes and plausibility of a film's answer against picture, spacing and card; returns its words."""
    named(answer, ["points_px", "confidence", "verdict"])
    points = [numbers(point) for point in answer["points_px"]]
    confidence = numbers(answer["confidence"])
    schema = card.get("schema", {})
    if len(points) != len(schema.get("landmarks", points)) or len(confidence) != len(points):
        raise Wrong(f"{len(points)} points and {len(confidence)} confidences")
    for x, y in points:
        if x < -0.5 * size[1] or y < -0.5 * size[0] or x > 1.5 * size[1] or y > 1.5 * size[0]:
            raise Wrong(f"a point far outside the picture: ({x:.1f}, {y:.1f})")
    if not all(0 <= value <= 1 + SHARES_APART for value in confidence):
        raise Wrong("a confidence outside 0..1")
    for distance in schema.get("distances", []):
        _measured(answer, points, spacing, schema["landmarks"], distance)
    verdict = number(answer["verdict"])
    if verdict not in (1, 0, -1) or (math.isnan(spacing[0]) and verdict != -1):
        raise Wrong(f"verdict {verdict:g}")
    if schema and not math.isnan(spacing[0]) and verdict != _verdict(answer, schema["distances"]):
        raise Wrong(f"verdict {verdict:g} does not follow from the distances")
    millimetres = [f"{name} {number(answer[name]):.2f}" for name in sorted(answer) if name.endswith("_mm")]
    return ", ".join([f"{len(points)} points", *millimetres, f"verdict {verdict:g}"])


def _measured(
    answer: dict[str, Any], points: list[list[float]], spacing: list[float], names: list[str], rule: dict[str, Any]
) -> None:
    """Raises Wrong unless a distance in mm is the one between its points, spacing being (row, column)."""
    name = f"{rule['name']}_mm"
    named(answer, [name])
    start, end = (points[names.index(rule[key])] for key in ("start", "end"))
    expected = math.hypot((end[0] - start[0]) * spacing[1], (end[1] - start[1]) * spacing[0])
    if apart([number(answer[name])], [expected]) > MM_APART:
        raise Wrong(f"{name} is {number(answer[name]):.3f}, between its points lie {expected:.3f} mm")


def _verdict(answer: dict[str, Any], rules: list[dict[str, Any]]) -> int:
    ruled = [(number(answer[f"{r['name']}_mm"]), r) for r in rules if r.get("threshold_mm") is not None]
    if any(COMPARISONS[r["comparison"]](value, float(r["threshold_mm"])) for value, r in ruled):
        return 1
    return 0 if ruled and not any(math.isnan(value) for value, _ in ruled) else -1


def sensible_study(answer: dict[str, Any], card: dict[str, Any]) -> str:
    """Checks names and plausibility of a study's answer; returns its words."""
    named(answer, ["risk", "logit", "verdict"])
    risk, logit, verdict = (number(answer[name]) for name in ("risk", "logit", "verdict"))
    if not 0 <= risk <= 1 or abs(risk - 1 / (1 + math.exp(-logit))) > SHARES_APART:
        raise Wrong(f"risk {risk:g}, logit {logit:g}")
    threshold = card.get("threshold")
    if verdict not in (0, 1) or (
        threshold is not None and abs(risk - threshold) > SHARES_APART and verdict != (risk >= threshold)
    ):
        raise Wrong(f"verdict {verdict:g} at a risk of {risk:g} and a threshold of {threshold}")
    return f"risk {risk:.4f}, verdict {verdict:g}"


class Subject(NamedTuple):
    """What is sent to a model, and how its answers are judged.

    Attributes:
      task: of the model.
      by_png, by_array: rows for `serve_png` and `serving_default` that show the same picture.
      other: a row for `serve_png` that shows another one, of another size where that is allowed.
      compared: the output that must not depend on the form.
      tolerance: of that output.
      judge: returns words on an answer, or raises Wrong; takes the answer and the row.
    """

    task: str
    by_png: dict[str, Any]
    by_array: dict[str, Any]
    other: dict[str, Any]
    compared: str
    tolerance: float
    judge: Callable[[dict[str, Any], dict[str, Any]], str]


def film(card: dict[str, Any], given: bytes | None, spacing: list[float]) -> Subject:
    """Returns what is sent to a landmark model."""
    picture, other = made_picture(200, 160), made_picture(170, 210, 5)
    sizes = {"": (200, 160), binary(png(other))["b64"]: (170, 210)}
    data = png(picture)
    if given:
        width, height = struct.unpack(">II", given[16:24])
        sizes[binary(given)["b64"]] = (height, width)
        other_data = given
    else:
        other_data = png(other)

    def judge(answer: dict[str, Any], row: dict[str, Any]) -> str:
        size = sizes.get(row.get("png", {}).get("b64", ""), sizes[""])
        return sensible_film(answer, size, row["pixel_spacing"], card)

    return Subject(
        LANDMARKS,
        {"png": binary(data), "pixel_spacing": spacing},
        {"image": picture, "pixel_spacing": spacing},
        {"png": binary(other_data), "pixel_spacing": spacing},
        "points_px",
        PIXELS_APART,
        judge,
    )


def study(card: dict[str, Any], inputs: dict[str, Any], given: bytes | None) -> Subject:
    """Returns what is sent to a risk model: as many slices, as large and with such pixels as its card says."""
    settings = card.get("settings", {})
    choice = settings.get("choice", {})
    shape = [int(d["size"]) for d in inputs.get("image", {}).get("tensor_shape", {}).get("dim", [])]
    count = choice.get("count") or (shape[1] if len(shape) == 4 and shape[1] > 0 else 6)
    height, width = settings.get("height", 512), settings.get("width", 512)
    pixel = 1.0 if choice.get("kind") == "paper_literal" else choice.get("pixel_mm", 0.5)
    more: dict[str, Any] = {"pixel_spacing": [pixel, pixel]}
    if settings.get("columns") or "clinical" in inputs:
        more["clinical"] = [60.0, 1.0, 12.0, 1.0, 1.0, 0.0]
    slices = [made_picture(height, width, 9 * number) for number in range(count)]
    others = [given or png(made_picture(height + 8, width + 4, 5 * number)) for number in range(count)]
    return Subject(
        DEFORMITY,
        {"png": [binary(png(one)) for one in slices], **more},
        {"image": slices, **more},
        {"png": [binary(one) for one in others], **more},
        "risk",
        SHARES_APART,
        lambda answer, _: sensible_study(answer, card),
    )


def bad_requests(subject: Subject, signature: str) -> dict[str, bytes | dict[str, Any]]:
    """Returns bodies that must be refused, by what is wrong with them; `signature` is one that the model answers to."""
    by_png, by_array = subject.by_png, subject.by_array
    films = subject.task == LANDMARKS
    good = by_png if signature == "serve_png" else by_array

    def body(signature: str, row: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return {"signature_name": signature, "instances": [{**row, **changes}]}

    def pictures(data: bytes) -> Any:
        return binary(data) if films else [binary(data)] * len(by_png["png"])

    lacking = {name: value for name, value in good.items() if name != "pixel_spacing"}
    bomb = header(60000, 60000) + _chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + _chunk(b"IEND", b"")
    fractions = [[0.5] * 32] * 32
    whole = base64.b64decode(subject.other["png"]["b64"] if films else subject.other["png"][0]["b64"])
    return {
        "spacing 0": body(signature, good, pixel_spacing=[0.0, 0.2]),
        "negative spacing": body(signature, good, pixel_spacing=[0.2, -0.2]),
        "input left out": {"signature_name": signature, "instances": [lacking]},
        "unknown input": body(signature, good, colour=1),
        "fractions for uint16": body("serving_default", by_array, image=fractions if films else [fractions]),
        "words for numbers": body(signature, good, pixel_spacing=["a", "b"]),
        "wrong rank": body("serving_default", by_array, image=[1, 2, 3]),
        "no instance": {"signature_name": signature, "instances": []},
        "PNG cut short": body("serve_png", by_png, png=pictures(whole[: len(whole) // 2])),
        "not a PNG": body("serve_png", by_png, png=pictures(b"not a picture")),
        "PNG of a claimed 3.6 gigapixels": body("serve_png", by_png, png=pictures(bomb)),
        "unknown signature": body("no_such_signature", good),
        "broken JSON": b'{"instances": [',
        "empty body": b"",
    }


class Examination:
    """Checks of one endpoint, one after the other; `lines` has (check, result, words) of each."""

    def __init__(self, endpoint: Endpoint, given: bytes | None, spacing: list[float]) -> None:
        self.endpoint = endpoint
        self.lines: list[tuple[str, str, str]] = []
        self.card: dict[str, Any] = {}
        self.signatures: dict[str, Any] = {}
        self.latency_ms: dict[str, float] = {}
        self.answered = False
        self._given, self._spacing = given, spacing

    def check(self, name: str, action: Callable[[], str]) -> bool:
        """Notes what an action returns, or why it failed; returns whether it went well."""
        try:
            result, words = OK, action()
        except Absent as error:
            result, words = ABSENT, str(error)
        except (Wrong, OSError, *NONSENSE) as error:
            result, words = FAILED, str(error) if isinstance(error, (Wrong, OSError)) else repr(error)
        self.lines.append((name, result, " ".join(words.split())))
        return result == OK

    def run(self, repeats: int) -> None:
        """Runs all checks."""
        self.check("status", self._status)
        self.check("metadata", self._metadata)
        self.check("card", self._describe)
        subject = self._subject()
        by_png = self.check("PNG", lambda: self._answers("serve_png", [subject.by_png], subject))
        by_array = self.check("array", lambda: self._answers("serving_default", [subject.by_array], subject))
        self.answered = by_png or by_array
        if by_png and by_array:
            self.check("PNG and array agree", lambda: self._agree(subject))
        rows = [subject.by_png, subject.other, subject.by_png]
        self.check("batch of three PNGs, two sizes", lambda: self._batch(subject, rows))
        if subject.task == LANDMARKS:
            unknown = {**subject.by_png, "pixel_spacing": [math.nan, math.nan]}
            self.check("spacing unknown", lambda: self._nan(subject, unknown))
        else:
            self.check("Grad-CAM", lambda: self._gradcam(subject))
        self.check("columnar form", lambda: self._columnar(subject))
        if self.answered:
            signature, good = ("serve_png", subject.by_png) if by_png else ("serving_default", subject.by_array)
            for name, body in bad_requests(subject, signature).items():
                self.check(f"refused: {name}", functools.partial(self._refused, body))
            other = {"signature_name": signature, "instances": [good]}
            place = "/versions/999999999"
            self.check("refused: unknown version", functools.partial(self._refused, other, place))
            self.check("unharmed afterwards", lambda: self._answers(signature, [good], subject))
            self.check("latency", lambda: self._latency({"signature_name": signature, "instances": [good]}, repeats))
        for label in ("stable", "canary", "previous"):
            self.check(f"label {label}", functools.partial(self._label, label))
        self.check("Prometheus metrics", self._metrics)

    def _status(self) -> str:
        reply = self.endpoint.get(self.endpoint.model + self.endpoint.place)
        if reply.status in (404, 405, 501):
            raise Absent(f"status {reply.status}")
        if reply.status != 200 or not isinstance(reply.body, dict):
            raise Wrong(f"status {reply.status}: {reply.message()}")
        versions = reply.body.get("model_version_status")
        if versions is None:
            if reply.body.get("ready") is not True:
                raise Wrong(f"not ready: {reply.message()}")
            return "ready"
        if not any(one.get("state") == "AVAILABLE" for one in versions):
            raise Wrong(f"no version is available: {reply.message()}")
        return ", ".join(f"version {one.get('version')} {one.get('state')}" for one in versions)

    def _metadata(self) -> str:
        reply = self.endpoint.get(f"{self.endpoint.model}{self.endpoint.place}/metadata")
        if reply.status != 200:
            raise Absent(f"status {reply.status}")
        self.signatures = reply.body["metadata"]["signature_def"]["signature_def"]
        known = [name for name in SIGNATURES if name in self.signatures]
        if "serving_default" not in known:
            raise Wrong(f"no serving_default among {', '.join(sorted(self.signatures))}")
        version = reply.body.get("model_spec", {}).get("version", "?")
        return f"version {version}: {', '.join(known)}"

    def _describe(self) -> str:
        [answer] = self.endpoint.rows("describe", [{"request": "card"}])
        # A signature with one output gives the bare value in row form.
        text = answer["card"] if isinstance(answer, dict) and "card" in answer else answer
        if isinstance(text, dict):
            text = base64.b64decode(text["b64"]).decode()
        self.card = json.loads(text)
        named(self.card, ["name", "version", "task", "digest"])
        told = "{name} {version}, {task}, {variant}".format(**{"variant": "?", **self.card})
        return f"{told}, digest {str(self.card['digest'])[:12]}"

    def _subject(self) -> Subject:
        default = self.signatures.get("serving_default", {})
        task = self.card.get("task")
        if task is None and default:
            task = DEFORMITY if "risk" in default.get("outputs", {}) else LANDMARKS
        films = film(self.card, self._given, self._spacing)
        if task is None:
            task = LANDMARKS if self._takes(films) else DEFORMITY
        return films if task == LANDMARKS else study(self.card, default.get("inputs", {}), self._given)

    def _takes(self, subject: Subject) -> bool:
        """Whether a model that says nothing about itself answers to a film."""
        for signature, row in (("serve_png", subject.by_png), ("serving_default", subject.by_array)):
            try:
                return subject.compared in self.endpoint.rows(signature, [row])[0]
            except (Absent, Wrong, OSError):
                continue
        return False

    def _answers(self, signature: str, rows: list[dict[str, Any]], subject: Subject) -> str:
        answers = self.endpoint.rows(signature, rows)
        words = [subject.judge(answer, row) for answer, row in zip(answers, rows)]  # noqa: B905 - Python 3.9
        return "; ".join(words)

    def _compare(self, subject: Subject, one: Any, two: Any) -> str:
        difference = apart(numbers(one[subject.compared]), numbers(two[subject.compared]))
        if difference > subject.tolerance:
            raise Wrong(f"{subject.compared} differ by {difference:.3g}")
        return f"{subject.compared} within {difference:.1e}"

    def _agree(self, subject: Subject) -> str:
        [one] = self.endpoint.rows("serve_png", [subject.by_png])
        [two] = self.endpoint.rows("serving_default", [subject.by_array])
        return self._compare(subject, one, two)

    def _batch(self, subject: Subject, rows: list[dict[str, Any]]) -> str:
        together = self.endpoint.rows("serve_png", rows)
        alone = [self.endpoint.rows("serve_png", [row])[0] for row in rows]
        for answer, row in zip(together, rows):  # noqa: B905 - Python 3.9
            subject.judge(answer, row)
        words = [self._compare(subject, one, two) for one, two in zip(together, alone)]  # noqa: B905 - Python 3.9
        return f"as one by one: {words[1]}"

    def _nan(self, subject: Subject, row: dict[str, Any]) -> str:
        reply = self.endpoint.predict({"signature_name": "serve_png", "instances": [row]})
        if 400 <= reply.status < 500:
            raise Absent(f"the server takes no NaN: {reply.message()[:60]}")
        return subject.judge(reply.body["predictions"][0], row)

    def _gradcam(self, subject: Subject) -> str:
        [answer] = self.endpoint.rows("gradcam_png", [subject.by_png])
        named(answer, ["gradcam", "risk"])
        subject.judge(answer, subject.by_png)
        values = numbers(answer["gradcam"])
        if not values or not all(0 <= value < math.inf for value in values):
            raise Wrong("a map that is empty, negative or not finite")
        return f"{len(values)} values, at most {max(values):.3g}; risk {number(answer['risk']):.4f}"

    def _columnar(self, subject: Subject) -> str:
        inputs = {name: [value] for name, value in subject.by_png.items()}
        reply = self.endpoint.predict({"signature_name": "serve_png", "inputs": inputs})
        outputs = reply.body.get("outputs") if reply.status == 200 and isinstance(reply.body, dict) else None
        if not isinstance(outputs, dict):
            raise Absent(f"status {reply.status}")
        [row] = self.endpoint.rows("serve_png", [subject.by_png])
        return self._compare(subject, {name: value[0] for name, value in outputs.items()}, row)

    def _refused(self, body: bytes | dict[str, Any], place: str | None = None) -> str:
        reply = self.endpoint.predict(body, place)
        if not (400 <= reply.status < 500 or reply.status == 501):
            raise Wrong(f"status {reply.status}, where 400 is due: {reply.message()}")
        return f"{reply.status}: {reply.message()}"

    def _latency(self, body: dict[str, Any], repeats: int) -> str:
        times = sorted(1000 * self.endpoint.predict(body).seconds for _ in range(repeats))
        self.latency_ms = {"median": statistics.median(times), "worst": times[-1]}
        return "median {median:.1f} ms, worst {worst:.1f} ms".format(**self.latency_ms) + f" of {repeats}"

    def _label(self, label: str) -> str:
        reply = self.endpoint.get(f"{self.endpoint.model}/labels/{label}")
        versions = reply.body.get("model_version_status") if isinstance(reply.body, dict) else None
        if reply.status != 200 or not versions:
            raise Absent(f"status {reply.status}")
        return ", ".join(f"version {one.get('version')} {one.get('state')}" for one in versions)

    def _metrics(self) -> str:
        for path in METRICS:
            reply = self.endpoint.get(path)
            if reply.status == 200 and "# TYPE" in str(reply.body):
                return f"{path}: {str(reply.body).count('# TYPE')} metrics"
        raise Absent("on none of " + ", ".join(METRICS))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Returns the arguments, checked."""
    description, _, _ = (__doc__ or "").partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        description=description, formatter_class=form, epilog=(__doc__ or "")[len(description) :]
    )
    parser.add_argument("url", help="http(s)://HOST:PORT/v1/models/NAME, also with /labels/L or /versions/N")
    parser.add_argument("--ca", help="certificate authority of the server (PEM); the machine's own unless given")
    parser.add_argument("--cert", help="certificate of this client (PEM), where the server asks for one")
    parser.add_argument("--key", help="its private key (PEM)")
    parser.add_argument(
        "--png", help="a grey PNG to send as well (as each slice of a study); it goes to the server alone"
    )
    parser.add_argument("--spacing", default="0.2,0.2", help="ROW,COLUMN mm of films (default: 0.2,0.2)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a request may take (default: 60)")
    parser.add_argument("--repeats", type=int, default=5, help="requests that are timed (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args(arguments)
    try:
        options.spacing = [float(part) for part in options.spacing.split(",")]
        if len(options.spacing) != 2 or not all(0 < value < math.inf for value in options.spacing):
            raise ValueError("--spacing is ROW,COLUMN, two positive numbers of mm.")
        if not (0 < options.timeout < math.inf and options.repeats > 0):
            raise ValueError("--timeout and --repeats are above 0.")
        options.endpoint = Endpoint(options.url, _context(options), options.timeout)
        options.given = _read_png(options.png) if options.png else None
    except (OSError, ValueError) as error:
        parser.error(" ".join(str(error).split()))
    return options


def _context(options: argparse.Namespace) -> ssl.SSLContext:
    for name, path in (("ca", options.ca), ("cert", options.cert), ("key", options.key)):
        if path and not os.path.isfile(path):  # what ssl raises does not name it
            raise ValueError(f"--{name}: no such file: '{path}'.")
    try:
        context = ssl.create_default_context(cafile=options.ca)
        if options.cert:
            context.load_cert_chain(options.cert, options.key)
    except ssl.SSLError as error:
        raise ValueError(f"--ca, --cert and --key are PEM, the key that of the certificate: {error}") from error
    return context


def _read_png(path: str) -> bytes:
    with open(path, "rb") as stream:
        data = stream.read()
    if not data.startswith(PNG_BEGIN) or len(data) < 33:
        raise ValueError(f"'{path}' is no PNG.")
    return data


def table(lines: list[tuple[str, str, str]]) -> str:
    """Returns the checks as lines of text."""
    width = max(len(line[0]) for line in lines)
    return "\n".join(f"{name:{width}}  {result:6}  {words}".rstrip() for name, result, words in lines)


def main(arguments: list[str] | None = None) -> int:
    """Examines the endpoint of the arguments, prints what was found and returns the exit status."""
    options = parse(arguments)
    found = Examination(options.endpoint, options.given, options.spacing)
    try:
        options.endpoint.get(options.endpoint.model)
        found.run(options.repeats)
    except OSError as error:
        found.lines.append(("reached", FAILED, " ".join(str(error).split())))
    except NONSENSE as error:
        found.lines.append(("understood", FAILED, " ".join(repr(error).split())))
    passed = found.answered and not any(result == FAILED for _, result, _ in found.lines)
    checks = [{"check": name, "result": result, "detail": words} for name, result, words in found.lines]
    facts = {"passed": passed, "endpoint": options.url, "card": found.card, "latency_ms": found.latency_ms}
    print(json.dumps({**facts, "checks": checks}, indent=2) if options.json else table(found.lines))
    failed = sum(result == FAILED for _, result, _ in found.lines)
    summary = "everything asked for is as it has to be" if passed else f"{failed} of {len(checks)} checks failed"
    if not passed and not failed:
        summary = "the model answered nothing"
    print(f"{options.url}: {summary}", file=sys.stderr if options.json else sys.stdout)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

"""The flags of experiments.predict for a landmark model, and the measuring of films that they ask for."""

import collections
import concurrent.futures
import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from absl import flags, logging
from tqdm import tqdm

from experiments import endpoints, models, prediction, thresholds
from raspine import ahead, atomic, drawing, geometry, landmarks, measurement, program, provenance, pseudonyms, reading
from raspine.dicom import discovery
from raspine.dicom import film as film_reader
from raspine.landmarker import Landmarker
from raspine.serving.remote_landmarker import RemoteLandmarker

_SPACING = flags.DEFINE_list("spacing_mm", [], "ROW,COLUMN mm of a pixel, for files without a spacing.")
_THRESHOLDS = flags.DEFINE_list("thresholds", [], thresholds.HELP)
_MAX_SIDE = flags.DEFINE_integer("overlay_side", 1000, "Longest side of a picture.", lower_bound=600)

_HOLDERS = (_SPACING, _THRESHOLDS, _MAX_SIDE)
NAMES = tuple(holder.name for holder in _HOLDERS)
MEASURING, DRAWING = NAMES[:2], NAMES[2:]


@dataclasses.dataclass(frozen=True)
class File:
    """A file that the user gave.

    Attributes:
      path: where it is.
      name: how the outputs name it.
      refusal: why it is not even read; empty when it is.
    """

    path: pathlib.Path
    name: str
    refusal: str = ""


@dataclasses.dataclass(frozen=True)
class Work:
    """What stays the same from film to film."""

    model: Landmarker | RemoteLandmarker
    schema: landmarks.Schema
    spacing: tuple[float, float] | None
    folder: pathlib.Path
    request: prediction.Request


def check() -> tuple[float, float] | None:
    """Returns the spacing that the flags give.

    Raises:
      UsageError: it is none.
    """
    if not _SPACING.value:
        return None
    try:
        row, column = (float(value) for value in _SPACING.value)
    except ValueError:
        row = column = 0.0
    if not geometry.is_spacing((row, column)):
        raise program.UsageError(f"--spacing_mm is ROW,COLUMN, both above 0. Received: {','.join(_SPACING.value)}.")
    return row, column


def ruled(schema: landmarks.Schema) -> landmarks.Schema:
    """Returns a model's schema with the thresholds that the flags give.

    Raises:
      UsageError: they do not fit it.
    """
    return thresholds.apply(schema, _THRESHOLDS.value)


def read(path: pathlib.Path, spacing: tuple[float, float] | None) -> film_reader.Film:
    """Returns the film in a file, with the spacing given where it has none; see `raspine.dicom.film.read`."""
    film = film_reader.read(path)
    return film_reader.read(path, spacing) if spacing and film.spacing.millimetres is None else film


def predict(request: prediction.Request) -> str:
    """Measures films and returns the closing line.

    Raises:
      UsageError: model and flags do not go together.
      NothingDone: no film could be measured.
    """
    spacing = check()
    model = request.remote if isinstance(request.remote, RemoteLandmarker) else models.load(request.model)
    schema = ruled(model.schema)
    files = _named(listed(request.paths), request.private_log)
    if not files:
        raise program.NothingDone(f"no file in {request.places}: nothing to measure, and nothing was written.")
    with atomic.atomic_directory(request.output_dir) as folder:
        rows, refused = measure(files, Work(model, schema, spacing, folder, request))
        table, fields = map(_flat, rows), _fields(schema)
        prediction.write(folder, rows, table, fields, refused, _facts(rows, refused, model, schema))
        if request.private_log:
            known = {file.name: str(file.path) for file in files}
            pseudonyms.write_private_log(request.private_log, {"film": {path: name for name, path in known.items()}})
    prediction.print_refused(refused)
    return _closing(rows, refused, request.output_dir)


def measure(files: Sequence[File], work: Work) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Returns the rows of predictions.json and why other files were refused, both in the files' order.

    Films are read ahead by threads and drawn by others; only a few are in memory at a time.
    """
    refused = {file.name: file.refusal for file in files if file.refusal}
    wanted = [file for file in files if not file.refusal]
    workers = work.request.workers
    calls = (functools.partial(_read, file, work.spacing) for file in wanted)
    rows: list[dict[str, Any]] = []
    with (
        concurrent.futures.ThreadPoolExecutor(workers) as drawers,
        tqdm(total=len(wanted), desc="measuring films", unit="film", disable=not wanted) as progress,
    ):
        waiting: collections.deque[concurrent.futures.Future[None]] = collections.deque()
        for batch in prediction.batches(ahead.in_order(calls, workers), work.request.batch):
            films = {file: answer for file, answer in batch if isinstance(answer, film_reader.Film)}
            refused |= {file.name: answer for file, answer in batch if isinstance(answer, str)}
            for file, result in _measured(films, work):
                if isinstance(result, str):
                    refused[file.name] = result
                    continue
                row = reading.as_row(file.name, films[file], result, work.schema)
                if work.request.overlays:
                    row["overlay"] = f"overlays/{prediction.picture_name(file.name, len(rows) + 1)}"
                    waiting.append(drawers.submit(_draw, row, films[file], result, work))
                rows.append(row)
            while len(waiting) > 2 * workers:
                waiting.popleft().result()
            progress.update(len(batch))
        while waiting:
            waiting.popleft().result()
    return rows, {file.name: refused[file.name] for file in files if file.name in refused}


def listed(paths: Iterable[str]) -> list[File]:
    """Returns every file among paths and below folders, each once, sorted within a folder.

    What is named is read whatever it is; what stands in a folder and is no film is refused, hidden files too.
    """
    found: dict[str, File] = {}
    for path in map(pathlib.Path, paths):
        for file in _walk(path) if path.is_dir() else (File(path, _shown(path)),):
            found.setdefault(os.path.abspath(file.path), file)
    return list(found.values())


def _walk(folder: pathlib.Path) -> Iterator[File]:
    for path in discovery.walk(folder):
        yield File(path, _shown(path), _refusal(path, path.relative_to(folder).parts))


def _refusal(path: pathlib.Path, parts: Sequence[str]) -> str:
    if any(part.startswith(".") for part in parts):
        return "hidden files are left out; name it to have it read."
    return "" if film_reader.is_film_file(path) else "not a film: neither DICOM, PNG nor JPEG."


def _shown(path: pathlib.Path) -> str:
    """Returns a path as text that JSON and CSV can hold, whatever bytes the name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _named(files: list[File], private_log: str) -> list[File]:
    """Returns the files under the names of the outputs: their own, or pseudonyms when a private log is kept."""
    if not private_log:
        return files
    names = pseudonyms.assign((str(file.path) for file in files), "film-", 5)
    renamed = [dataclasses.replace(file, name=names[str(file.path)]) for file in files]
    return sorted(renamed, key=lambda file: file.name)


def _read(file: File, spacing: tuple[float, float] | None) -> tuple[File, film_reader.Film | str]:
    """Returns a file's film, or why it is none."""
    try:
        return file, read(file.path, spacing)
    except (film_reader.FilmError, OSError) as error:
        return file, " ".join(str(error).split())
    except Exception as error:  # one file must not end a folder of films
        logging.debug("reading failed", exc_info=True)
        return file, f"the film cannot be read: unexpected {type(error).__name__}."


def _measured(
    films: Mapping[File, film_reader.Film], work: Work
) -> Iterator[tuple[File, measurement.Measurement | str]]:
    """Yields each film's measurement; when a batch fails, its films go one by one and the culprit is refused."""
    try:
        results = reading.measure_films(work.model, list(films.values()), work.schema)
        yield from zip(films, results, strict=True)
    except Exception as error:  # one film must not end the others
        reason = prediction.refusal(error, "the film cannot be measured")
        if len(films) > 1:
            for file, film in films.items():
                yield from _measured({file: film}, work)
            return
        logging.debug("measuring failed", exc_info=True)
        for file in films:
            yield file, reason


def _draw(row: dict[str, Any], film: film_reader.Film, result: measurement.Measurement, work: Work) -> None:
    shown = row["file"].encode("ascii", "replace").decode()
    picture = reading.picture(shown, film, result, work.schema, _MAX_SIDE.value)
    drawing.write_png(work.folder / row["overlay"], picture)


def _facts(
    rows: Sequence[Mapping[str, Any]],
    refused: Mapping[str, str],
    model: Landmarker | RemoteLandmarker,
    schema: landmarks.Schema,
) -> dict[str, Any]:
    """Returns run.json."""
    return {
        **provenance.describe(),
        "use": drawing.RESEARCH_USE,
        "measured": len(rows),
        "refused": len(refused),
        "schema": schema.to_dict(),
        "model": model.card,
        "endpoint": endpoints.described(model),
    }


def _fields(schema: landmarks.Schema) -> list[str]:
    distances = [f"{distance.name}_mm" for distance in schema.distances]
    points = [f"{name}_{part}" for name in schema.landmarks for part in ("x", "y", "confidence")]
    spacing = ["spacing_row_mm", "spacing_column_mm", "spacing_source"]
    return ["file", "verdict", *distances, "confidence", *spacing, "flags", *points, "overlay"]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row of predictions.csv."""
    flat = {key: value for key, value in row.items() if not isinstance(value, list)}
    flat["flags"] = " ".join(row["flags"])
    flat["spacing_row_mm"], flat["spacing_column_mm"] = row["spacing_mm"] or (None, None)
    for name, point, score in zip(row["landmarks"], row["points_px"], row["confidences"], strict=True):
        flat[f"{name}_x"], flat[f"{name}_y"] = point or (None, None)
        flat[f"{name}_confidence"] = score
    return {key: value for key, value in flat.items() if key != "spacing_mm"}


def _closing(rows: Sequence[Mapping[str, Any]], refused: Mapping[str, str], output_dir: str) -> str:
    if not rows:
        raise program.NothingDone(f"no film could be measured: {len(refused)} refused, see {output_dir}/refused.csv.")
    count = collections.Counter(row["verdict"] for row in rows)
    films = "film" if len(rows) == 1 else "films"
    shown = ", ".join(f"{count[verdict]} {verdict}" for verdict in ("positive", "negative"))
    return (
        f"{len(rows)} {films} measured ({shown}, {count['none']} without verdict), {len(refused)} refused: "
        f"{output_dir} ({drawing.RESEARCH_USE})"
    )

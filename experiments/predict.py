r"""Measures films: landmarks, distances in millimetres and a verdict for every DICOM, PNG or JPEG file.

    python -m experiments.predict --model=run/best --output_dir=DIR film.dcm folder/ ...

Folders are searched to any depth. Each file ends up in predictions or in refused.csv with the reason. A film
without pixel spacing gets its landmarks and no verdict; --spacing_mm helps where the spacing is known. A film
whose spacing may be the detector's also gets its verdict at magnifications of 1.0 to 1.2.

Leaves in --output_dir: predictions.json, predictions.csv, refused.csv, run.json, and in overlays/ a picture of
each film. Points are (x, y) in pixels of the file as stored, the origin at the centre of its top-left pixel.
Files are named as given; with --private_log by a running number, and the log keeps which is which.

Exits with 0 when films were measured (also when others were refused), 1 when none could be (refused.csv is
still left), 2 when the flags are wrong. Research use only.
"""

import collections
import concurrent.futures
import dataclasses
import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from absl import flags, logging
from tqdm import tqdm

from experiments import models, thresholds
from raspine import atomic, drawing, geometry, landmarks, measurement, program, provenance, pseudonyms, reading
from raspine.dicom import discovery
from raspine.dicom import film as film_reader
from raspine.landmarker import Landmarker

_MODEL = flags.DEFINE_string("model", None, "Model directory: best/ or last/ of a run.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make.", required=True)
_SPACING = flags.DEFINE_list("spacing_mm", [], "ROW,COLUMN mm of a pixel, for files without a spacing.")
_THRESHOLDS = flags.DEFINE_list("thresholds", [], thresholds.HELP)
_BATCH = flags.DEFINE_integer("batch", 8, "Films that go through the network together.", lower_bound=1)
_WORKERS = flags.DEFINE_integer("workers", 2, "Threads that read films, and that draw.", lower_bound=1)
_OVERLAYS = flags.DEFINE_bool("overlays", True, "Draw a picture of each film.")
_MAX_SIDE = flags.DEFINE_integer("overlay_side", 1000, "Longest side of a picture.", lower_bound=600)
_PRIVATE_LOG = flags.DEFINE_string("private_log", "", "CSV file to make, mode 0600: which file each film is.")

_LISTED = 10


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

    model: Landmarker
    schema: landmarks.Schema
    spacing: tuple[float, float] | None
    folder: pathlib.Path


def main(argv: Sequence[str]) -> None:
    """Measures what the arguments name."""
    spacing = _check_flags(argv[1:])
    model = models.load(_MODEL.value)
    schema = thresholds.apply(model.schema, _THRESHOLDS.value)
    files = _named(listed(argv[1:]))
    if not files:
        raise program.NothingDone(f"no file in {' '.join(argv[1:])}: nothing to measure, and nothing was written.")
    with atomic.atomic_directory(_OUTPUT_DIR.value) as folder:
        rows, refused = measure(files, Work(model, schema, spacing, folder))
        _write(folder, rows, refused, model, schema)
        if _PRIVATE_LOG.value:
            known = {file.name: str(file.path) for file in files}
            pseudonyms.write_private_log(_PRIVATE_LOG.value, {"film": {path: name for name, path in known.items()}})
    _say_end(rows, refused)


def measure(files: Sequence[File], work: Work) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Returns the rows of predictions.json and why other files were refused, both in the files' order.

    Films are read ahead by threads and drawn by others; only a few are in memory at a time.
    """
    refused = {file.name: file.refusal for file in files if file.refusal}
    wanted = [file for file in files if not file.refusal]
    rows: list[dict[str, Any]] = []
    with (
        concurrent.futures.ThreadPoolExecutor(_WORKERS.value) as readers,
        concurrent.futures.ThreadPoolExecutor(_WORKERS.value) as drawers,
        tqdm(total=len(wanted), desc="measuring films", unit="film", disable=not wanted) as progress,
    ):
        waiting: collections.deque[concurrent.futures.Future[None]] = collections.deque()
        for batch in _batches(_read_ahead(wanted, work.spacing, readers), _BATCH.value):
            films = {file: answer for file, answer in batch if isinstance(answer, film_reader.Film)}
            refused |= {file.name: answer for file, answer in batch if isinstance(answer, str)}
            for file, result in _measured(films, work):
                if isinstance(result, str):
                    refused[file.name] = result
                    continue
                row = reading.as_row(file.name, films[file], result, work.schema)
                if _OVERLAYS.value:
                    row["overlay"] = f"overlays/{_picture_name(file.name, len(rows) + 1)}"
                    waiting.append(drawers.submit(_draw, row, films[file], result, work))
                rows.append(row)
            while len(waiting) > 2 * _WORKERS.value:
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


def _named(files: list[File]) -> list[File]:
    """Returns the files under the names of the outputs: their own, or pseudonyms when a private log is kept."""
    if not _PRIVATE_LOG.value:
        return files
    names = pseudonyms.assign((str(file.path) for file in files), "film-", 5)
    renamed = [dataclasses.replace(file, name=names[str(file.path)]) for file in files]
    return sorted(renamed, key=lambda file: file.name)


def _read_ahead(
    files: Sequence[File], spacing: tuple[float, float] | None, pool: concurrent.futures.Executor
) -> Iterator[tuple[File, film_reader.Film | str]]:
    """Yields each file's film, or why it is none, in order; the threads stay a few films ahead."""
    waiting: collections.deque[tuple[File, concurrent.futures.Future[film_reader.Film | str]]] = collections.deque()
    for file in files:
        waiting.append((file, pool.submit(_read, file.path, spacing)))
        if len(waiting) > _WORKERS.value + 1:
            first, future = waiting.popleft()
            yield first, future.result()
    while waiting:
        first, future = waiting.popleft()
        yield first, future.result()


def _read(path: pathlib.Path, spacing: tuple[float, float] | None) -> film_reader.Film | str:
    try:
        film = film_reader.read(path)
        if spacing and film.spacing.millimetres is None:
            film = film_reader.read(path, spacing)
        return film
    except (film_reader.FilmError, OSError) as error:
        return " ".join(str(error).split())
    except Exception as error:  # one file must not end a folder of films
        logging.debug("reading failed", exc_info=True)
        return f"the film cannot be read: unexpected {type(error).__name__}."


def _measured(
    films: Mapping[File, film_reader.Film], work: Work
) -> Iterator[tuple[File, measurement.Measurement | str]]:
    """Yields each film's measurement; when a batch fails, its films go one by one and the culprit is refused."""
    try:
        results = reading.measure_films(work.model, list(films.values()), work.schema)
        yield from zip(films, results, strict=True)
    except Exception as error:  # one film must not end the others
        if len(films) > 1:
            for file, film in films.items():
                yield from _measured({file: film}, work)
            return
        logging.debug("measuring failed", exc_info=True)
        for file in films:
            yield file, f"the film cannot be measured: unexpected {type(error).__name__}."


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch


def _picture_name(name: str, number: int) -> str:
    """Returns a file name from a film's name, safe everywhere and unique by its number."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[-80:]
    return f"{number:05d}_{safe}.png"


def _draw(row: dict[str, Any], film: film_reader.Film, result: measurement.Measurement, work: Work) -> None:
    shown = row["file"].encode("ascii", "replace").decode()
    picture = reading.picture(shown, film, result, work.schema, _MAX_SIDE.value)
    drawing.write_png(work.folder / row["overlay"], picture)


def _write(
    folder: pathlib.Path,
    rows: Sequence[Mapping[str, Any]],
    refused: Mapping[str, str],
    model: Landmarker,
    schema: landmarks.Schema,
) -> None:
    atomic.write_json(folder / "predictions.json", list(rows))
    atomic.write_csv(folder / "predictions.csv", map(_flat, rows), _fields(schema))
    reasons = [{"file": name, "reason": reason} for name, reason in refused.items()]
    atomic.write_csv(folder / "refused.csv", reasons, ("file", "reason"))
    facts = {
        **provenance.describe(),
        "use": drawing.RESEARCH_USE,
        "measured": len(rows),
        "refused": len(refused),
        "schema": schema.to_dict(),
        "model": model.card,
    }
    atomic.write_json(folder / "run.json", facts)


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


def _check_flags(paths: Sequence[str]) -> tuple[float, float] | None:
    """Checks what can be checked before the network is loaded; returns the spacing that the user gave."""
    if not paths:
        raise program.UsageError("name the films: files or folders after the flags.")
    for path in paths:
        if not os.path.exists(path):
            raise program.UsageError(f"no such file or folder: '{path}'.")
    if atomic.has_content(_OUTPUT_DIR.value):
        raise program.UsageError("the folder of --output_dir exists and is not empty: name another or empty it.")
    try:
        if _PRIVATE_LOG.value:
            pseudonyms.check_private_log(_PRIVATE_LOG.value, _OUTPUT_DIR.value)
    except pseudonyms.PrivateLogError as error:
        raise program.UsageError(str(error)) from error
    return _spacing()


def _spacing() -> tuple[float, float] | None:
    if not _SPACING.value:
        return None
    try:
        row, column = (float(value) for value in _SPACING.value)
    except ValueError:
        row = column = 0.0
    if not geometry.is_spacing((row, column)):
        raise program.UsageError(f"--spacing_mm is ROW,COLUMN, both above 0. Received: {','.join(_SPACING.value)}.")
    return row, column


def _say_end(rows: Sequence[Mapping[str, Any]], refused: Mapping[str, str]) -> None:
    for name, reason in itertools.islice(refused.items(), _LISTED):
        print(f"refused: {name}: {reason}")
    if len(refused) > _LISTED:
        print(f"and {len(refused) - _LISTED} more: refused.csv lists all.")
    if not rows:
        raise program.NothingDone(
            f"no film could be measured: {len(refused)} refused, see {_OUTPUT_DIR.value}/refused.csv."
        )
    count = collections.Counter(row["verdict"] for row in rows)
    shown = ", ".join(f"{count[verdict]} {verdict}" for verdict in ("positive", "negative"))
    print(
        f"{len(rows)} films measured ({shown}, {count['none']} without verdict), {len(refused)} refused: "
        f"{_OUTPUT_DIR.value} ({drawing.RESEARCH_USE})"
    )


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

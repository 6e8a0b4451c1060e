"""The flags of experiments.evaluate for a landmark model, and the scoring of films that they ask for.

Leaves summary.json, films.csv, raters.csv, landmarks.png, distances.png, in overlays/ the best, median and worst films,
and all of it in tensorboard/.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from experiments import evaluation_board, interval_flags, models, record_groups, requests, thresholds
from raspine import atomic, drawing, landmarks, outside_json, patient_groups, program, provenance, records
from raspine.evaluation import figures, film_evidence, keypoints
from raspine.evaluation import films as film_answers
from raspine.inputs import films as film_shards
from raspine.landmarker import Landmarker
from raspine.training import landmarks as training
from raspine.training import loop

_ANNOTATOR = flags.DEFINE_string("annotator", "consensus", "Whose landmarks are the truth.")
_THRESHOLDS = flags.DEFINE_list("thresholds", [], thresholds.HELP)
_PCK = flags.DEFINE_float("pck", 0.05, "Limit of the PCK as a share of the film's longer side.")
_PCK_MM = flags.DEFINE_float("pck_mm", 2.0, "Limit of the PCK in mm.")
_PICTURES = flags.DEFINE_integer("pictures", 3, "How many best, median and worst films to draw.", lower_bound=0)

_HOLDERS = (_ANNOTATOR, _THRESHOLDS, _PCK, _PCK_MM, _PICTURES)
NAMES = tuple(holder.name for holder in _HOLDERS)


def check() -> keypoints.Limits:
    """Returns the limits that the flags name.

    Raises:
      UsageError: one is out of bounds.
    """
    try:
        return keypoints.Limits(_PCK.value, _PCK_MM.value)
    except ValueError as error:
        raise program.UsageError(f"--pck, --pck_mm: {error}") from error


def evaluate(request: requests.Request) -> str:
    """Scores a landmark model and returns the closing line.

    Raises:
      UsageError: model, data and flags do not go together.
      NothingDone: a shard is damaged.
    """
    limits = check()
    dataset = _dataset(request.data)
    model = models.load(request.model)
    _check_schema(dataset, model.schema)
    schema = thresholds.apply(model.schema, _THRESHOLDS.value)
    subjects = record_groups.read(request.data)
    files = film_shards.shards(request.data, request.split)
    total = dataset.get("counts", {}).get(request.split, {}).get("films")
    with requests.shards_read():
        films = film_answers.located(model, files, request.batch, total)
    annotators = film_answers.annotated(files, films.names, len(schema.landmarks))
    films = _with_truth(films, annotators)
    with atomic.atomic_directory(request.output_dir) as folder:
        summary = keypoints.summary(films, schema, limits, annotators if len(annotators) > 1 else None)
        evidence = _evidence(films, schema, limits, annotators, subjects)
        facts = {**summary, **evidence, **_provenance(request.split, dataset, model, schema, limits)}
        atomic.write_json(folder / "summary.json", keypoints.as_json(facts))
        _write_tables(folder, films, schema, annotators, subjects)
        pictures = _draw(folder, films, schema, files)
        evaluation_board.films(folder / loop.BOARD, facts, pictures, evaluation_board.ranked(films, schema))
    return f"{_closing(summary, schema)}: {request.output_dir}"


def _dataset(folder: str) -> dict[str, Any]:
    """Returns what dataset.json says."""
    path = pathlib.Path(folder) / "dataset.json"
    try:
        values = outside_json.read(path)
        loop.check_task(values, folder, training.PROGRAM, training.TASKS)
        landmarks.from_dict(values["schema"])
        return values
    except loop.DataFolderError as error:
        raise program.UsageError(f"--data: {error}") from error
    except OSError as error:
        raise program.UsageError(
            f"--data: '{folder}' has no dataset.json: give a folder of data_prep.radiographs."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise program.UsageError(f"--data: '{path}' is damaged: {error}.") from error


def _check_schema(dataset: Mapping[str, Any], schema: landmarks.Schema) -> None:
    """Refuses a data set with other landmarks or distances than the model's; colours and titles may differ."""
    given = landmarks.from_dict(dataset["schema"])
    measured = [[(d.name, d.start, d.end, d.comparison) for d in one.distances] for one in (given, schema)]
    if given.landmarks != schema.landmarks or measured[0] != measured[1]:
        raise program.UsageError(
            f"the data set's schema '{given.name}' ({len(given.landmarks)} landmarks: {', '.join(given.landmarks)}) is "
            f"not the model's, '{schema.name}' ({len(schema.landmarks)}: {', '.join(schema.landmarks)})."
        )


def _with_truth(films: keypoints.Films, annotators: Mapping[str, keypoints.Array]) -> keypoints.Films:
    if _ANNOTATOR.value == "consensus":
        return films
    if _ANNOTATOR.value not in annotators:
        known = ", ".join(["consensus", *sorted(annotators)])
        raise program.UsageError(f"--annotator is one of {known}. Received: '{_ANNOTATOR.value}'.")
    fields = {name: getattr(films, name) for name in films.__dataclass_fields__}
    return keypoints.Films(**{**fields, "truth": annotators[_ANNOTATOR.value]})


def _evidence(
    films: keypoints.Films,
    schema: landmarks.Schema,
    limits: keypoints.Limits,
    annotators: Mapping[str, keypoints.Array],
    subjects: record_groups.Rows,
) -> dict[str, Any]:
    positions = [position or patient_groups.UNKNOWN for position in films.positions]
    groups = {**record_groups.groups(subjects, films.names), "position": positions}
    seed, resamples = interval_flags.SEED.value, interval_flags.RESAMPLES.value
    options = film_evidence.Options(interval_flags.CONFIDENCE.value, seed, resamples, _ANNOTATOR.value)
    return film_evidence.evidence(films, schema, limits, annotators, groups, options)


def _write_tables(
    folder: pathlib.Path,
    films: keypoints.Films,
    schema: landmarks.Schema,
    annotators: Mapping[str, keypoints.Array],
    subjects: record_groups.Rows,
) -> None:
    rows = [{**row, **record_groups.columns(subjects, row["image"])} for row in keypoints.rows(films, schema)]
    atomic.write_csv(folder / "films.csv", rows, (*keypoints.ROW_FIELDS, *record_groups.COLUMNS))
    measured = film_evidence.rater_rows(films, schema, annotators, _ANNOTATOR.value)
    atomic.write_csv(folder / "raters.csv", measured, film_evidence.RATER_FIELDS)


def _provenance(
    split: str, dataset: Mapping[str, Any], model: Landmarker, schema: landmarks.Schema, limits: keypoints.Limits
) -> dict[str, Any]:
    return {
        "split": split,
        "annotator": _ANNOTATOR.value,
        "schema": schema.to_dict(),
        "limits": {"pck": limits.pck, "pck_mm": limits.pck_mm, "failure_mm": keypoints.FAILURE_MM},
        "data_hash": dataset.get("data_hash"),
        "synthetic": dataset.get("synthetic"),
        "model": model.card,
        **provenance.describe(),
    }


def _draw(
    folder: pathlib.Path, films: keypoints.Films, schema: landmarks.Schema, files: Sequence[str]
) -> dict[str, drawing.Picture]:
    """Draws the figures and the chosen films; returns these films by rank."""
    if np.isfinite(films.errors_mm).any():
        figures.error_by_landmark(folder / "landmarks.png", films, schema)
        if schema.distances:
            figures.distances(folder / "distances.png", films, schema)
    chosen, pictures = _chosen(films, _PICTURES.value), {}
    for file in files if chosen else ():
        for record in records.read(file):
            if rank := chosen.get(record.film):
                pictures[rank] = _overlay(record, films, films.names.index(record.film), schema)
                drawing.write_png(folder / "overlays" / f"{rank}_{record.film}.png", pictures[rank])
    return pictures


def _chosen(films: keypoints.Films, count: int) -> dict[str, str]:
    """Returns the best, median and worst films with their rank, by mean error as a share of the longer side."""
    errors = films.errors_by_side
    scored = np.flatnonzero(~np.isnan(errors).all(-1))
    order = scored[np.argsort(np.nanmean(errors[scored], -1), kind="stable")]
    middle = max(0, len(order) // 2 - count // 2)
    groups = {"best": order[:count], "median": order[middle : middle + count], "worst": order[::-1][:count]}
    ranks: dict[str, str] = {}
    for group, members in groups.items():
        for rank, member in enumerate(members, 1):
            ranks.setdefault(films.names[member], f"{group}_{rank}")
    return ranks


def _overlay(
    record: records.FilmRecord, films: keypoints.Films, number: int, schema: landmarks.Schema
) -> drawing.Picture:
    to_stored = record.to_native.inverse()
    found, truth = (to_stored.apply(points[number]) for points in (films.found, films.truth))
    height, width = record.stored_size
    scale = np.array(record.native_size) / (height, width)
    spacing = np.array(record.spacing_mm or (1.0, 1.0)) * scale
    measured, true = (schema.measure(points[number], films.spacing[number]) for points in (films.found, films.truth))
    labels = {name: f"{name.upper()} {value:.1f} mm" for name, value in measured.items() if np.isfinite(value)}
    errors = films.errors_mm[number]
    scored = errors[np.isfinite(errors)]
    heading = f"mean error {scored.mean():.2f} mm" if len(scored) else "no error in mm"
    lines = [f"{name.upper()}: model {measured[name]:.1f}, annotator {true[name]:.1f} mm" for name in labels]
    lines += [f"lowest confidence: {films.confidence[number].min():.2f}"]
    if np.isinf(films.errors_by_side[number]).any():
        lines.append("! landmark not found")
    lines += [f"position: {record.position or 'not given'}", f"film: {record.film}", "ring: annotator, dot: model"]
    marks = drawing.Marks(found, labels, truth)
    row, column = spacing
    return drawing.overlay(record.pixels(), (row, column), schema, marks, drawing.Caption(heading, lines))


def _closing(summary: Mapping[str, Any], schema: landmarks.Schema) -> str:
    parts = [f"MRE {summary['mre_mm']:.2f} mm, SDR at 2 mm {summary['sdr_2mm']:.1%}"]
    parts += [f"{d.name.upper()} error {summary[f'{d.name}_mae_mm']:.2f} mm" for d in schema.distances]
    if summary["n_not_found"]:
        parts.append(f"{summary['n_not_found']} points not found")
    if summary["n_without_spacing"]:
        parts.append(f"{summary['n_without_spacing']} films without spacing")
    return f"{summary['n']} films, {', '.join(parts)}"

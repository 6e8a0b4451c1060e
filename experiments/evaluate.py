r"""Scores a landmark model on a split of a data set, in millimetres of the native pixels.

    python -m experiments.evaluate --model=run/best --data=DIR --split=test --output_dir=DIR

Leaves in --output_dir: summary.json (mean radial error, detection rates, failures, PCK, errors of the distances,
sensitivity and specificity; all over, by landmark, by position, by patient, and between annotators), films.csv (a
row for each film and landmark, then for each film and distance), landmarks.png and distances.png, and in overlays/
the best, median and worst films: rings are the annotator, dots the model.

A landmark that was not found is left out of the mean, and counts as a failure and against the detection rates. A
film without spacing is counted and left out of everything in mm. The truth is the annotators' consensus, or
--annotator.

Exits with 0 when films were scored, 1 when there was none, 2 when the flags are wrong.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from experiments import models, thresholds
from raspine import atomic, drawing, landmarks, program, provenance, records
from raspine.evaluation import figures, keypoints
from raspine.evaluation import films as film_answers
from raspine.inputs import films as film_shards
from raspine.landmarker import Landmarker

_MODEL = flags.DEFINE_string("model", None, "Model directory: best/ or last/ of a run.", required=True)
_DATA = flags.DEFINE_string("data", None, "Data set of data_prep.radiographs.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "Which films.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make.", required=True)
_BATCH = flags.DEFINE_integer("batch", 8, "Films that go through the network together.", lower_bound=1)
_ANNOTATOR = flags.DEFINE_string("annotator", "consensus", "Whose landmarks are the truth.")
_THRESHOLDS = flags.DEFINE_list("thresholds", [], thresholds.HELP)
_PCK = flags.DEFINE_float("pck", 0.05, "Limit of the PCK as a share of the film's longer side.")
_PCK_MM = flags.DEFINE_float("pck_mm", 2.0, "Limit of the PCK in mm.")
_PICTURES = flags.DEFINE_integer("pictures", 3, "How many best, median and worst films to draw.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    """Scores the model that the flags name."""
    limits = _check_flags(argv)
    dataset = _dataset()
    model = models.load(_MODEL.value)
    _check_schema(dataset, model.schema)
    schema = thresholds.apply(model.schema, _THRESHOLDS.value)
    files = film_shards.shards(_DATA.value, _SPLIT.value)
    total = dataset.get("counts", {}).get(_SPLIT.value, {}).get("films")
    try:
        films = film_answers.located(model, files, _BATCH.value, total)
    except tf.errors.OpError as error:
        raise program.NothingDone(
            f"a shard is damaged or of another version: {error.message.splitlines()[0]}"
        ) from error
    annotators = film_answers.annotated(files, films.names, len(schema.landmarks))
    films = _with_truth(films, annotators)
    with atomic.atomic_directory(_OUTPUT_DIR.value) as folder:
        summary = keypoints.summary(films, schema, limits, annotators if len(annotators) > 1 else None)
        facts = {**summary, **_provenance(dataset, model, schema, limits)}
        atomic.write_json(folder / "summary.json", keypoints.as_json(facts))
        atomic.write_csv(folder / "films.csv", keypoints.rows(films, schema), keypoints.ROW_FIELDS)
        _draw(folder, films, schema, files)
    _say_end(summary, schema)


def _check_flags(argv: Sequence[str]) -> keypoints.Limits:
    if len(argv) > 1:
        raise program.UsageError(f"unexpected argument '{argv[1]}': everything is given by flags.")
    if atomic.has_content(_OUTPUT_DIR.value):
        raise program.UsageError("the folder of --output_dir exists and is not empty: name another or empty it.")
    try:
        return keypoints.Limits(_PCK.value, _PCK_MM.value)
    except ValueError as error:
        raise program.UsageError(f"--pck, --pck_mm: {error}") from error


def _dataset() -> dict[str, Any]:
    """Returns what dataset.json says."""
    path = pathlib.Path(_DATA.value) / "dataset.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        landmarks.from_dict(values["schema"])
        return values
    except OSError as error:
        raise program.UsageError(
            f"--data: '{_DATA.value}' has no dataset.json: give a folder of data_prep.radiographs."
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


def _provenance(
    dataset: Mapping[str, Any], model: Landmarker, schema: landmarks.Schema, limits: keypoints.Limits
) -> dict[str, Any]:
    return {
        "split": _SPLIT.value,
        "annotator": _ANNOTATOR.value,
        "schema": schema.to_dict(),
        "limits": {"pck": limits.pck, "pck_mm": limits.pck_mm, "failure_mm": keypoints.FAILURE_MM},
        "data_hash": dataset.get("data_hash"),
        "model": model.card,
        **provenance.describe(),
    }


def _draw(folder: pathlib.Path, films: keypoints.Films, schema: landmarks.Schema, files: Sequence[str]) -> None:
    if np.isfinite(films.errors_mm).any():
        figures.error_by_landmark(folder / "landmarks.png", films, schema)
        if schema.distances:
            figures.distances(folder / "distances.png", films, schema)
    chosen = _chosen(films, _PICTURES.value)
    for file in files if chosen else ():
        for record in records.read(file):
            if record.film in chosen:
                number = films.names.index(record.film)
                picture = _overlay(record, films, number, schema)
                drawing.write_png(folder / "overlays" / f"{chosen[record.film]}_{record.film}.png", picture)


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


def _say_end(summary: Mapping[str, Any], schema: landmarks.Schema) -> None:
    parts = [f"MRE {summary['mre_mm']:.2f} mm, SDR at 2 mm {summary['sdr_2mm']:.1%}"]
    parts += [f"{d.name.upper()} error {summary[f'{d.name}_mae_mm']:.2f} mm" for d in schema.distances]
    if summary["n_not_found"]:
        parts.append(f"{summary['n_not_found']} points not found")
    if summary["n_without_spacing"]:
        parts.append(f"{summary['n_without_spacing']} films without spacing")
    print(f"{summary['n']} films, {', '.join(parts)}: {_OUTPUT_DIR.value}")


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

"""What a run has left: its parts are found in the folders around it and read into plain values."""

import csv
import dataclasses
import json
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from PIL import Image

Row = dict[str, str]
_Holds = Callable[[pathlib.Path], bool]
EVALUATIONS = ("", "evaluated", "evaluation")
TRAININGS = ("", "run", "training")
EXPLANATIONS = ("", "explained", "explanations")
DATA = ("", "records", "data")
CROSS_VALIDATIONS = ("", "cross_validation", "cross_validated")
OVERLAYS = ("overlays", "against_truth")
_CROSS_VALIDATION = "cross_validation.json"  # beside it summary.json tells the results
_KINDS = {"deformity": "studies", "subluxation": "films", "landmarks": "films"}
# Of each table: the columns that it must have, those that hold numbers, and whether it may be without rows.
_TABLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], bool]] = {
    "films.csv": (
        ("image", "landmark"),
        ("error_mm", "true_x", "true_y", "predicted_x", "predicted_y", "confidence", "true_mm", "predicted_mm"),
        False,
    ),
    "studies.csv": (("study", "outcome", "risk"), ("outcome", "risk"), False),
    "raters.csv": (("image", "distance", "rater", "mm"), ("mm",), True),
    "records.csv": (("id", "patient", "split"), (), True),
    "refused.csv": ((), (), True),
}
_BOUNDED = {("studies.csv", "risk"): "a risk between 0 and 1", ("studies.csv", "outcome"): "an outcome of 0 or 1"}


class NotFound(ValueError):  # noqa: N818 - it names an outcome
    """A folder does not hold what it was named for."""


class Mismatched(NotFound):
    """Parts of two tasks were named for one report."""


@dataclasses.dataclass(frozen=True)
class Places:
    """Where the parts stand; None for a part that is not there.

    Attributes:
      run: the folder that was named.
      evaluation: summary.json with films.csv or studies.csv.
      training: run.json with a history.
      explained: explanations.json.
      data: dataset.json.
      cross_validation: cross_validation.json and summary.json.
    """

    run: pathlib.Path
    evaluation: pathlib.Path | None = None
    training: pathlib.Path | None = None
    explained: pathlib.Path | None = None
    data: pathlib.Path | None = None
    cross_validation: pathlib.Path | None = None

    @property
    def any(self) -> bool:
        """Whether there is something to report."""
        return self.evaluation is not None or self.training is not None or self.cross_validation is not None


@dataclasses.dataclass(frozen=True)
class Run:
    """All that is known of a run, as read; nothing is computed yet, and keys may be missing.

    Attributes:
      places: where it was read.
      summary: of the evaluation.
      films, studies, raters: rows of the evaluation's tables.
      training: run.json.
      card: what the model directory says of its training.
      settings: the model directory's settings.
      data: dataset.json.
      records: rows of records.csv.
      refused: rows of refused.csv beside dataset.json; None where there is no such file.
      explanations: explanations.json.
      cross_validation: summary.json of a cross-validation.
      unreadable: names of pictures that are missing or damaged.
      synthetic: True, False, or None where nothing says so.
    """

    places: Places
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    films: Sequence[Row] = ()
    studies: Sequence[Row] = ()
    raters: Sequence[Row] = ()
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    card: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    records: Sequence[Row] = ()
    refused: Sequence[Row] | None = None
    explanations: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cross_validation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    unreadable: Sequence[str] = ()
    synthetic: bool | None = None

    @property
    def kind(self) -> str:
        """`films`, `studies`, or empty where no row and no task says which."""
        if self.films or self.studies:
            return "films" if self.films else "studies"
        sources = (self.training, self.card, self.data, self.cross_validation)
        return next(filter(None, map(_kind, sources)), "")

    @property
    def cases(self) -> list[str]:
        """The evaluated films or studies, each once, in the order of the rows."""
        key, rows = ("image", self.films) if self.films else ("study", self.studies)
        return list(dict.fromkeys(row.get(key, "") for row in rows))

    @property
    def patients(self) -> list[str]:
        """The evaluated patients, each once."""
        rows = self.films or self.studies
        return list(dict.fromkeys(row["patient"] for row in rows if row.get("patient")))

    @property
    def split(self) -> str:
        """The split that was evaluated, empty where it is not stated."""
        return str(self.summary.get("split") or "")

    @property
    def exact(self) -> bool:
        """Whether the true points are known, as those of a phantom, and not marked by people."""
        named = mapping(self.data.get("options")).get("annotators")
        return named == ["exact"] or self.summary.get("annotator") == "exact"

    def told(self, *names: str) -> Any:
        """Returns what the evaluated model, or else the training, says under a path of keys; None where none knows."""
        for source in (self.summary.get("model"), self.card, self.training):
            value: Any = source
            for name in names:
                value = value.get(name) if isinstance(value, Mapping) else None
            if value is not None:
                return value
        return None


def locate(
    run: pathlib.Path,
    training: pathlib.Path | None = None,
    explained: pathlib.Path | None = None,
    data: pathlib.Path | None = None,
    cross_validation: pathlib.Path | None = None,
) -> Places:
    """Returns where the parts of a run stand.

    Args:
      run: an evaluation, the result folder of a road, or a training run.
      training: names the training run; by default it is looked for inside `run`.
      explained: names the folder of experiments.explain.
      data: names the data set.
      cross_validation: names the folder of a cross-validation.

    Raises:
      NotFound: a named folder does not hold its part, or there is nothing to report at all.
    """
    if not run.is_dir():
        raise NotFound(f"--run: '{run}' is not a folder.")
    places = Places(
        run=run,
        evaluation=_first(run, EVALUATIONS, _is_evaluation),
        training=_named("training", training, _is_training) or _first(run, TRAININGS, _is_training),
        explained=_named("explained", explained, _holds("explanations.json"))
        or _first(run, EXPLANATIONS, _holds("explanations.json")),
        data=_named("data", data, _holds("dataset.json")) or _first(run, DATA, _holds("dataset.json")),
        cross_validation=_named("cross_validation", cross_validation, _is_cross_validation)
        or _first(run, CROSS_VALIDATIONS, _is_cross_validation),
    )
    if not places.any:
        raise NotFound(
            f"--run: '{run}' holds neither an evaluation (summary.json with films.csv or studies.csv) nor a training "
            "run (run.json): name a folder of experiments.evaluate, experiments.train or experiments.demo."
        )
    return places


def read(places: Places) -> Run:
    """Returns everything that the parts hold.

    Raises:
      NotFound: a file is damaged; the message names it.
      Mismatched: the parts are of different tasks; the message names the flag.
    """
    data, evaluation, training = places.data, places.evaluation, places.training
    model = _model(places)
    run = Run(
        places=places,
        summary=_json(evaluation, "summary.json"),
        films=_rows(evaluation, "films.csv"),
        studies=_rows(evaluation, "studies.csv"),
        raters=_rows(evaluation, "raters.csv"),
        training=_json(training, "run.json"),
        card=mapping(model.get("card")),
        settings={name: value for name, value in model.items() if name != "card"},
        data=_json(data, "dataset.json"),
        records=_rows(data, "records.csv"),
        refused=_refused(data),
        explanations=_explanations(places.explained),
        cross_validation=_json(places.cross_validation, "summary.json"),
    )
    _check_kinds(run)
    return dataclasses.replace(run, synthetic=_synthetic(run), unreadable=_unreadable(run))


def mapping(value: Any) -> Mapping[str, Any]:
    """Returns an object of a JSON file, empty where something else stands in its place."""
    return value if isinstance(value, Mapping) else {}


def _named(flag: str, folder: pathlib.Path | None, holds: _Holds) -> pathlib.Path | None:
    if folder is not None and not holds(folder):
        raise NotFound(f"--{flag}: '{folder}' does not hold what that flag names; see --help.")
    return folder


def _first(run: pathlib.Path, names: Iterable[str], holds: _Holds) -> pathlib.Path | None:
    return next((run / name for name in names if holds(run / name)), None)


def _holds(name: str) -> _Holds:
    return lambda folder: (folder / name).is_file()


def _is_evaluation(folder: pathlib.Path) -> bool:
    tables = any(_holds(name)(folder) for name in ("films.csv", "studies.csv"))
    return tables and _holds("summary.json")(folder) and not _is_cross_validation(folder)


def _is_training(folder: pathlib.Path) -> bool:
    return _holds("run.json")(folder)


def _is_cross_validation(folder: pathlib.Path) -> bool:
    return _holds(_CROSS_VALIDATION)(folder) and _holds("summary.json")(folder)


def _model(places: Places) -> Mapping[str, Any]:
    """Returns model.json of the model that was evaluated, or of the best one of the training."""
    folders = [place / "best" for place in (places.run, places.training) if place is not None]
    return next((_json(folder, "model.json") for folder in folders if _holds("model.json")(folder)), {})


def _json(folder: pathlib.Path | None, name: str) -> Mapping[str, Any]:
    if folder is None or not (folder / name).is_file():
        return {}
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotFound(f"'{folder / name}' is damaged: {error}.") from error
    if not isinstance(found, dict):
        raise NotFound(f"'{folder / name}' is damaged: it holds a {type(found).__name__}, not an object.")
    return found


def _rows(folder: pathlib.Path | None, name: str) -> list[Row]:
    """Returns the rows of a table whose columns and numbers were checked; none where there is no such file."""
    if folder is None or not (folder / name).is_file():
        return []
    try:
        with (folder / name).open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows: list[Mapping[str | None, Any]] = list(reader)
            _check_table(name, reader.fieldnames or (), rows)
    except (ValueError, csv.Error) as error:
        raise NotFound(f"'{folder / name}' is damaged: {str(error).rstrip('.')}.") from error
    return [{str(key): value for key, value in row.items()} for row in rows]


def _check_table(name: str, header: Sequence[str], rows: Sequence[Mapping[str | None, Any]]) -> None:
    """Checks a table.

    Raises:
      ValueError: a column is missing, there is no row, a row is cut short or too long, or a cell is no number; the
        header is row 1.
    """
    required, numeric, may_be_empty = _TABLES[name]
    if missing := [column for column in required if column not in header]:
        raise ValueError(f"row 1, column '{missing[0]}' is missing")
    if not rows and not may_be_empty:
        raise ValueError("row 2 is missing: it holds no cases")
    for number, row in enumerate(rows, 2):
        if None in row:
            raise ValueError(f"row {number} has more cells than the header")
        for column, cell in row.items():
            if cell is None:
                raise ValueError(f"row {number}, column '{column}': the row is cut short")
            if column in numeric:
                _check_number(name, number, str(column), cell)


def _check_number(name: str, number: int, column: str, cell: str) -> None:
    bounded = _BOUNDED.get((name, column))
    if not cell and column != "risk":
        return
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    outside = bounded is not None and not 0 <= value <= 1
    if not math.isfinite(value) or outside or (column == "outcome" and value not in (0, 1)):
        raise ValueError(f"row {number}, column '{column}': '{cell[:40]}' is not {bounded or 'a number'}")


def _explanations(folder: pathlib.Path | None) -> Mapping[str, Any]:
    """Returns explanations.json whose shape was checked; empty where there is none."""
    found = _json(folder, "explanations.json")
    if folder is None:
        return found
    fault = ""
    if "examples" not in found:
        fault = "it has no 'examples'"
    elif not _all_objects(found["examples"], list):
        fault = "'examples' is not a list of objects"
    elif "trust" in found and not _all_objects(found["trust"], dict):
        fault = "'trust' is not an object of objects"
    elif not isinstance(found.get("energy"), dict | None):
        fault = "'energy' is not an object"
    if fault:
        raise NotFound(f"'{folder / 'explanations.json'}' is damaged: {fault}.")
    return found


def _all_objects(value: Any, container: type[list[Any]] | type[dict[str, Any]]) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    return isinstance(value, container) and all(isinstance(one, dict) for one in inner)


def _kind(source: Mapping[str, Any]) -> str:
    """Returns `films` or `studies`, of which a part speaks; empty where it does not say."""
    task = source.get("task") or mapping(source.get("model")).get("task")
    return _KINDS.get(str(task), "")


def _check_kinds(run: Run) -> None:
    """Checks that all parts are of one task.

    Raises:
      Mismatched: they are not.
    """
    if run.films and run.studies:
        raise Mismatched(f"--run: '{run.places.evaluation}' holds films.csv and studies.csv, two evaluations in one.")
    explained = (_kind(run.explanations) or "studies") if run.places.explained else ""
    parts = {
        "training": (run.places.training, _kind(run.training)),
        "explained": (run.places.explained, explained),
        "data": (run.places.data, _kind(run.data)),
        "cross_validation": (run.places.cross_validation, _kind(run.cross_validation)),
    }
    for flag, (place, kind) in parts.items():
        if kind and run.kind and kind != run.kind:
            raise Mismatched(f"--{flag}: '{place}' is of {kind}, and --run of {run.kind}: name the part of one task.")


def _unreadable(run: Run) -> list[str]:
    """Returns the names of the pictures that this run should have and that cannot be read."""
    base, explained = run.places.evaluation, run.places.explained
    found = [path for name in OVERLAYS if base for path in sorted((base / name).glob("*.png"))]
    if explained:
        names = [one.get("picture") for one in run.explanations["examples"]]
        found += [explained / pathlib.PurePath(name).name for name in names if isinstance(name, str)]
    return list(dict.fromkeys(path.name for path in found if not _is_picture(path)))


def _is_picture(path: pathlib.Path) -> bool:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as opened:
            opened.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def _refused(data: pathlib.Path | None) -> list[Row] | None:
    return _rows(data, "refused.csv") if data is not None and (data / "refused.csv").is_file() else None


def _synthetic(run: Run) -> bool | None:
    """Returns whether any part says that its patients are synthetic; the phantom's annotator is called `exact`."""
    places = run.places
    parts = (places.evaluation, places.training, places.explained, places.data, places.cross_validation)
    folders = {places.run, *filter(None, parts)}
    sources = [run.summary, run.training, run.card, run.data, run.explanations, run.cross_validation]
    sources += [mapping(run.summary.get("model")), *(_json(folder, "demo.json") for folder in folders)]
    if any(source.get("synthetic") is True for source in sources) or run.exact:
        return True
    return False if any(source.get("synthetic") is False for source in sources) else None

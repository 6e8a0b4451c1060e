"""What a run has left: its parts are found in the folders around it and read into plain values."""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = dict[str, str]
EVALUATIONS = ("", "evaluated", "evaluation")
TRAININGS = ("", "run", "training")
EXPLANATIONS = ("", "explained", "explanations")
DATA = ("", "records", "data")
CROSS_VALIDATIONS = ("", "cross_validation", "cross_validated")
_CROSS_VALIDATION = "cross_validation.json"  # beside it summary.json tells the results


class NotFound(ValueError):  # noqa: N818 - it names an outcome
    """A folder does not hold what it was named for."""


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
    synthetic: bool | None = None

    @property
    def kind(self) -> str:
        """`films`, `studies`, or empty where no row and no task says which."""
        if self.films or self.studies:
            return "films" if self.films else "studies"
        sources = (self.training, self.card, self.data, self.cross_validation)
        named = {str(source.get("task")) for source in sources}
        if "deformity" in named:
            return "studies"
        return "films" if named & {"subluxation", "landmarks"} else ""

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

    def told(self, *names: str) -> Any:
        """Returns what training or model says under a path of keys, None where neither knows."""
        for source in (self.training, self.card, self.summary.get("model")):
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
        card=_mapping(model.get("card")),
        settings={name: value for name, value in model.items() if name != "card"},
        data=_json(data, "dataset.json"),
        records=_rows(data, "records.csv"),
        refused=_refused(data),
        explanations=_json(places.explained, "explanations.json"),
        cross_validation=_json(places.cross_validation, "summary.json"),
    )
    return dataclasses.replace(run, synthetic=_synthetic(run))


def _named(flag: str, folder: pathlib.Path | None, holds: Any) -> pathlib.Path | None:
    if folder is not None and not holds(folder):
        raise NotFound(f"--{flag}: '{folder}' does not hold what that flag names; see --help.")
    return folder


def _first(run: pathlib.Path, names: Iterable[str], holds: Any) -> pathlib.Path | None:
    return next((run / name for name in names if holds(run / name)), None)


def _holds(name: str) -> Any:
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
    if folder is None or not (folder / name).is_file():
        return []
    try:
        with (folder / name).open(newline="", encoding="utf-8") as stream:
            return [{str(key): value or "" for key, value in row.items() if key} for row in csv.DictReader(stream)]
    except (ValueError, csv.Error) as error:
        raise NotFound(f"'{folder / name}' is damaged: {error}.") from error


def _refused(data: pathlib.Path | None) -> list[Row] | None:
    return _rows(data, "refused.csv") if data is not None and (data / "refused.csv").is_file() else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _synthetic(run: Run) -> bool | None:
    """Returns whether any part says that its patients are synthetic; the phantom's annotator is called `exact`."""
    folders = {run.places.run, *filter(None, (run.places.evaluation, run.places.training, run.places.data))}
    sources = [run.summary, run.training, run.card, run.data, *(_json(folder, "demo.json") for folder in folders)]
    if any(source.get("synthetic") is True for source in sources):
        return True
    if _mapping(run.data.get("options")).get("annotators") == ["exact"]:
        return True
    return False if any(source.get("synthetic") is False for source in sources) else None

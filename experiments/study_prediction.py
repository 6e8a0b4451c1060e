"""The flags of experiments.predict for a risk model, and the scoring of studies that they ask for."""

import collections
import concurrent.futures
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags, logging
from numpy.typing import NDArray
from tqdm import tqdm

from experiments import clinical_table, endpoints, models, prediction, risk_threshold
from raspine import ahead, atomic, clinical, drawing, program, provenance, pseudonyms, study_reading, study_search
from raspine.dicom import series
from raspine.dicom.study import Study
from raspine.explanation import gradcam
from raspine.risk import RiskModel
from raspine.serving.remote_risk import RemoteRiskModel
from raspine.study_search import Source

_SERIES = flags.DEFINE_list(
    "series_uid", [], "UID,...: series to take whatever they look like, each of the study it belongs to."
)
_STRICT = flags.DEFINE_bool("strict", False, "Refuse a study in which two series are equally good.")
_GAPS = flags.DEFINE_enum("gaps", "refuse", ["refuse", "interpolate"], "What to do about a missing slice.")
_CLINICAL = flags.DEFINE_string(
    "clinical",
    None,
    "CSV file with clinical columns, and study (path), study_uid or patient_id; for models that take them.",
)
_EXPLAIN = flags.DEFINE_enum("explain", "gradcam", list(gradcam.METHODS), "What the red in the pictures is.")

_HOLDERS = (_SERIES, _STRICT, _GAPS, _CLINICAL, _EXPLAIN)
NAMES = tuple(holder.name for holder in _HOLDERS)
_TITLES = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++"}
_FIELDS = (
    "study", "risk", "verdict", "threshold", "series_uid", "series_number", "series_description", "series_reason",
    "series_slices", "spacing_row_mm", "spacing_column_mm", "pitch_mm", "slice_positions_mm", "slices", "flags",
    "files", "series", "overlay",
)  # fmt: skip

Values = NDArray[np.float32]
Model = RiskModel | RemoteRiskModel
Shown = tuple[NDArray[np.uint16], NDArray[np.float32]]  # [slice, row, column] as the network saw them, and the map
Explain = Callable[[NDArray[np.uint16], Values], list[Shown]]


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """What stays the same from study to study.

    Attributes:
      model: the risk model.
      threshold: of the verdict, and where it is from.
      options: how series and volume are taken.
      rows: clinical values.
      explain: from slices and clinical values to what the pictures show; None without pictures.
      names: of studies and files in the outputs.
      folder: for the outputs.
      request: what was asked for.
    """

    model: Model
    threshold: risk_threshold.Fixed
    options: study_reading.Options
    rows: Sequence[clinical_table.Row]
    explain: Explain | None
    names: "Names"
    folder: pathlib.Path
    request: prediction.Request


@dataclasses.dataclass(frozen=True)
class Names:
    """How the outputs name studies and files: as given, or by running numbers.

    Attributes:
      studies: pseudonym by name; empty without a private log.
      files: pseudonym by path; empty without a private log.
    """

    studies: Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def file(self, path: pathlib.Path) -> str:
        """Returns the name of a file."""
        return self.files.get(str(path)) or study_search.shown(path)

    def study(self, source: Source) -> str | None:
        """Returns the pseudonym of a study, None when it goes by its own name."""
        return self.studies.get(source.name)


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What came of the studies.

    Attributes:
      rows: of predictions.json.
      refused: why a study could not be scored, by its name in the outputs.
      files: why a file is in no row, by its name in the outputs.
    """

    rows: list[dict[str, Any]]
    refused: dict[str, str]
    files: dict[str, str]


def check(overlays: bool, remote: bool) -> None:
    """Checks the flags before any work.

    Args:
      overlays: whether there will be pictures.
      remote: whether the model is behind an endpoint.

    Raises:
      UsageError: they do not fit together.
    """
    risk_threshold.check()
    if _EXPLAIN.present and not overlays:
        raise program.UsageError("--explain is what the pictures show: leave --nooverlays away.")
    if remote and _EXPLAIN.value != gradcam.METHODS[0]:
        raise program.UsageError(f"--explain={_EXPLAIN.value} needs the model itself: an endpoint has gradcam alone.")
    if len(set(_SERIES.value)) < len(_SERIES.value) or not all(_SERIES.value):
        raise program.UsageError("--series_uid is UID,UID,... each once.")


def clinical_rows() -> Sequence[clinical_table.Row]:
    """Returns the rows of --clinical, none without the flag.

    Raises:
      UsageError: the file cannot be read.
    """
    return clinical_table.read(_CLINICAL.value) if _CLINICAL.value else ()


def check_rows(rows: Sequence[clinical_table.Row], model: Model) -> None:
    """Checks that a model takes clinical values where there are some.

    Raises:
      UsageError: it does not.
    """
    if rows and not model.settings.columns:
        raise program.UsageError("--clinical: this model takes slices alone, no clinical values.")


def options(sources: Sequence[Source]) -> study_reading.Options:
    """Returns how series and volumes are taken.

    Raises:
      UsageError: a series of --series_uid is in no study, or two are in one.
    """
    return study_reading.Options(_wished(sources), _STRICT.value, _GAPS.value)


def method() -> str:
    """Returns what the red in the pictures is."""
    return _TITLES[_EXPLAIN.value]


def predict(request: prediction.Request) -> str:
    """Scores studies and returns the closing line.

    Raises:
      UsageError: model and flags do not go together, or a series of --series_uid is in no study.
      NothingDone: no study could be scored.
    """
    fixed = risk_threshold.fixed()
    rows = clinical_rows()
    model = request.remote if isinstance(request.remote, RemoteRiskModel) else models.load_risk(request.model)
    check_rows(rows, model)
    found = study_search.find(request.paths, progress=True)
    if not found.sources and not found.refused:
        raise program.NothingDone(f"no file in {request.places}: nothing to score, and nothing was written.")
    taken = options(found.sources)
    names = _names(found) if request.private_log else Names()
    explain = explanation(model, request.batch) if request.overlays and found.sources else None
    with atomic.atomic_directory(request.output_dir) as folder:
        work = Work(model, fixed or _own(model), taken, rows, explain, names, folder, request)
        results = score(found, work)
        facts = _facts(results, work)
        prediction.write(folder, results.rows, map(_flat, results.rows), _FIELDS, results.files, facts)
        if request.private_log:
            pseudonyms.write_private_log(request.private_log, {"study": names.studies, "file": names.files})
    return _closing(results, found, request.output_dir)


def score(found: study_search.Found, work: Work) -> Results:
    """Returns the rows of predictions.json and why other studies and files are not in them.

    Studies are read ahead by threads and drawn by others; only a few are in memory at a time.
    """
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    reasons = dict(found.refused)
    sources, workers = _ordered(found.sources, work.names), work.request.workers
    calls = (functools.partial(_prepare, source, work) for source in sources)
    with (
        concurrent.futures.ThreadPoolExecutor(workers) as drawers,
        tqdm(total=len(sources), desc="scoring studies", unit="study", delay=2) as progress,
    ):
        waiting: collections.deque[concurrent.futures.Future[None]] = collections.deque()
        for batch in prediction.batches(ahead.in_order(calls, workers), work.request.batch):
            ready = [(reading, values) for _, reading, values in batch if isinstance(reading, study_reading.Reading)]
            failed = [(source, reading) for source, reading, _ in batch if isinstance(reading, str)]
            for source, answer, pixels, maps in _answers(ready, work):
                if isinstance(answer, str):
                    failed.append((source, answer))
                    continue
                row = study_reading.as_row(answer, work.names.study(source))
                if work.explain:
                    row["overlay"] = f"overlays/{prediction.picture_name(row['study'], len(rows) + 1)}"
                    waiting.append(drawers.submit(_draw, row, answer, pixels, maps, work))
                rows.append(row)
            for source, reason in failed:
                refused[work.names.study(source) or source.name] = reason
                reasons |= {path: f"its study is refused: {reason}" for path in source.files}
            while len(waiting) > 2 * workers:
                waiting.popleft().result()
            progress.update(len(batch))
        while waiting:
            waiting.popleft().result()
    files = {work.names.file(path): reason for path, reason in sorted(reasons.items())}
    return Results(rows, refused, dict(sorted(files.items())))


def _prepare(source: Source, work: Work) -> tuple[Source, study_reading.Reading | str, Values]:
    """Returns a study ready for the network, or why it cannot be, and its clinical values."""
    nothing = np.full(len(clinical.COLUMNS), np.nan, np.float32)
    try:
        row = clinical_table.find(work.rows, source)
        reading = study_reading.prepare(source, work.model.settings.choice, work.options)
        return source, reading, row.values if row else nothing
    except ValueError as error:
        reason = str(error)
        return source, study_reading.impersonal(reason, source) if work.names.studies else reason, nothing


Answered = tuple[Source, study_reading.Answer | str, Any, Any]


def _answers(ready: Sequence[tuple[study_reading.Reading, Values]], work: Work) -> Iterator[Answered]:
    """Yields each study's answer, slices and maps; when a batch fails, its studies go one by one."""
    if not ready:
        return
    try:
        yield from _batch_answers(ready, work)
    except Exception as error:  # one study must not end the others
        reason = prediction.refusal(error, "the study cannot be scored")
        if len(ready) > 1:
            for one in ready:
                yield from _answers([one], work)
            return
        logging.debug("scoring failed", exc_info=True)
        yield ready[0][0].source, reason, None, None


def _batch_answers(ready: Sequence[tuple[study_reading.Reading, Values]], work: Work) -> list[Answered]:
    readings, cells = [reading for reading, _ in ready], np.stack([values for _, values in ready])
    answers = study_reading.score(work.model, readings, cells, work.threshold[0])
    nothing: list[Any] = [(None, None)] * len(readings)
    pixels = np.stack([reading.scan.slices.pixels for reading in readings])
    maps = work.explain(pixels, cells) if work.explain else nothing
    return [(reading.source, answer, *shown) for reading, answer, shown in zip(readings, answers, maps, strict=True)]


def explanation(model: Model, batch: int) -> Explain:
    """Returns what makes the maps of uint16 [study, slice, row, column]: here, or where the model is."""
    if isinstance(model, RemoteRiskModel):
        return functools.partial(_remote_maps, model)
    return functools.partial(_maps, model, gradcam.Explainer(model.network, batch))


def _maps(model: RiskModel, explainer: gradcam.Explainer, pixels: NDArray[np.uint16], cells: Values) -> list[Shown]:
    images = model.framed(pixels)
    inputs = model.inputs(images, cells)
    pictures, values = (inputs["image"], inputs["clinical"]) if isinstance(inputs, dict) else (inputs, None)
    maps = gradcam.normalised(explainer(pictures, values, _EXPLAIN.value))
    shown = np.rint(np.transpose(images, (0, 3, 1, 2)) * 65535).astype(np.uint16)
    return list(zip(shown, maps, strict=True))


def _remote_maps(model: RemoteRiskModel, pixels: NDArray[np.uint16], cells: Values) -> list[Shown]:
    maps = gradcam.normalised(model.gradcam(pixels, cells))
    return list(zip(model.cut(pixels), maps, strict=True))


def _draw(row: Mapping[str, Any], answer: study_reading.Answer, pixels: Any, maps: Any, work: Work) -> None:
    name = work.names.study(answer.reading.source)
    picture = study_reading.picture(answer, pixels, maps, method(), name)
    drawing.write_png(work.folder / row["overlay"], picture)


def _wished(sources: Sequence[Source]) -> tuple[str, ...]:
    """Returns the series that the user wants.

    Raises:
      UsageError: one of them is in no study, or two are in one.
    """
    known = [{one.uid for one in source.content.series} for source in sources if isinstance(source.content, Study)]
    for uid in _SERIES.value:
        if not any(uid in series for series in known):
            raise program.UsageError("--series_uid: no study here has a readable MR series of one of the UIDs given.")
    if any(len(series & set(_SERIES.value)) > 1 for series in known):
        raise program.UsageError("--series_uid: two of the UIDs are series of one study; give one a study.")
    return tuple(_SERIES.value)


def _names(found: study_search.Found) -> Names:
    every = [*found.refused, *(path for source in found.sources for path in source.files)]
    return Names(
        pseudonyms.assign((source.name for source in found.sources), "study-", 5),
        pseudonyms.assign(map(str, every), "file-", 6),
    )


def _ordered(sources: Sequence[Source], names: Names) -> list[Source]:
    return sorted(sources, key=lambda source: names.study(source) or source.name)


def _own(model: Model) -> risk_threshold.Fixed:
    has_own = model.card.get("validation", {}).get("val_threshold") is not None
    return model.threshold, "the model's own, from its validation studies" if has_own else "none chosen, so 0.5"


def _facts(results: Results, work: Work) -> dict[str, Any]:
    """Returns run.json."""
    return {
        **provenance.describe(),
        "use": drawing.RESEARCH_USE,
        "scored": len(results.rows),
        "refused_studies": results.refused,
        "refused_files": len(results.files),
        "threshold": work.threshold[0],
        "threshold_source": work.threshold[1],
        "choice": work.model.settings.choice.to_dict(),
        "explained_by": _EXPLAIN.value if work.explain else None,
        "gaps": work.options.gaps,
        "strict": work.options.strict,
        "model": work.model.card,
        "endpoint": endpoints.described(work.model),
    }


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row of predictions.csv."""
    down, across = row["spacing_mm"]
    flat = {
        **row,
        "spacing_row_mm": down,
        "spacing_column_mm": across,
        "slice_positions_mm": " ".join(f"{value:g}" for value in row["slice_positions_mm"]),
        "slices": row["choice"]["kind"],
        "flags": "; ".join(row["flags"]),
    }
    return {key: flat.get(key) for key in _FIELDS}


def _closing(results: Results, found: study_search.Found, output_dir: str) -> str:
    prediction.print_refused({f"study {name}": reason for name, reason in results.refused.items()})
    loose = len(found.refused)
    if loose:
        print(f"{loose} files are of no study: refused.csv says why.")
    if not results.rows:
        raise program.NothingDone(
            f"no study could be scored: {len(results.refused)} studies and {loose} other files refused, see "
            f"{output_dir}/refused.csv."
        )
    count = collections.Counter(row["verdict"] for row in results.rows)
    studies = "study" if len(results.rows) == 1 else "studies"
    elsewhere = sum(bool(series.other_part(row["flags"])) for row in results.rows)
    of = f", {elsewhere} of another part of the body" if elsewhere else ""
    return (
        f"{len(results.rows)} {studies} scored ({count['positive']} positive, {count['negative']} negative{of}), "
        f"{len(results.refused)} refused: {output_dir} ({drawing.RESEARCH_USE})"
    )

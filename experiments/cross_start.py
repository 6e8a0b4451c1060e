"""A cross-validation from its request to its results."""

import json
import pathlib
from collections.abc import Sequence

from experiments import children, cross_course, cross_folder, cross_results, cross_tables, folder_lock
from experiments.cross_request import Request
from raspine import program
from raspine.inputs import folds as dealing
from raspine.inputs import redealing
from raspine.inputs.folds import Fold
from raspine.inputs.shards import ShardError
from raspine.training import landmarks as landmark_training
from raspine.training import loop


def start(request: Request, is_dry: bool = False) -> int:
    """Trains and judges the folds that are missing, writes the results, and returns the exit status.

    Args:
      request: what is asked for.
      is_dry: only list the folds.

    Raises:
      UsageError: data, flags or folder do not fit.
      NothingDone: a fold failed.
    """
    source = read(request)
    _check_locator(request, str(source.manifest["data_hash"]))
    whole, thin = deal(request, source)
    counted = f"{len(source.records)} {request.unit} of {len(source.by_patient())} patients"
    print(f"{counted}: {len(whole)} folds, and {len(thin)} trainings for the learning curve.", flush=True)
    if is_dry:
        print(table(whole, source))
        print(f"Nothing was trained (--dry_run): {len(whole) + len(thin)} trainings would go to {request.folder}")
        return program.DONE
    with folder_lock.alone(request.folder, "a cross-validation, or a training of one that was cut,") as lock:
        with children.signals() as received:
            cross_folder.claim(request, str(source.manifest["data_hash"]))
            cross_tables.write_folds(request, whole)
            if not cross_course.Course(request, source, received, lock).complete([*whole, *thin]):
                done = sum(map(request.is_done, [*whole, *thin]))
                print(f"Stopped with {done} of {len(whole) + len(thin)} trainings done; the same command goes on.")
                return program.STOPPED
        print(cross_results.write(request, whole, thin, source))
    return program.DONE


def read(request: Request) -> redealing.Contents:
    """Returns the records that take part; studies of unknown outcome do not.

    Raises:
      UsageError: the data are none, or not for the task.
      NothingDone: a shard is damaged.
    """
    makers = {"deformity": ("data_prep.mri", ("deformity",))}
    maker, tasks = makers.get(request.task, (landmark_training.PROGRAM, landmark_training.TASKS))
    try:
        manifest = loop.read_manifest(request.data, maker, tasks)
        source = redealing.contents(request.data, manifest, request.splits)
    except loop.DataFolderError as error:
        raise program.UsageError(f"--data: {error}") from error
    except ShardError as error:
        raise program.NothingDone(str(error)) from error
    if request.is_studies and not source.is_studies:
        raise program.UsageError(f"--data: '{request.data}' holds films; --task=deformity needs studies.")
    if request.task == "subluxation" and (name := manifest["schema"]["name"]) != "atlantoaxial":
        raise program.UsageError(
            f"--task=subluxation needs the schema atlantoaxial. Received: {name}; use --task=landmarks."
        )
    return source.without_unknown() if request.is_studies else source


def deal(request: Request, source: redealing.Contents) -> tuple[list[Fold], list[Fold]]:
    """Returns the whole folds, and the thinned ones of the first repeat.

    Films are stratified by their true verdict where enough patients have a positive one.

    Raises:
      UsageError: there are too few patients.
    """
    of_patient = source.by_patient()
    positive = [patient for patient, codes in of_patient.items() if any(codes)]
    rare = min(len(positive), len(of_patient) - len(positive))
    stratify = request.is_studies or rare >= max(3, request.folds)
    try:
        whole = dealing.deal(of_patient, request.folds, request.repeats, request.inner, request.seed, stratify)
    except dealing.FoldError as error:
        raise program.UsageError(f"--folds: {error}") from error
    thin = [
        dealing.thinned(fold, share, positive if stratify else (), request.seed)
        for share in request.shares
        for fold in whole
        if fold.repeat == 0
    ]
    return whole, thin


def table(whole: Sequence[Fold], source: redealing.Contents) -> str:
    """Returns the folds as lines: patients of each part, with the positive ones in brackets."""
    of_patient = source.by_patient()

    def part(patients: Sequence[str]) -> str:
        return f"{len(patients)} ({sum(any(of_patient[patient]) for patient in patients)})"

    lines = ["Patients of each part, the positive ones in brackets:"]
    lines.append(f"{'repeat':>6} {'fold':>4} {'train':>12} {'validation':>12} {'test':>12}")
    for fold in whole:
        cells = " ".join(f"{part(patients):>12}" for patients in fold.parts.values())
        lines.append(f"{fold.repeat + 1:>6} {fold.number + 1:>4} {cells}")
    return "\n".join(lines)


def _check_locator(request: Request, data_hash: str) -> None:
    """Refuses a locator that was trained on these data, and so on patients who test.

    Raises:
      UsageError: it was.
    """
    for text in request.stages[0]:
        name, _, value = text.lstrip("-").partition("=")
        if name != "refine":
            continue
        card = pathlib.Path(value) / "model.json"
        if card.is_file() and json.loads(card.read_text(encoding="utf-8")).get("data_hash") == data_hash:
            raise program.UsageError(
                f"--refine: '{value}' was trained on these data, so on patients who test: leave it out, and give the "
                "flags of the refiner as --refiner_flagfile; each fold then trains both."
            )

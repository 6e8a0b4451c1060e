"""What a cross-validation is asked for, and where it keeps what."""

import dataclasses
import pathlib

from raspine.inputs.folds import Fold

Arguments = tuple[str, ...]
STAGES = ("run", "refined")


@dataclasses.dataclass(frozen=True)
class Request:
    """What is trained and judged, and where.

    Attributes:
      task: of experiments.train.
      data: folder of data_prep.
      folder: of the cross-validation.
      stages: flags of each training of a fold, one after another; the second refines what the first finds.
      folds: of each repeat.
      repeats: how often all patients are dealt.
      inner: share of the patients who do not test that epoch and threshold are chosen on.
      shares: of the training patients, below 1, for the learning curve.
      splits: of the data that take part.
      seed: of the dealing.
      training_seed: of the trainings of the first repeat; each repeat has the next.
      sensitivity: least one wanted on the inner validation; None for Youden's index.
      keep_records: whether the folds' records, checkpoints and last/ stay.
      epochs: of all trainings of a fold together, for the time left.
      train_module: the program that trains.
      evaluate_module: the program that judges.
    """

    task: str
    data: pathlib.Path
    folder: pathlib.Path
    stages: tuple[Arguments, ...]
    folds: int = 5
    repeats: int = 2
    inner: float = 0.25
    shares: tuple[float, ...] = ()
    splits: tuple[str, ...] = ("train", "validation", "test")
    seed: int = 0
    training_seed: int = 0
    sensitivity: float | None = None
    keep_records: bool = False
    epochs: int = 40
    train_module: str = "experiments.train"
    evaluate_module: str = "experiments.evaluate"

    @property
    def is_studies(self) -> bool:
        """Whether studies are judged, not films."""
        return self.task == "deformity"

    @property
    def unit(self) -> str:
        """What a record is called."""
        return "studies" if self.is_studies else "films"

    @property
    def places(self) -> pathlib.Path:
        """The folder of the folds."""
        return self.folder / "folds"

    def place(self, fold: Fold) -> pathlib.Path:
        """Returns the folder of a fold."""
        return self.places / fold.name

    def data_of(self, fold: Fold) -> pathlib.Path:
        """Returns the folder of a fold's records."""
        return self.place(fold) / "data"

    def run_of(self, fold: Fold, stage: int = -1) -> pathlib.Path:
        """Returns the folder of a fold's training; of the last one without a stage."""
        return self.place(fold) / STAGES[: len(self.stages)][stage]

    def evaluation_of(self, fold: Fold) -> pathlib.Path:
        """Returns the folder of a fold's evaluation, which is there when the fold is done."""
        return self.place(fold) / "evaluation"

    def is_done(self, fold: Fold) -> bool:
        """Whether a fold was judged."""
        return (self.evaluation_of(fold) / "summary.json").is_file()

    def log(self, fold: Fold) -> pathlib.Path:
        """Returns the file of a fold's output."""
        return self.folder / "logs" / f"{fold.name}.log"

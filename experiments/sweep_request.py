"""What a sweep is asked for, and where it keeps what."""

import dataclasses
import pathlib
from typing import Literal

Direction = Literal["maximize", "minimize"]


@dataclasses.dataclass(frozen=True)
class Request:
    """What is searched, and where.

    Attributes:
      space: path of the JSON file of the flags that vary.
      trials: how many in all.
      folder: of the sweep.
      arguments: flags that every trial gets, flag files expanded.
      metric: name of the figure in run.json's best epoch.
      direction: in which it is better.
      seed: of the values.
      prune_after: epoch from which poor trials end; 0 for never.
      failures: failed trials in a row that end the sweep.
      module: the program of a trial.
    """

    space: str
    trials: int
    folder: pathlib.Path
    arguments: tuple[str, ...]
    metric: str
    direction: Direction
    seed: int = 0
    prune_after: int = 0
    failures: int = 5
    module: str = "experiments.train"

    @property
    def runs(self) -> pathlib.Path:
        """The folder of the trials' runs, for TensorBoard."""
        return self.folder / "trials"

    @property
    def journal(self) -> pathlib.Path:
        """What Optuna keeps."""
        return self.folder / "journal.jsonl"

    def place(self, number: int) -> pathlib.Path:
        """Returns the folder of a trial's run."""
        return self.runs / f"{number:04d}"

    def log(self, number: int) -> pathlib.Path:
        """Returns the file of a trial's output."""
        return self.folder / "logs" / f"{number:04d}.log"

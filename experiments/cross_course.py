"""The folds of a cross-validation as they are trained and judged, with what a user is told of each."""

import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import tqdm

from experiments import children, search_trial
from experiments.cross_request import Request
from raspine import program
from raspine.inputs import redealing
from raspine.inputs.folds import Fold


class Course:
    """Trains and judges folds one after another.

    Args:
      request: what is asked for.
      source: the records.
      received: signals for this process.
      lock: file descriptor that keeps others out of the folder.
    """

    def __init__(self, request: Request, source: redealing.Contents, received: children.Received, lock: int):
        self._request, self._source, self._received, self._lock = request, source, received, lock

    def complete(self, folds: Sequence[Fold]) -> bool:
        """Does the folds that are missing; returns whether none is missing now.

        Raises:
          UsageError: a program says that its flags are wrong.
          NothingDone: a fold failed.
        """
        left = [fold for fold in folds if not self._request.is_done(fold)]
        for fold in set(folds) - set(left):
            self._clean(fold)
        done, epochs = len(folds) - len(left), self._request.epochs
        with tqdm.tqdm(total=len(left) * epochs, desc="training", unit="epoch", disable=not left) as bar:
            for number, fold in enumerate(left, 1):
                if self._received.any or not self._do(fold, bar):
                    return False
                bar.update(number * epochs - bar.n)
                line = f"{fold.name}: {self._figures(fold)}; {done + number} of {len(folds)} done"
                tqdm.tqdm.write(line, file=sys.stdout)
        return True

    def _do(self, fold: Fold, bar: tqdm.tqdm) -> bool:
        """Does a fold; returns whether it was done, not stopped."""
        request = self._request
        request.log(fold).parent.mkdir(parents=True, exist_ok=True)
        if not request.data_of(fold).exists():
            rule = {"rule": "cross-validation", "repeat": fold.repeat + 1, "fold": fold.number + 1, "share": fold.share}
            rule |= {"folds": request.folds, "by": "patient", "seed": request.seed}
            redealing.write(request.data_of(fold), self._source, fold.part_of(), rule, request.seed)
        for stage in range(len(request.stages)):
            if not self._ended_well(fold, self._training(fold, stage), stage, bar):
                return False
        if not self._ended_well(fold, self._evaluation(fold), None, bar):
            return False
        self._clean(fold)
        return True

    def _training(self, fold: Fold, stage: int) -> list[str]:
        request = self._request
        refined = [f"--refine={request.run_of(fold, stage - 1) / 'best'}"] if stage else []
        return [
            sys.executable, "-m", request.train_module, *request.stages[stage], *refined,
            f"--seed={request.training_seed + fold.repeat}", f"--data={request.data_of(fold)}",
            f"--output_dir={request.run_of(fold, stage)}",
        ]  # fmt: skip

    def _evaluation(self, fold: Fold) -> list[str]:
        request, run = self._request, self._request.run_of(fold)
        command = [
            sys.executable, "-m", request.evaluate_module, f"--model={run / 'best'}", "--split=test",
            f"--data={request.data_of(fold)}", f"--output_dir={request.evaluation_of(fold)}",
        ]  # fmt: skip
        if not request.is_studies:
            return [*command, "--pictures=0"]
        if request.sensitivity is None:
            return [*command, f"--threshold_from={run}"]
        # The validation split of a fold's data is its inner one.
        return [*command, "--threshold_rule=sensitivity", f"--sensitivity={request.sensitivity}"]

    def _ended_well(self, fold: Fold, command: Sequence[str], stage: int | None, bar: Any) -> bool:
        """Runs a program; returns whether it ended well, not stopped.

        Raises:
          UsageError: its flags are wrong.
          NothingDone: it failed.
        """
        request, before = self._request, bar.n
        folder = request.evaluation_of(fold) if stage is None else request.run_of(fold, stage)

        def show(history: Sequence[Mapping[str, Any]]) -> bool:
            if stage is not None and before + len(history) > bar.n:
                bar.update(before + len(history) - bar.n)
            return False

        status = search_trial.run(command, folder, request.log(fold), self._received, show, self._lock).status
        if status == program.DONE:
            return True
        if self._received.any or status == program.STOPPED:
            return False
        said = children.last_lines(request.log(fold), 1)
        reason = said[0].removeprefix("error: ") if said and status > 0 else children.how_it_ended(status)
        if status == program.WRONG_FLAGS:
            raise program.UsageError(f"{fold.name}: {reason}")
        raise program.NothingDone(
            f"{fold.name}: {reason} Look at {request.log(fold)}; the same command goes on with this fold."
        )

    def _clean(self, fold: Fold) -> None:
        """Removes what a judged fold needs no more."""
        request = self._request
        if request.keep_records:
            return
        for data in (request.data_of(fold), *request.place(fold).glob(".*.part")):
            shutil.rmtree(data, ignore_errors=True)
        for stage in range(len(request.stages)):
            for name in ("state", "last"):
                shutil.rmtree(request.run_of(fold, stage) / name, ignore_errors=True)

    def _figures(self, fold: Fold) -> str:
        """Returns a fold's most important figures in words."""
        found = json.loads((self._request.evaluation_of(fold) / "summary.json").read_text(encoding="utf-8"))
        wanted = ("auc", "sensitivity", "specificity") if self._request.is_studies else ("mre_mm", "sdr_2mm")
        return ", ".join(f"{name} {_text(found.get(name))}" for name in wanted)


def _text(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3g}"

"""The search itself: which values a trial gets, and what came of it, kept by Optuna in a journal file.

The values of a trial depend on the seed, its number and the results of the trials before it, so a search that was cut
goes on as if nothing had happened. One process searches at a time.
"""

import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import optuna
from optuna.storages import journal
from optuna.trial import TrialState

STATES = {
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "cut",
    TrialState.WAITING: "waiting",
}
_NAME = "raspine"
_STARTUP_TRIALS = 5  # that are never pruned, to have something to compare with


class Search:
    """Trials of a space, some done and more to come.

    Args:
      path: of the journal; made, or gone on with.
      space: what each flag may be.
      direction: `maximize` or `minimize`.
      seed: of the values.
      prune_after: epoch from which a trial worse than the median of the others is ended; 0 for never.
    """

    def __init__(
        self,
        path: pathlib.Path,
        space: Mapping[str, optuna.distributions.BaseDistribution],
        direction: Literal["maximize", "minimize"],
        seed: int,
        prune_after: int = 0,
    ):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        _mend(path)
        self._space, self._seed, self._is_up = space, seed, direction == "maximize"
        self._storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(path)))
        pruner = (
            optuna.pruners.MedianPruner(_STARTUP_TRIALS, prune_after) if prune_after else optuna.pruners.NopPruner()
        )
        self._study = optuna.create_study(
            storage=self._storage, study_name=_NAME, direction=direction, load_if_exists=True, pruner=pruner
        )

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """All trials so far, by number."""
        return self._study.get_trials()

    @property
    def finished(self) -> int:
        """Number of trials that are done, pruned or failed."""
        return sum(trial.state.is_finished() for trial in self.trials)

    @property
    def best(self) -> optuna.trial.FrozenTrial | None:
        """The best trial that is done, of equal ones the first; None without any."""
        done = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        sign = -1 if self._is_up else 1
        return min(done, key=lambda trial: (sign * float(trial.value or 0.0), trial.number), default=None)

    def begin(self) -> optuna.Trial:
        """Returns the trial that was cut, if there is one, else a new one; its values are set."""
        cut = [trial.number for trial in self.trials if not trial.state.is_finished()]
        number = cut[0] if cut else len(self.trials)
        words = np.random.SeedSequence((self._seed, number)).generate_state(1)
        self._study.sampler = optuna.samplers.TPESampler(seed=int(words[0]))
        trial = self._again(number) if cut else self._study.ask()
        for name, distribution in self._space.items():
            _suggest(trial, name, distribution)
        return trial

    def _again(self, number: int) -> optuna.Trial:
        study = self._storage.get_study_id_from_name(_NAME)
        return optuna.Trial(self._study, self._storage.get_trial_id_from_study_id_trial_number(study, number))

    def end(
        self, trial: optuna.Trial, notes: Mapping[str, Any], value: float | None = None, is_pruned: bool = False
    ) -> None:
        """Keeps what came of a trial.

        Args:
          trial: as `begin` gave it.
          notes: what else to keep with it; JSON.
          value: of the metric; None for a trial that failed or was pruned.
          is_pruned: whether it was ended early because others are better.
        """
        for name, note in notes.items():
            trial.set_user_attr(name, note)
        if is_pruned:
            self._study.tell(trial, state=TrialState.PRUNED)
        elif value is None or not math.isfinite(value):
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def is_hopeless(self, trial: optuna.Trial, history: Sequence[Mapping[str, Any]], metric: str) -> bool:
        """Keeps the figures of a trial's epochs; returns whether it is worse than most were by then.

        Args:
          trial: that is under way.
          history: figures of each epoch, with its number under `epoch`.
          metric: name of the figure.
        """
        known = self.trials[trial.number].intermediate_values
        fresh = [row for row in history if row.get(metric) is not None and row["epoch"] not in known]
        for row in fresh:
            trial.report(float(row[metric]), int(row["epoch"]))
        return bool(fresh) and trial.should_prune()


def _suggest(trial: optuna.Trial, name: str, wanted: optuna.distributions.BaseDistribution) -> None:
    if isinstance(wanted, optuna.distributions.FloatDistribution):
        trial.suggest_float(name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
    elif isinstance(wanted, optuna.distributions.IntDistribution):
        trial.suggest_int(name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
    elif isinstance(wanted, optuna.distributions.CategoricalDistribution):
        trial.suggest_categorical(name, wanted.choices)


def _mend(path: pathlib.Path) -> None:
    """Takes away what a process that was killed left: a line cut short, and its lock."""
    pathlib.Path(f"{path}.lock").unlink(missing_ok=True)
    if path.is_file() and (text := path.read_bytes()) and not text.endswith(b"\n"):
        os.truncate(path, text.rfind(b"\n") + 1)

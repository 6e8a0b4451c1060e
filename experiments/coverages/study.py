"""The coverage study: every situation, every method, many cohorts."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from experiments.coverages import scenes, tally
from raspine.evaluation.estimate import UNDEFINED, Interval

BAND = (0.91, 0.98)  # what a recommended interval of 95 % must cover
ENOUGH = 2000  # cohorts; of fewer, chance alone would miss the aims
POINTS = 0.015  # how far simulation and exact coverage may be apart

Row = dict[str, Any]


def run(
    situations: Sequence[scenes.Scene],
    cohorts: int,
    resamples: int,
    seed: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> list[Row]:
    """Returns a row a situation, figure and method.

    Args:
      situations: what is simulated.
      cohorts: how many of each.
      resamples: of each bootstrap.
      seed: cohort k of situation s is a function of (seed, s, k).
      progress: wraps the numbers of a situation's cohorts.
    """
    rows = []
    for number, scene in enumerate(situations):
        collected: dict[tuple[str, str], list[Interval]] = {}
        for cohort in progress(range(cohorts)):
            answers = scene.answers(np.random.default_rng([seed, number, cohort]), resamples)
            for figure, methods in answers.items():
                for method, interval in methods.items():
                    collected.setdefault((figure, method), []).append(interval)
        exact = scene.exact()
        rows += [{**_row(scene, *key, ends, cohorts), "exact": exact.get(key)} for key, ends in collected.items()]
    return rows


def _row(scene: scenes.Scene, figure: str, method: str, ends: list[Interval], cohorts: int) -> Row:
    missing = [UNDEFINED] * (cohorts - len(ends))
    return {
        "situation": scene.name,
        "figure": figure,
        "truth": scene.truths[figure],
        "method": method,
        "is_recommended": (figure, method) in scene.recommended,
        **tally.row([*ends, *missing], scene.truths[figure]),
    }


def verdicts(rows: Iterable[Row]) -> list[str]:
    """Returns a sentence for each row that misses its aim; none when all hold.

    Recommended intervals cover 91 to 98 %, by enumeration where there is one; simulated coverage lies within 1.5 points
    of the exact one. Of fewer than ENOUGH cohorts nothing is said.
    """
    said = []
    for row in rows:
        if row["cohorts"] < ENOUGH:
            continue
        name = f"{row['situation']}: {row['figure']}, {row['method']}"
        covered = math.nan if row["coverage"] is None else row["coverage"]
        judged = covered if row["exact"] is None else row["exact"]
        if row["is_recommended"] and not BAND[0] <= judged <= BAND[1]:
            said.append(f"{name}: covers {judged:.1%}, not {BAND[0]:.0%} to {BAND[1]:.0%}.")
        if row["exact"] is not None and not abs(covered - row["exact"]) <= POINTS:
            said.append(f"{name}: covers {covered:.1%}, {row['exact']:.1%} exactly.")
    return said

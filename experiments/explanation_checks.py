"""What experiments.explain does for --checks: which studies and networks, and the files that come of it."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raspine import atomic, program, risk, study_records
from raspine.evaluation import studies
from raspine.explanation import cascade, energy, explained, gradcam, judging, sanity, trust
from raspine.inputs import slices

ALL = "all"


@dataclasses.dataclass(frozen=True, eq=False)
class Networks:
    """The trained network and those that learnt nothing.

    Attributes:
      explainers: of the trained network, then of those with freshly drawn weights.
      course: whose weights are replaced stage by stage; None where it is not asked for.
    """

    explainers: list[gradcam.Explainer]
    course: cascade.Cascade | None = None


def names(given: Sequence[str]) -> tuple[str, ...]:
    """Returns the checks that --checks names.

    Raises:
      UsageError: one is unknown.
    """
    if unknown := [name for name in given if name not in (*trust.CHECKS, ALL)]:
        raise program.UsageError(f"--checks: one of {', '.join(trust.CHECKS)}, {ALL}. Received: '{unknown[0]}'.")
    return tuple(trust.CHECKS) if ALL in given else tuple(dict.fromkeys(given))


def networks(
    model: risk.RiskModel,
    records: Sequence[study_records.StudyRecord],
    draws: int,
    seed: int,
    batch: int,
    with_course: bool = False,
) -> Networks:
    """Returns the networks that are explained.

    Args:
      model: the trained one.
      records: a batch, from which the randomised ones take their normalisation.
      draws: how many with freshly drawn weights.
      seed: of their weights.
      batch: studies that pass a network together.
      with_course: whether a network is made whose weights can be replaced stage by stage.
    """
    trained = gradcam.Explainer(model.network, batch)
    if not draws:
        return Networks([trained])
    typical = explained.network_inputs(model, records)
    fresh = [sanity.randomised(model.network, seed * 1000 + draw, typical) for draw in range(draws)]
    course = cascade.Cascade(model.network, fresh[0], typical) if with_course else None
    return Networks([trained, *(gradcam.Explainer(one, batch) for one in fresh)], course)


def others(model: risk.RiskModel, folders: Sequence[str], batch: int) -> list[judging.Other]:
    """Returns networks of other training runs.

    Args:
      model: the one that is explained.
      folders: model directories.
      batch: studies that pass a network together.

    Raises:
      UsageError: one is no risk model, reads other slices, or has the weights of another one.
    """
    found: list[judging.Other] = []
    for folder in folders:
        other = _loaded(folder)
        if _meaning(other) != _meaning(model):
            raise program.UsageError(f"--others: '{folder}' does not read the slices or columns of --model.")
        if any(_same(other, one) for one in (model, *(one.model for one in found))):
            raise program.UsageError(f"--others: '{folder}' has the weights of a network that was named before.")
        seed = other.card.get("flags", {}).get("seed")
        name = "training seed not known" if seed is None else f"training seed {seed}"
        found.append(judging.Other(name, other, gradcam.Explainer(other.network, batch)))
    return found


def sample(found: studies.Studies, count: int, seed: int) -> list[str]:
    """Returns the pseudonyms of studies drawn at random, without regard to outcome or risk."""
    order = np.random.default_rng(seed).permutation(len(found))
    return sorted(found.names[place] for place in order[:count])


def judge(
    setting: judging.Setting, chosen: Sequence[str], asked: Sequence[str], meter: energy.Meter | None
) -> dict[str, judging.Judged]:
    """Returns each method's checks, with a bar when they take more than two seconds."""
    located = {method: meter.located(method) for method in chosen} if meter else {}
    return judging.Judge(setting, chosen, asked, located).judged(progress=True)


def facts(judged: Mapping[str, judging.Judged], setting: judging.Setting) -> dict[str, Any]:
    """Returns what explanations.json says of the checks: `trust`, `trust_rule`, `trust_studies` and `checks`."""
    return {
        "trust": {method: trust.entry(one.checks) for method, one in judged.items()},
        "trust_rule": trust.RULE,
        "trust_studies": [record.study for record in setting.records],
        "checks": {method: one.to_dict() for method, one in judged.items()},
    }


def write_table(folder: pathlib.Path, judged: Mapping[str, judging.Judged]) -> None:
    """Writes trust.csv: a row for each comparison of each check."""
    rows = [row for method, one in judged.items() for row in trust.rows(method, one.checks)]
    atomic.write_csv(folder / "trust.csv", rows, trust.FIELDS)


def _loaded(folder: str) -> risk.RiskModel:
    try:
        return risk.load(folder)
    except (ValueError, OSError) as error:
        raise program.UsageError(f"--others: {error}") from error


def _meaning(model: risk.RiskModel) -> tuple[Any, ...]:
    """Returns what must be equal for maps to be compared pixel by pixel."""
    settings, choice = model.settings, model.settings.choice
    thickness = choice.thickness_mm if choice.kind == slices.SLAB else None
    taken = choice.kind, choice.count, choice.canvas_mm, choice.size, thickness
    return taken, settings.height, settings.width, settings.columns, settings.per_slice


def _same(one: risk.RiskModel, other: risk.RiskModel) -> bool:
    ours, theirs = one.network.get_weights(), other.network.get_weights()
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))

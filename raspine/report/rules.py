"""The rule of each distance: where it turns, and on which side a value is pathological."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from raspine.report import gather, wording

_BELOW = ("sac",)


@dataclasses.dataclass(frozen=True)
class Rule:
    """Where a distance is called positive.

    Attributes:
      threshold: mm; None where no rule is known.
      sign: 1 where large values are pathological, -1 where small ones are.
      strict: whether the threshold itself is not pathological.
    """

    threshold: float | None
    sign: int
    strict: bool = True

    @property
    def cut(self) -> float | None:
        """The first pathological value, mm: the threshold, or the number next to it where that is not; None unknown."""
        if self.threshold is None or not self.strict:
            return self.threshold
        return math.nextafter(self.threshold, self.sign * math.inf)

    @property
    def words(self) -> str:
        """The rule as `> 3 mm`, empty where none is known."""
        if self.threshold is None:
            return ""
        comparison = {(1, True): ">", (1, False): "≥", (-1, True): "<", (-1, False): "≤"}[self.sign, self.strict]
        return f"{comparison} {self.threshold:g} mm"


def of(run: gather.Run, name: str) -> Rule:
    """Returns the rule of a distance, from the evaluation's schema, the data's or the model's.

    Args:
      run: as read.
      name: of the distance.
    """
    stated = (known[name] for known in map(distances, schemas(run)) if name in known)
    one = next(stated, None)
    if one is None:
        return Rule(None, -1 if name in _BELOW else 1)
    threshold = wording.as_number(one.get("threshold_mm"))
    comparison = str(one.get("comparison", ">"))
    sign = -1 if comparison.startswith("<") else 1
    return Rule(threshold if threshold > 0 else None, sign, not comparison.endswith("="))


def distances(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Returns what a schema says of each distance, by name."""
    stated = schema.get("distances")
    listed = [one for one in stated if isinstance(one, Mapping)] if isinstance(stated, list) else []
    return {str(one.get("name")): one for one in listed}


def schemas(run: gather.Run) -> list[Mapping[str, Any]]:
    """Returns the landmark schemas that the run tells of, the evaluation's first."""
    stages = run.settings.get("stages")
    stage = stages[0] if isinstance(stages, list) and stages else run.settings
    sources = (run.summary, stage, run.data)
    found = [source.get("schema") for source in sources if isinstance(source, Mapping)]
    return [schema for schema in found if isinstance(schema, Mapping)]

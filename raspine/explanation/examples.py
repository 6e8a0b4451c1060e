"""Which studies are shown: right and wrong verdicts, the surest first."""

import dataclasses
from collections.abc import Sequence

from raspine import risk, study_records
from raspine.evaluation import studies

# By outcome and verdict; in the order in which they are shown.
GROUPS = {(1, "positive"): "tp", (0, "negative"): "tn", (0, "positive"): "fp", (1, "negative"): "fn"}
UNKNOWN = "unknown"
TITLES = {
    "tp": "true positive",
    "tn": "true negative",
    "fp": "false positive",
    "fn": "false negative",
    UNKNOWN: "outcome not known",
}


@dataclasses.dataclass(frozen=True)
class Example:
    """A study to explain.

    Attributes:
      study: its pseudonym.
      group: `tp`, `tn`, `fp`, `fn`, or `unknown` without outcome.
      rank: from 1, within its group.
      outcome: 1, 0 or -1.
      risk: 0..1.
      verdict: `positive` or `negative`.
    """

    study: str
    group: str
    rank: int
    outcome: int
    risk: float
    verdict: str

    @property
    def name(self) -> str:
        """The beginning of its pictures' names, say `tp_1_S00012`."""
        return f"{self.group}_{self.rank}_{self.study}"


def choose(found: studies.Studies, threshold: float, count: int) -> list[Example]:
    """Returns `count` studies of each group: of those called positive the highest risks, of the others the lowest.

    Args:
      found: the scored studies.
      threshold: positive from here up.
      count: how many of each group, where there are so many.
    """
    known = found.known()
    order = sorted(range(len(known)), key=lambda place: (known.risks[place], known.names[place]))
    rising, falling = (_examples(known, threshold, places) for places in (order, order[::-1]))
    chosen = [example for example in rising if example.verdict == risk.VERDICTS[0] and example.rank <= count]
    chosen += [example for example in falling if example.verdict == risk.VERDICTS[1] and example.rank <= count]
    return _shown(chosen)


def named(found: studies.Studies, threshold: float, names: Sequence[str]) -> list[Example]:
    """Returns the named studies, ranked within their groups in the order of their names' list.

    Raises:
      KeyError: a study is not among those found.
    """
    place = {name: number for number, name in enumerate(found.names)}
    return _shown(_examples(found, threshold, [place[name] for name in names]))


def _examples(found: studies.Studies, threshold: float, places: Sequence[int]) -> list[Example]:
    """Returns all of them, ranked within their groups in the order of their places."""
    seen: dict[str, int] = {}
    made = []
    for place in places:
        outcome, value = int(found.outcomes[place]), float(found.risks[place])
        verdict = risk.verdict(value, threshold)
        group = UNKNOWN if outcome == study_records.UNKNOWN else GROUPS[outcome, verdict]
        seen[group] = seen.get(group, 0) + 1
        made.append(Example(found.names[place], group, seen[group], outcome, value, verdict))
    return made


def _shown(examples: Sequence[Example]) -> list[Example]:
    order = list(TITLES)
    return sorted(examples, key=lambda example: (order.index(example.group), example.rank))

"""CLAIM and TRIPOD+AI: the published items by number, their topics in our words, and what the run answers."""

import dataclasses
import functools
import json
import pathlib
from typing import Any

from raspine.report import answers, blocks, gather

FOLDER = pathlib.Path(__file__).parent / "checklists"
NAMES = ("claim_2024", "tripod_ai_2024")
AUTHORS = "to be written by the authors"
PARTLY = "from the run; the authors add the rest"
FILLED = "from the run"
_TONES = {AUTHORS: "open", PARTLY: "", FILLED: "good"}


@dataclasses.dataclass(frozen=True)
class Item:
    """An item of a guideline.

    Attributes:
      number: as published, `12c`.
      section: where the guideline files it.
      topic: what it asks for, in our words.
      answers: keys of `answers.ANSWERS`; empty where no run can know.
      whole: whether the answers say all that the item asks for.
      page: name of the report's section that shows it; empty for none.
    """

    number: str
    section: str
    topic: str
    answers: tuple[str, ...] = ()
    whole: bool = False
    page: str = ""


@dataclasses.dataclass(frozen=True)
class Checklist:
    """A guideline.

    Attributes:
      name: for people.
      source: where its items are published.
      items: in the published order.
    """

    name: str
    source: str
    items: tuple[Item, ...]


@dataclasses.dataclass(frozen=True)
class Answered:
    """An item with the run's answer.

    Attributes:
      item: of the guideline.
      state: FILLED, PARTLY or AUTHORS.
      text: the answer; empty where the authors write it.
    """

    item: Item
    state: str
    text: str


@functools.cache
def load(name: str) -> Checklist:
    """Returns a guideline.

    Args:
      name: one of NAMES.
    """
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    items = tuple(Item(**{**item, "answers": tuple(item.get("answers", ()))}) for item in found["items"])
    return Checklist(found["name"], found["source"], items)


def filled(checklist: Checklist, known: dict[str, str]) -> list[Answered]:
    """Returns the items, each filled in where the run knows the answer.

    Args:
      checklist: the guideline.
      known: from `answers.all_of`.
    """
    return [_answered(item, known) for item in checklist.items]


def section(run: gather.Run) -> blocks.Section:
    """Returns both guidelines as tables that open on a click."""
    known = answers.all_of(run)
    parts: list[Any] = [
        blocks.Text(
            "What the run knows is filled in; the rest is the authors'. Topics are in our own words: the published "
            "wording is binding, and a filled item still needs a look."
        )
    ]
    for name in NAMES:
        checklist = load(name)
        found = filled(checklist, known)
        count = sum(one.state != AUTHORS for one in found)
        summary = f"{checklist.name}: {count} of {len(found)} items answered by the run"
        parts.append(blocks.Folded(summary, [blocks.Text(checklist.source, "note"), _table(checklist, found)]))
    return blocks.Section("checklists", "Reporting checklists", parts, "Checklists")


def _answered(item: Item, known: dict[str, str]) -> Answered:
    text = " ".join(filter(None, (known[key] for key in item.answers)))
    if not text:
        return Answered(item, AUTHORS, "")
    return Answered(item, FILLED if item.whole else PARTLY, text)


def _table(checklist: Checklist, found: list[Answered]) -> blocks.Table:
    rows: list[blocks.Row] = [
        [
            blocks.Cell(one.item.number, float(place)),
            one.item.section,
            one.item.topic,
            blocks.Cell(one.state, None, _TONES[one.state]),
            blocks.Cell(one.text, None, "", one.item.page if one.text else ""),
        ]
        for place, one in enumerate(found)
    ]
    return blocks.Table(checklist.name, ["Item", "Section", "Topic", "Who answers", "Answer"], rows, narrow=True)

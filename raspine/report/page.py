"""The report as one HTML file that needs no network: sections joined, styled, closed against what names may hold."""

import base64
import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import markupsafe

import raspine
from raspine.report import (
    agreement,
    blocks,
    calibration,
    card,
    checklists,
    checks,
    cohort,
    crossed,
    decisions,
    discrimination,
    gallery,
    gather,
    glance,
    glossary,
    groups,
    limits,
    localisation,
    rendering,
    training,
    trust,
)

Maker = Callable[[gather.Run], blocks.Section]
_OF_BOTH: tuple[Maker, ...] = (glance.section, cohort.section, training.section, discrimination.section)
_OF_FILMS: tuple[Maker, ...] = (*_OF_BOTH, decisions.section, localisation.section, agreement.section)
_OF_STUDIES: tuple[Maker, ...] = (*_OF_BOTH, calibration.section, decisions.section, agreement.section)
_LAST: tuple[Maker, ...] = (
    groups.section, gallery.section, trust.section, crossed.section, checks.section, limits.section, card.section,
    checklists.section, lambda _: glossary.section(),
)  # fmt: skip


def sections(run: gather.Run) -> list[blocks.Section]:
    """Returns the sections that a run of this kind has, in their order."""
    makers = [*(_OF_STUDIES if run.kind == "studies" else _OF_FILMS), *_LAST]
    # Maps are made of risk models alone.
    wanted = [make for make in makers if make is not trust.section or run.kind == "studies" or run.explanations]
    made = [make(run) for make in wanted]
    names = {section.name for section in made}
    return [_without_dead_links(section, names) for section in made]


def render(run: gather.Run, title: str = "") -> str:
    """Returns the report's HTML.

    Whatever stands in the run's files is text: it is escaped, and the page's own policy lets no script but its own
    run and nothing be loaded.

    Args:
      run: as read.
      title: of the page; by default what the model is for.
    """
    script = rendering.text("script.js")
    return rendering.template("page.html", escapes=True, code=_with_code).render(
        title=title or glance.title(run),
        subtitle=glance.on_whom(run),
        synthetic=bool(run.synthetic),
        no_test=cohort.no_test(run),
        no_test_title="Not a test set." if run.split else "Perhaps not a test set.",
        explorer_note=_explorer_note(run),
        research=limits.RESEARCH,
        synthetic_note=limits.SYNTHETIC,
        sections=sections(run),
        version=raspine.__version__,
        style=markupsafe.Markup(rendering.text("style.css")),
        script=markupsafe.Markup(script),
        script_hash=_hash(script),
    )


def _explorer_note(run: gather.Run) -> str:
    """Returns what the figures at another threshold are worth."""
    who = cohort.judged(run).replace("cases", "patients")
    found = [one.state for one in checks.all_of(run) if one.name == checks.THRESHOLD]
    if run.split == "test" and found == [checks.PASSED]:
        return (
            f"Computed from the {who}' risks. The frozen threshold was chosen on other patients and is the only one "
            "whose figures count: a threshold that looks best here was chosen on the test set, and its figures would "
            "be too good."
        )
    return (
        f"Computed from the {who}' risks. Only a threshold that was chosen beforehand, on other patients, gives "
        f"figures that count: one that looks best here was chosen on the {who}, and its figures would be too good."
    )


def _with_code(text: str) -> markupsafe.Markup:
    """Returns text escaped, what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return markupsafe.escape(text)
    marked = (
        markupsafe.Markup("<code>{}</code>").format(part) if odd % 2 else markupsafe.escape(part)
        for odd, part in enumerate(parts)
    )
    return markupsafe.Markup("").join(marked)


def _hash(script: str) -> str:
    """Returns the hash by which the page's policy knows its script."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _without_dead_links(section: blocks.Section, names: set[str]) -> blocks.Section:
    """Returns the section without links to sections that this page does not have."""
    return dataclasses.replace(section, blocks=[_linked(block, names) for block in section.blocks])


def _linked(block: object, names: set[str]) -> object:
    if isinstance(block, blocks.Folded):
        return dataclasses.replace(block, blocks=[_linked(inner, names) for inner in block.blocks])
    if isinstance(block, blocks.Table):
        return dataclasses.replace(block, rows=[_row(row, names) for row in block.cells()])
    return block


def _row(row: Sequence[blocks.Cell], names: set[str]) -> list[blocks.Cell]:
    return [dataclasses.replace(cell, link=cell.link if cell.link in names else "") for cell in row]

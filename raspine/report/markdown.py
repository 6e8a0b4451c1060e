"""The model card as Markdown."""

import re

from raspine.report import card, gather, glance, rendering

_SPECIAL = re.compile(r"([\\`*\[\]#|~])")


def render(run: gather.Run, title: str = "") -> str:
    """Returns the model card; what stands in the run's files is text there too.

    Args:
      run: as read.
      title: of the card; by default what the model is for.
    """
    template = rendering.template("card.md", escapes=False, plain=plain)
    text = template.render(title=title or glance.title(run), synthetic=bool(run.synthetic), parts=card.parts_of(run))
    return f"{text}\n"


def plain(text: str) -> str:
    """Returns text without a meaning in Markdown or HTML, on one line."""
    line = _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

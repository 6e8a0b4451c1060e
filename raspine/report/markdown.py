"""The model card as Markdown."""

import pathlib
import re

import jinja2

from raspine.report import card, gather, glance

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_SPECIAL = re.compile(r"([\\`*\[\]#|~])")


def render(run: gather.Run, title: str = "") -> str:
    """Returns the model card; what stands in the run's files is text there too.

    Args:
      run: as read.
      title: of the card; by default what the model is for.
    """
    environment = jinja2.Environment(  # no HTML: `plain` escapes for Markdown
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    template = environment.get_template("card.md")
    return template.render(title=title or glance.title(run), synthetic=bool(run.synthetic), parts=card.parts_of(run))


def plain(text: str) -> str:
    """Returns text without a meaning in Markdown or HTML, on one line."""
    line = _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

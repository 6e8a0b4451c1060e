"""The templates of the report."""

import pathlib
from collections.abc import Callable

import jinja2

_FOLDER = pathlib.Path(__file__).parent / "templates"


def text(name: str) -> str:
    """Returns a file beside the templates as it stands."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def template(name: str, escapes: bool, **filters: Callable[[str], str]) -> jinja2.Template:
    """Returns a template; a name that it is not given is an error.

    Args:
      name: of its file.
      escapes: whether values are escaped for HTML; otherwise a filter does that for the template's own language.
      filters: by their names in the template.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=escapes,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name)

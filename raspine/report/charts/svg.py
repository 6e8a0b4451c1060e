"""A matplotlib figure as an inline SVG that several of may stand in one page."""

import dataclasses
import io
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_GROWTH = 1.25  # the widest a chart is shown, in natural widths
_NUMBERS = {"d", "x", "y", "transform"}
_POINT = "([0-9][.][0-9]{2})[0-9]+"


@dataclasses.dataclass(frozen=True)
class Hover:
    """What a point tells who points at it.

    Attributes:
      text: its title.
      data: more attributes, `film` for data-film.
    """

    text: str
    data: Mapping[str, str] = dataclasses.field(default_factory=dict)


def inline(
    figure: Figure, name: str, title: str, description: str, hovers: Mapping[str, Sequence[Hover]] | None = None
) -> str:
    """Returns the figure as one `<svg>` element: text stays text, ids begin with the name, nothing is dated.

    Args:
      figure: drawn at 72 dots per inch, so that its points are the SVG's units.
      name: a-z, digits and _.
      title: for readers of the page that cannot see it.
      description: the alternative in words.
      hovers: by the gid of a line of markers: what each of its points says, in their order.

    Raises:
      ValueError: the name is not one; a line has another number of points than hovers.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(f"the name of a chart has a-z, digits and _ only. Received: {name!r}.")
    root = _drawn(figure)
    for gid, points in (hovers or {}).items():
        _tell(root, gid, points)
    _hoist_styles(root)
    _shorten(root)
    _prefix_ids(root, name)
    _describe(root, name, title, description)
    _fit(root, figure)
    return _text(root)


def _drawn(figure: Figure) -> ElementTree.Element:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    return root


def _tell(root: ElementTree.Element, gid: str, points: Sequence[Hover]) -> None:
    uses = [use for group in root.iter() if group.get("id") == gid for use in group.iter(f"{{{SVG}}}use")]
    if len(uses) != len(points):
        raise ValueError(f"{gid}: {len(uses)} points were drawn, {len(points)} are described.")
    for use, point in zip(uses, points, strict=True):
        for key, value in point.data.items():
            use.set(f"data-{key}", value)
        ElementTree.SubElement(use, f"{{{SVG}}}title").text = point.text


def _hoist_styles(root: ElementTree.Element) -> None:
    """Moves a style that all points of a group share to the group: a fifth of the bytes of a scatter."""
    for group in root.iter(f"{{{SVG}}}g"):
        uses = [child for child in group if child.tag == f"{{{SVG}}}use"]
        styles = {use.get("style") for use in uses}
        if len(uses) > 1 and len(uses) == len([child for child in group if child.tag != f"{{{SVG}}}defs"]):
            shared = styles.pop() if len(styles) == 1 else None
            if shared and not group.get("style"):
                group.set("style", shared)
                for use in uses:
                    use.attrib.pop("style")


def _shorten(root: ElementTree.Element) -> None:
    for element in root.iter():
        for key in _NUMBERS & element.attrib.keys():
            element.set(key, re.sub(_POINT, r"\1", element.get(key, "")))


def _prefix_ids(root: ElementTree.Element, name: str) -> None:
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key == _XLINK:
                element.attrib.pop(key)
                element.set("href", f"#{name}-{value[1:]}")
            elif "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))


def _describe(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    for place, (tag, words) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = words
        root.insert(place, element)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.set("class", "chart")


def _fit(root: ElementTree.Element, figure: Figure) -> None:
    width, height = (round(72 * inches) for inches in figure.get_size_inches())
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("viewBox", f"0 0 {width} {height}")
    # The rule that matplotlib writes for every element of a page, here for this one only.
    style = f"stroke-linejoin:round;stroke-linecap:butt;font-family:{FONTS}"
    root.set("style", f"display:block;width:100%;max-width:{round(_GROWTH * width)}px;height:auto;{style}")


def _text(root: ElementTree.Element) -> str:
    ElementTree.register_namespace("", SVG)
    written = ElementTree.tostring(root, encoding="unicode")
    written = re.sub('font-family: [^;"]*;? ?', "", written)
    return re.sub(r">\s*\n\s*<", ">\n<", written)

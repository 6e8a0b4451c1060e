"""The flags of another program: names, types and bounds, asked of the program itself."""

import dataclasses
import math
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

from raspine import program


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag as its program declares it.

    Attributes:
      name: of the flag.
      kind: `int`, `float`, `bool` or `string`; others as absl calls them.
      values: those of an enumeration; empty for any.
      low: least value of a number.
      high: greatest value of a number.
    """

    name: str
    kind: str
    values: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    def refusal(self, value: Any) -> str | None:
        """Returns why the flag does not take a value from a JSON file; None when it does."""
        if self.kind == "bool":
            return None if isinstance(value, bool) else "the flag takes true or false"
        if self.kind in ("int", "float"):
            return self._refusal_of_number(value)
        if self.values:
            return None if value in self.values else f"the flag takes {', '.join(self.values)}, in quotes"
        return None if isinstance(value, str) and value else "the flag takes text"

    def _refusal_of_number(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return "the flag takes a number"
        if self.kind == "int" and value != int(value):
            return "the flag takes whole numbers"
        if not self.low <= value <= self.high:
            return f"the flag takes {self.low:g} to {self.high:g}"
        return None


def of(module: str) -> dict[str, Flag]:
    """Returns the flags of a program by name, without those of the libraries it uses.

    Args:
      module: of the program; a process of its own loads it, since a process knows each flag's name once.

    Raises:
      NothingDone: the program does not say.
    """
    command = [sys.executable, "-m", module, "--helpxml"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = [
            _flag(node) for node in ElementTree.fromstring(told.stdout).iter("flag") if node.find("key") is not None
        ]
    except ElementTree.ParseError as error:
        raise program.NothingDone(f"{module} does not tell its flags: {told.stderr.strip()[-300:]}") from error
    return {flag.name: flag for flag in found}


def _flag(node: ElementTree.Element) -> Flag:
    def number(name: str, otherwise: float) -> float:
        text = node.findtext(name)
        return float(text) if text else otherwise

    return Flag(
        name=node.findtext("name", ""),
        kind=node.findtext("type", "string").removesuffix(" enum"),
        values=tuple(value.text or "" for value in node.findall("enum_value")),
        low=number("lower_bound", -math.inf),
        high=number("upper_bound", math.inf),
    )

"""Numbers and names as the report writes them."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from raspine.evaluation.estimate import Estimate

UNKNOWN = "–"
_ABBREVIATIONS = {
    "adi": "ADI", "sac": "SAC", "auc": "AUC", "mre": "MRE", "ppv": "PPV", "npv": "NPV", "mcc": "MCC", "f1": "F1",
    "mri": "MRI", "pck": "PCK", "sdr": "SDR", "rf": "RF", "gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++",
    "delong": "DeLong", "delong_logit": "DeLong, logit scale", "obuchowski": "Obuchowski", "newcombe": "Newcombe",
    "obuchowski_logit": "Obuchowski, logit scale", "wilson": "Wilson",
    "layercam": "LayerCAM", "saliency": "Saliency", "smoothgrad": "SmoothGrad", "auprc": "AUPRC",
    "spacing_source": "source of the spacing",
}  # fmt: skip
_COUNTED = {
    "films": "film", "studies": "study", "patients": "patient", "rows": "row", "records": "record", "maps": "map",
    "annotators": "annotator", "inputs": "input",
}  # fmt: skip
_DECIMAL = re.compile(r"(?<![\w.])-?\d+(?:\.\d{5,}|(?:\.\d+)?e[-+]?\d+)(?!\w)")
_MINUS = re.compile(r"(?<![\w.)-])-(?=\d)")
_ONE_DEGREE = re.compile(r"\b1 degrees\b")


def as_number(value: Any) -> float:
    """Returns a JSON or CSV value as a number, NaN where it is none."""
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def number(value: Any, digits: int = 2) -> str:
    """Returns a number with so many digits behind the point, a dash where there is none."""
    known = as_number(value)
    if not math.isfinite(known):
        return UNKNOWN
    written = f"{known:.{digits}f}"
    return written.lstrip("-") if float(written) == 0 else written.replace("-", "\u2212")


def share(value: Any) -> str:
    """Returns a share 0..1 as per cent."""
    known = as_number(value)
    return f"{100 * known:.1f} %" if math.isfinite(known) else UNKNOWN


def interval(ends: Any, digits: int = 2, percent: bool = False) -> str:
    """Returns `low to high`, empty where an end is missing.

    Args:
      ends: [low, high] or None.
      digits: behind the point.
      percent: whether shares 0..1 are written as per cent.
    """
    if not isinstance(ends, list | tuple) or len(ends) != 2:
        return ""
    low, high = map(as_number, ends)
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    if percent:
        return f"{100 * low:.0f} to {100 * high:.0f} %"
    return f"{number(low, digits)} to {number(high, digits)}"


def with_interval(value: Any, ends: Any, digits: int = 2) -> str:
    """Returns `value [low to high]`, without brackets where there is no interval."""
    between = interval(ends, digits)
    return f"{number(value, digits)} [{between}]" if between else number(value, digits)


def estimate(source: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns a figure of a summary as `Estimate.to_dict()` does: value, ci, n, method, note.

    Args:
      source: a summary: `NAME` beside `NAME_ci`, or `NAME` as such a dictionary.
      name: of the figure.
    """
    found = source.get(name)
    if isinstance(found, Estimate):
        return found.to_dict()
    if isinstance(found, Mapping):
        return {"value": None, "ci": None, "n": 0, "method": "", "note": "", **found}
    known = as_number(found)
    ends = source.get(f"{name}_ci")
    usable = isinstance(ends, list | tuple) and len(ends) == 2 and None not in ends
    return {
        "value": known if math.isfinite(known) else None,
        "ci": list(ends) if usable else None,  # type: ignore[arg-type]
        "n": 0,
        "method": str(source.get(f"{name}_ci_method") or ""),
        "note": "",
    }


def label(name: Any) -> str:
    """Returns a key as words for people: `dens_anterior` as `dens anterior`, `adi` as `ADI`."""
    text = str(name).strip()
    return _ABBREVIATIONS.get(text.lower(), text.replace("_", " "))


def sentence(text: str) -> str:
    """Returns text with a capital at its start."""
    return f"{text[:1].upper()}{text[1:]}"


def decimals(value: Any) -> int:
    """Returns how many digits behind the point a figure of any size needs: three below 0.1, else two."""
    return 3 if abs(as_number(value)) < 0.1 else 2


def told(text: str) -> str:
    """Returns a sentence of a file as the page writes it: a capital first, short numbers, known abbreviations."""
    short = _DECIMAL.sub(lambda found: number(found[0], decimals(found[0])), text.strip())
    plain = _ONE_DEGREE.sub("1 degree", _MINUS.sub("\u2212", short))
    return sentence(re.sub(r"\bauprc\b", _ABBREVIATIONS["auprc"], plain))


def counted(count: Any, what: str) -> str:
    """Returns `1 film`, `2 films`, a dash for the count where there is none; `what` is the plural."""
    told = f"{count:,}".replace(",", "\u2009") if isinstance(count, int) else UNKNOWN
    return f"{told} {noun(count, what)}"


def noun(count: Any, what: str) -> str:
    """Returns the word for so many: `film` for 1; `what` is the plural."""
    return _COUNTED.get(what, what) if count == 1 else what


def listed(values: Sequence[str]) -> str:
    """Returns `a, b and c`."""
    words = [str(value) for value in values]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)

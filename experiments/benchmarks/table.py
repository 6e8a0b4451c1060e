"""The table of a run: rows for JSON, and the same for people in Markdown."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from experiments.benchmarks import rounds

Row = dict[str, Any]
_TITLES = {
    "train": "Training: seconds a step",
    "infer": "Inference: seconds a batch",
    "input": "Input: seconds a batch of films",
}
_NOTES = (
    "Medians over the rounds, quartiles and extremes beside them; the same tensors, threads and machine for everybody.",
    "The contestants of a case took turns, unless a row says otherwise; those whose turn it was not were held still.",
    "PyTorch runs timm's networks with the stride of ResNet v1 and without HRNet's unused parts: the arithmetic of "
    "raspine's. ONNX Runtime and OpenVINO run these, written by torch.onnx.",
)


def row(what: str, case: str, items: int, result: rounds.Result) -> Row:
    """Returns a contestant's row.

    Args:
      what: `train`, `infer` or `input`.
      case: its name.
      items: images or films a step.
      result: what came of the contestant.
    """
    seconds = spread(result.seconds) if result.seconds else None
    return {
        "what": what,
        "case": case,
        "contestant": result.contestant.name,
        "family": result.contestant.family,
        "precision": result.contestant.precision,
        "status": result.status,
        "reason": result.reason,
        "seconds": seconds,
        "items_a_second": items / seconds["median"] if seconds else None,
        "first_step_seconds": result.first,
        "peak_mib": round(result.peak_mib, 1) if result.peak_mib else None,
        "interleaved": result.interleaved,
        "rounds": [round(value, 6) for value in result.seconds],
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Returns min, median, max, the quartiles (inclusive, of the sample itself) and how far apart these are."""
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else [*seconds] * 3
    found = {"min": min(seconds), "lower": low, "median": middle, "upper": high, "max": max(seconds)}
    return {name: round(value, 6) for name, value in {**found, "interquartile": high - low}.items()}


def markdown(report: dict[str, Any]) -> str:
    """Returns the report as Markdown."""
    parts = ["# raspine beside its peers", _about(report), _ratios(report["ratios"])]
    for what, title in _TITLES.items():
        if what in report["what"]:
            parts += _kind(report["rows"], what, title)
    if "memory" in report["what"]:
        parts += _memory(report["rows"])
    return "\n\n".join([*parts, *_NOTES]) + "\n"


def _about(report: dict[str, Any]) -> str:
    computer = report["machine"]
    flags = ", ".join(f"{name} {_word(value)}" for name, value in computer["flags"].items())
    lines = [
        f"- Processor: {computer['cpu']}; {flags}. {report['threads']} threads, {computer['memory_gib']} GiB.",
        *(f"- {name}: {_versions(found)}." for name, found in report["versions"].items() if found),
        f"- Up to {report['rounds']} rounds a case. Took {report['minutes']} min.",
    ]
    if report["small_networks"]:
        lines.append("- Small networks: these figures only say that the program runs.")
    return "\n".join(lines)


def _versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def _word(value: bool | None) -> str:
    return "unknown" if value is None else "yes" if value else "no"


def _ratios(ratios: Sequence[Row]) -> str:
    if not ratios:
        return "No ratios: a peer or raspine is missing."
    cells = [
        (
            one["what"], one["case"], one["of"], one["over"], f"{one['ratio']:.2f}",
            _wanted(one), "" if one["is_met"] is None else "yes" if one["is_met"] else "no",
        )
        for one in ratios
    ]  # fmt: skip
    return "## Ratios\n\n" + _grid(("what", "case", "of", "over", "ratio", "wanted", "met"), cells)


def _wanted(one: Row) -> str:
    if one["wanted"] is None:
        return ""
    return f"{'at most' if one['what'] == 'memory' else 'at least'} {one['wanted']}"


def _kind(rows: Sequence[Row], what: str, title: str) -> list[str]:
    present = [one for one in rows if one["what"] == what]
    parts = [f"## {title}"]
    for case in dict.fromkeys(one["case"] for one in present):
        header = ("contestant", "median", "quartiles", "min", "max", "items/s", "first step", "note")
        parts.append(f"### {case}\n\n" + _grid(header, (_cells(one) for one in present if one["case"] == case)))
    return parts


def _cells(one: Row) -> tuple[str, ...]:
    note = _note(one)
    seconds = one["seconds"]
    if seconds is None:
        return (one["contestant"], "", "", "", "", "", "", note)
    quartiles = f"{_figure(seconds['lower'])} - {_figure(seconds['upper'])}"
    figures = (_figure(seconds["median"]), quartiles, _figure(seconds["min"]), _figure(seconds["max"]))
    return (one["contestant"], *figures, f"{one['items_a_second']:.1f}", f"{one['first_step_seconds']:.1f} s", note)


def _note(one: Row) -> str:
    told = [] if one["status"] == rounds.MEASURED else [f"{one['status']}: {one['reason']}"]
    if not one["interleaved"] and one["status"] == rounds.MEASURED:
        told.append("alone, for memory")
    return "; ".join(told).replace("|", "/")


def _memory(rows: Sequence[Row]) -> list[str]:
    present = [one for one in rows if one["what"] == "train" and one["peak_mib"]]
    parts = ["## Highest memory of a process that only trains, libraries and compiling included, MiB"]
    for case in dict.fromkeys(one["case"] for one in present):
        cells = [(one["contestant"], f"{one['peak_mib']:.0f}") for one in present if one["case"] == case]
        parts.append(f"### {case}\n\n" + _grid(("contestant", "MiB"), cells))
    return parts


def _figure(seconds: float) -> str:
    return f"{seconds:.4f}" if seconds < 1 else f"{seconds:.2f}"


def _grid(header: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""From figures to ratios: raspine against the best of each peer, taken in the same run."""

from collections.abc import Iterable, Sequence
from typing import Any

from experiments.benchmarks import cases, rounds

# At least (train, infer, input) or at most (memory) this: what raspine sets out to reach.
_WANTED = {("train", "torch"): 1.15, ("infer", "torch"): 1.3, ("infer", "onnxruntime"): 1.0, ("input", "torch"): 2.0}
_CHOSEN = {("train", "torch"), ("infer", "torch")}  # where the peer has many settings
_CONSUMPTION, _MEMORY = 3.0, 1.0
_PEERS = {"torch": "best PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}

Row = dict[str, Any]


def all_of(rows: Sequence[Row], what: Sequence[str]) -> list[Row]:
    """Returns the ratios that the rows of a table allow.

    Args:
      rows: as `table.row` makes them.
      what: was asked for, of `contestants.WHAT`.

    Returns:
      Dicts of what, case, of, over, ratio, wanted (None where nothing was set) and `is_met` (None likewise).
    """
    found: list[Row] = []
    for kind in ("train", "infer", "input"):
        if kind in what:
            found += [ratio for case in _cases(rows, kind) for ratio in _speed(rows, kind, case)]
    if "input" in what:
        found += _against_consumption(rows)
    if "memory" in what:
        found += [ratio for case in _cases(rows, "train") for ratio in _memory(rows, case)]
    return found


def best(rows: Iterable[Row], family: str) -> Row | None:
    """Returns the measured row of a family with the least median; None without one."""
    measured = [row for row in rows if row["family"] == family and row["status"] == rounds.MEASURED]
    return min(measured, key=lambda row: row["seconds"]["median"], default=None)


def _cases(rows: Sequence[Row], kind: str) -> list[str]:
    return list(dict.fromkeys(row["case"] for row in rows if row["what"] == kind))


def _speed(rows: Sequence[Row], kind: str, case: str) -> list[Row]:
    present = [row for row in rows if row["what"] == kind and row["case"] == case]
    ours = [row for row in present if row["family"] == "raspine" and row["status"] == rounds.MEASURED]
    found = []
    for row in ours:
        for family, title in _PEERS.items():
            # Against PyTorch any precision counts, whichever is best; against the others the same one.
            peers = present if family == "torch" else [one for one in present if one["precision"] == row["precision"]]
            if (peer := best(peers, family)) is not None:
                over = f"{title}: {peer['contestant']}" if (kind, family) in _CHOSEN else peer["contestant"]
                value = peer["seconds"]["median"] / row["seconds"]["median"]
                found.append(_ratio(kind, case, row["contestant"], over, value, _WANTED.get((kind, family))))
    return found


def _against_consumption(rows: Sequence[Row]) -> list[Row]:
    eaters = [row for row in rows if row["what"] == "train" and row["case"] == cases.CONSUMER]
    eater = best(eaters, "raspine")
    if eater is None:
        return []
    makers = [row for row in rows if row["what"] == "input" and row["family"] == "raspine" and row["items_a_second"]]
    over = f"what its training step takes ({cases.CONSUMER})"
    return [
        _ratio(
            "input", row["case"], row["contestant"], over, row["items_a_second"] / eater["items_a_second"], _CONSUMPTION
        )
        for row in makers
    ]


def _memory(rows: Sequence[Row], case: str) -> list[Row]:
    present = [row for row in rows if row["what"] == "train" and row["case"] == case]
    peer = best(present, "torch")
    if peer is None:
        return []
    return [
        _ratio(
            "memory",
            case,
            row["contestant"],
            f"best PyTorch: {peer['contestant']}",
            row["peak_mib"] / peer["peak_mib"],
            _MEMORY,
            False,
        )
        for row in present
        if row["family"] == "raspine" and row["status"] == rounds.MEASURED
    ]


def _ratio(what: str, case: str, of: str, over: str, value: float, wanted: float | None, is_least: bool = True) -> Row:
    is_met = None if wanted is None else bool(value >= wanted if is_least else value <= wanted)
    return {
        "what": what,
        "case": case,
        "of": of,
        "over": over,
        "ratio": round(value, 3),
        "wanted": wanted,
        "is_met": is_met,
    }

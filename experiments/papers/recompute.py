"""Every figure of both papers that follows from what they print themselves.

The counts and printed figures stand in deformity.json (paper 1) and subluxation.json (paper 2) beside this file.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scipy import stats

from experiments.papers import consistency
from experiments.papers.figures import Figure
from raspine.evaluation import auc, confusion, intervals, paired_decisions, sample_size

PAPERS = ("deformity", "subluxation")
_DAYS_A_YEAR = 365.25
_SHARES = ("sensitivity", "specificity", "accuracy", "ppv", "npv")
_NAMES = {"ppv": "PPV", "npv": "NPV"}
_OTHERS = {
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "MCC",
    "kappa": "kappa",
    "lr_positive": "LR+",
    "lr_negative": "LR-",
}
Entry = Mapping[str, Any]


def figures() -> tuple[Figure, ...]:
    """Returns the figures of both papers, in the papers' order."""
    return tuple(figure for paper in map(_read, PAPERS) for figure in _figures(paper))


def remarks() -> dict[int, list[str]]:
    """Returns by paper what no computation shows."""
    return {paper["paper"]: list(paper["remarks"]) for paper in map(_read, PAPERS)}


def titles() -> dict[int, str]:
    """Returns the papers' titles."""
    return {paper["paper"]: paper["title"] for paper in map(_read, PAPERS)}


def _read(name: str) -> dict[str, Any]:
    path = pathlib.Path(__file__).with_name(f"{name}.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _figures(paper: Entry) -> Iterator[Figure]:
    for kind, recompute in _KINDS.items():
        for entry in paper.get(kind, ()):
            yield from recompute(paper["paper"], entry)


def _table(paper: int, entry: Entry) -> Iterator[Figure]:
    """Yields what follows from four cells: shares with Wilson's intervals, F1, and what the paper does not print."""
    cells = confusion.Confusion(**entry["cells"])
    printed, note = entry["printed"], entry.get("note", "")
    about = {"paper": paper, "group": entry["name"], "source": entry["source"]}
    yield Figure(**about, name="films or patients", recomputed=cells.n, printed=entry.get("printed_n"), decimals=0)
    for name in _SHARES:
        yield _share(about, _NAMES.get(name, name), *cells.shares[name], printed.get(name), note * (name in printed))
    yield _share(about, "prevalence", cells.tp + cells.fn, cells.n, None)
    found = intervals.of_cells(cells)
    for name, shown in _OTHERS.items():
        estimate = found[name]
        yield Figure(
            **about, name=shown, recomputed=estimate.value, printed=printed.get(name), interval=estimate.interval,
            method=estimate.method, note=estimate.note,
        )  # fmt: skip


def _area(paper: int, entry: Entry) -> Iterator[Figure]:
    area = float(entry["auc"])
    low, high = sample_size.auc_interval(area, sample_size.Cases(entry["positives"], entry["negatives"]))
    yield Figure(
        paper, entry["name"], "AUC", entry["source"], area, entry["auc"], decimals=4,
        interval=auc.hanley_mcneil(area, entry["positives"], entry["negatives"]), method="Hanley-McNeil",
        is_taken=True, note="the scores are not printed: only the interval is new, on the plain scale; on the logit "
        f"scale, as experiments.sample_size has it, [{low:.3f}, {high:.3f}]",
    )  # fmt: skip


def _counted(paper: int, entry: Entry) -> Iterator[Figure]:
    about = {"paper": paper, "group": "counts", "source": entry["source"]}
    found = _share(about, entry["name"], entry["counted"], entry["total"], entry["printed"], unit=entry.get("unit", ""))
    yield dataclasses.replace(found, is_again=entry.get("again", False))


def _share(
    about: Entry, name: str, counted: int, total: int, printed: str | None, note: str = "", unit: str = ""
) -> Figure:
    scale, decimals = (100, 1) if unit == "%" else (1, 4)
    low, high = intervals.wilson(counted, total)
    return Figure(
        **about, name=name, recomputed=scale * counted / total, printed=printed, unit=unit,
        interval=(scale * low, scale * high), method="Wilson", counted=counted, total=total, note=note,
        decimals=decimals,
    )  # fmt: skip


def _sum(paper: int, entry: Entry) -> Iterator[Figure]:
    note, value = entry.get("note", ""), sum(entry["terms"])
    yield Figure(
        paper, "counts", entry["name"], entry["source"], value, entry["printed"], note=note, decimals=0,
        is_again=entry.get("again", False),
    )  # fmt: skip


def _drawn(paper: int, entry: Entry) -> Iterator[Figure]:
    """Yields how probable so many cases in a random test set are."""
    law = stats.hypergeom(entry["population"], entry["cases"], entry["drawn"])
    yield Figure(paper, "split", "cases expected in the test set", entry["source"], float(law.mean()), decimals=2)
    yield Figure(
        paper, "split", f"probability of {entry['name']}", entry["source"], float(law.sf(entry["at_least"] - 1))
    )


def _always_negative(paper: int, entry: Entry) -> Iterator[Figure]:
    """Yields the accuracy of a rule without a model, and whether the model's exceeds it (exact, one-sided)."""
    about = {"paper": paper, "group": "without a model", "source": entry["source"]}
    share = entry["counted"] / entry["total"]
    test = stats.binomtest(entry["model"], entry["total"], share, alternative="greater")
    yield _share(about, f"accuracy of {entry['name']}", entry["counted"], entry["total"], None)
    note = "as if the share of negatives were known, not counted in the same patients"
    name = "p of the model's accuracy against it, one-sided"
    yield Figure(**about, name=name, recomputed=float(test.pvalue), note=note)


def _consistency(paper: int, entry: Entry) -> Iterator[Figure]:
    tables = consistency.tables(entry["printed"], entry["positives"], entry["negatives"])
    reach = " to ".join(map(str, entry["positives"])), " to ".join(map(str, entry["negatives"]))
    note = f"among {reach[0]} positive and {reach[1]} negative patients"
    yield Figure(paper, "test set", entry["name"], entry["source"], len(tables), note=note, decimals=0)


def _years(paper: int, entry: Entry) -> Iterator[Figure]:
    years = entry["days"] / _DAYS_A_YEAR
    note = f"{entry['days']} days in another place"
    yield Figure(
        paper, "counts", entry["name"], entry["source"], years, entry["printed"], unit="years", note=note, decimals=2,
        is_least=True,
    )  # fmt: skip


def _paired(paper: int, entry: Entry) -> Iterator[Figure]:
    one, other = entry["only_model"], entry["only_rater"]
    p = paired_decisions.mcnemar(one, other).p_exact
    note = f"called positive by the model alone {one}, by the clinician alone {other}; films of a patient as if apart"
    yield Figure(paper, "paired", f"p of {entry['name']}, exact", entry["source"], p, note=note)


def _clusters(paper: int, entry: Entry) -> Iterator[Figure]:
    """Yields the films a patient, and how many independent films they are worth (Kish's design effect)."""
    size = entry["films"] / entry["patients"]
    effect = sample_size.design_effect(size, entry["icc"])
    yield Figure(paper, "clusters", entry["name"], entry["source"], size, decimals=2)
    yield Figure(
        paper, "clusters", f"independent films that {entry['films']} are worth", entry["source"],
        entry["films"] / effect, note=f"if films of a patient have an intraclass correlation of {entry['icc']}",
        decimals=1,
    )  # fmt: skip


_KINDS: dict[str, Callable[[int, Entry], Iterator[Figure]]] = {
    "tables": _table,
    "areas": _area,
    "consistency": _consistency,
    "always_negative": _always_negative,
    "paired": _paired,
    "clusters": _clusters,
    "shares": _counted,
    "sums": _sum,
    "years": _years,
    "drawn": _drawn,
}

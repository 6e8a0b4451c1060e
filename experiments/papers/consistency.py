"""Which 2 x 2 tables give a set of printed shares."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.papers import figures
from raspine.evaluation.confusion import Confusion


def tables(printed: Mapping[str, str], positives: Sequence[int], negatives: Sequence[int]) -> list[Confusion]:
    """Returns every table whose shares round to the printed ones.

    Args:
      printed: by `sensitivity`, `specificity`, `accuracy`, `ppv`, `npv`, as printed.
      positives: least and largest number of positive patients.
      negatives: least and largest number of negative patients.
    """
    found = []
    for positive in range(positives[0], positives[1] + 1):
        for negative in range(negatives[0], negatives[1] + 1):
            tp, tn = np.meshgrid(np.arange(positive + 1), np.arange(negative + 1), indexing="ij")
            fits = _fit(printed, tp, positive - tp, negative - tn, tn)
            found += [
                Confusion(tp=int(hit), fn=positive - int(hit), fp=negative - int(pass_), tn=int(pass_))
                for hit, pass_ in zip(tp[fits], tn[fits], strict=True)
            ]
    return found


def _fit(
    printed: Mapping[str, str], tp: NDArray[np.intp], fn: NDArray[np.intp], fp: NDArray[np.intp], tn: NDArray[np.intp]
) -> NDArray[np.bool_]:
    shares = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "accuracy": (tp + tn, tp + fn + fp + tn),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    fits = np.ones(tp.shape, bool)
    for name, text in printed.items():
        counted, total = shares[name]
        fits &= (total > 0) & (np.abs(counted - float(text) * total) <= figures.half(text) * total)
    return fits

"""What each tissue gives in each contrast, relative to cerebrospinal fluid on T2 (1.0)."""

from typing import Literal

Contrast = Literal["t2", "t1", "stir"]

# tissue: T2 turbo spin echo, T1 spin echo, STIR. Fat is bright on turbo spin echo and suppressed by STIR.
_SIGNAL = {
    "air": (0.0, 0.0, 0.0),
    "fat": (0.72, 1.0, 0.06),
    "muscle": (0.17, 0.36, 0.26),
    "organ": (0.30, 0.42, 0.42),
    "marrow": (0.31, 0.58, 0.14),
    "cortex": (0.06, 0.09, 0.05),
    "ligament": (0.07, 0.13, 0.07),
    "annulus": (0.14, 0.27, 0.12),
    "nucleus": (0.50, 0.32, 0.52),
    "worn": (0.12, 0.25, 0.09),
    "fluid": (1.0, 0.13, 1.0),
    "cord": (0.40, 0.48, 0.46),
    "brain": (0.46, 0.46, 0.55),
    "nerve": (0.50, 0.40, 0.50),
    "vessel": (0.03, 0.06, 0.03),
    "gap": (0.16, 0.28, 0.18),
    "sign": (0.92, 0.40, 0.95),
    "pannus": (0.42, 0.38, 0.55),
}


def tissues(contrast: Contrast, marrow: float = 1.0, disc: float = 1.0) -> dict[str, float]:
    """The signal of every tissue in a contrast.

    Args:
        contrast: t2, t1 or stir.
        marrow: the patient's factor on marrow.
        disc: the patient's factor on healthy discs.
    """
    column = ("t2", "t1", "stir").index(contrast)
    table = {name: values[column] for name, values in _SIGNAL.items()}
    table["marrow"] *= marrow
    table["nucleus"] *= disc
    return table

"""Whether images are T2-weighted spin echoes: from echo and repetition time, the sequence, the image type, and words.

The limits are the usual ones of spin-echo imaging; scanners that leave the times out are judged by their descriptions.
"""

import dataclasses

from raspine.dicom import wording
from raspine.dicom.study import Frame, Series

T2_ECHO = 70.0
LEAST_ECHO = 60.0
MYELOGRAPHY_ECHO = 350.0
T2_REPETITION = 2000.0
LEAST_REPETITION = 1200.0
LEAST_INVERSION = 50.0

# Values 3 and later of Image Type (0008,0008) and Frame Type; vendors' words and PS3.3 C.8.13.3.1.
_KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("localizer", frozenset({"LOCALIZER", "SCOUT", "SURVEY", "LOC", "FAST_VIEW"})),
    (
        "maximum-intensity projection",
        frozenset(
            {"MIP", "MAX_IP", "MIN_IP", "MAXIMUM", "MINIMUM", "PROJECTION IMAGE", "PROJECTION", "MNIP", "MEAN_IP"}
        ),
    ),
    ("subtraction", frozenset({"SUB", "SUBTRACT", "SUBTRACTED", "SUBTRACTION"})),
    ("Dixon water", frozenset({"W", "WATER"})),
    ("Dixon fat", frozenset({"F", "FAT", "FF", "FAT_FRACTION", "FATFRACTION"})),
    ("Dixon in phase", frozenset({"IP", "IN_PHASE", "INPHASE", "IN"})),
    ("Dixon opposed phase", frozenset({"OP", "OPP_PHASE", "OUT_PHASE", "OUT_OF_PHASE", "OUTPHASE", "OUT", "OPPOSED"})),
    (
        "diffusion",
        frozenset({"DIFFUSION", "DIFFUSION_ANISO", "ADC", "EADC", "TRACEW", "TRACE", "FA", "ISOTROPIC", "TENSOR"}),
    ),
    (
        "phase, real or imaginary image",
        frozenset({"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY", "MIXED", "V", "VELOCITY", "FLOW_ENCODED"}),
    ),
    ("gradient echo", frozenset({"M_FFE", "FFE", "T2_STAR", "M_PCA"})),
    ("STIR or other inversion recovery", frozenset({"M_IR", "STIR", "FLUID_ATTENUATED", "R_IR"})),
    (
        "map of values",
        frozenset(
            {"T1 MAP", "T2 MAP", "T2_STAR MAP", "T2MAP", "T1MAP", "QUANTITY", "STD_DEVIATION", "DIVISION", "MAP"}
        ),
    ),
    ("perfusion", frozenset({"PERFUSION", "RCBV", "RCBF", "MTT", "TTP"})),
    ("picture of the screen", frozenset({"SCREEN SAVE", "POSDISP", "REPORT", "PASTED", "SCREENSHOT"})),
)
_SEQUENCES = {"IR": "STIR or other inversion recovery", "EP": "echo planar"}
_CONTRASTS = {
    "STIR": "STIR or other inversion recovery",
    "FLUID_ATTENUATED": "STIR or other inversion recovery",
    "T1": "T1",
    "T2_STAR": "gradient echo",
    "PROTON_DENSITY": "proton density",
    "DIFFUSION": "diffusion",
    "PERFUSION": "perfusion",
    "FLOW_ENCODED": "flow",
    "TOF": "angiography",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that speaks for or against a stack.

    Attributes:
      reason: for people, short, without commas where it can.
      points: added to the score.
      refused: whether the stack is none that can be taken.
    """

    reason: str
    points: float = 0.0
    refused: bool = False


def kinds(image_type: tuple[str, ...]) -> frozenset[str]:
    """Returns what an image type says beyond an ordinary magnitude image, e.g. `Dixon water`."""
    tokens = set(image_type[2:])
    return frozenset(kind for kind, words in _KINDS if tokens & words)


def judge(series: Series, frame: Frame) -> tuple[Finding, ...]:
    """Returns what the contrast of a stack says, by its series and any of its frames."""
    line = wording.plain(series.description, series.protocol)
    refused = dict.fromkeys((*_of_image_type(frame), *_of_sequence(series, frame), *_of_words(series)))
    findings = [Finding(f"{reason}: refused", -5, refused=True) for reason in refused]
    return (*_weighting(series, frame, line), *findings, *_doubts(series, frame, line))


def _of_image_type(frame: Frame) -> list[str]:
    # An in-phase image shows water and fat as a plain spin echo does: it may be taken when there is nothing better.
    return sorted(kinds(frame.image_type) - {"Dixon in phase"})


def _of_sequence(series: Series, frame: Frame) -> list[str]:
    found = [reason for word, reason in _SEQUENCES.items() if word in series.scanning_sequence]
    if "GR" in series.scanning_sequence and "SE" not in series.scanning_sequence:
        found.append("gradient echo")
    if (series.inversion_time or 0) >= LEAST_INVERSION:
        found.append("STIR or other inversion recovery")
    if series.contrast in _CONTRASTS and not (series.contrast in ("T1", "PROTON_DENSITY") and frame.echo_time):
        found.append(_CONTRASTS[series.contrast])
    if (frame.b_value or 0) > 0:
        found.append("diffusion")
    return found


def _of_words(series: Series) -> list[str]:
    # Protocol Name often names the whole examination, e.g. `C-SPINE W STIR`, in each of its series.
    line = wording.plain(series.description or series.protocol)
    found = [reason for reason, pattern in wording.REFUSED if pattern.search(line)]
    if wording.GE.search(line) and not set(series.scanning_sequence) - {"RM"}:
        found.append("gradient echo")
    name = series.sequence_name.lower().lstrip("*")
    if name.startswith(("fl2d", "fl3d", "ep2d", "ep_", "me2d", "me3d", "tir")):
        found.append("STIR or other inversion recovery" if name.startswith("tir") else "gradient echo")
    return found


def _weighting(series: Series, frame: Frame, line: str) -> list[Finding]:
    echo, repetition = frame.echo_time, series.repetition_time
    if echo is None:
        return [_by_words(series, line)]
    times = f"TE {echo:g} ms, TR {repetition:g} ms" if repetition else f"TE {echo:g} ms"
    if echo < LEAST_ECHO:
        return [Finding(f"{times}: not T2", -5, refused=True)]
    if echo > MYELOGRAPHY_ECHO:
        return [Finding(f"{times}: myelography", -5, refused=True)]
    if repetition is not None and repetition < LEAST_REPETITION:
        return [Finding(f"{times}: not T2", -5, refused=True)]
    short = [
        name for name, low in (("TE", echo < T2_ECHO), ("TR", (repetition or T2_REPETITION) < T2_REPETITION)) if low
    ]
    if short:
        return [Finding(f"{times}: T2 with a short {' and '.join(short)}", 2.0 - len(short))]
    return [Finding(f"{times}: T2", 2.0)]


def _by_words(series: Series, line: str) -> Finding:
    """Returns the weighting where the header has no echo time."""
    if series.contrast == "T2" or wording.T2.search(line):
        if series.repetition_time is not None and series.repetition_time < LEAST_REPETITION:
            return Finding(f"no TE; TR {series.repetition_time:g} ms: not T2", -5, refused=True)
        return Finding("no TE; described as T2", 1.0)
    if wording.T1.search(line) or wording.PROTON_DENSITY.search(line):
        return Finding("no TE; described as T1 or proton density", -5, refused=True)
    if wording.SPIN_ECHO.search(line) and (series.repetition_time or 0) >= T2_REPETITION:
        return Finding(f"no TE; TR {series.repetition_time:g} ms and a turbo spin echo: perhaps T2", -1.0)
    return Finding("contrast unknown: no TE and no T2 in the description", -5, refused=True)


def _doubts(series: Series, frame: Frame, line: str) -> list[Finding]:
    found = []
    if "FS" in series.scan_options or wording.FAT_SUPPRESSED.search(line):
        found.append(Finding("fat-suppressed", -1.5))
    if wording.SINGLE_SHOT.search(line):
        found.append(Finding("single shot", -1.0))
    if "Dixon in phase" in kinds(frame.image_type):
        found.append(Finding("Dixon in phase", -2.0))
    if "MPR" in frame.image_type or "RESAMPLED" in frame.image_type:
        found.append(Finding("reformatted", -0.5))
    if "COMPOSED" in frame.image_type:
        found.append(Finding("composed of several stations", -0.5))
    if frame.image_type[:1] == ("DERIVED",) or frame.image_type[1:2] == ("SECONDARY",):
        found.append(Finding("calls itself derived", -0.2))
    return found

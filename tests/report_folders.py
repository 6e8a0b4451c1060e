"""Small folders as evaluate, explain, train, data_prep and cross_validate leave them; nothing is trained."""

import csv
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from raspine import landmarks, patient_groups
from raspine.evaluation import agreement, classification, equivalence, keypoints

HASH = "ab" * 32
HOSTILE = "</script><script>window.hacked=1</script>\"'><img src=x onerror=window.hacked=1>"
FILMS, STUDIES, THRESHOLD = 24, 60, 0.4
VERSIONS = {"raspine": "0.1.0", "python": "3.11.7"}
RECIPE = {
    "epochs": 3, "batch": 4, "learning_rate": 0.001, "loss": "cross_entropy", "seed": 7, "width": 16, "small": True,
    "height": 64, "width_px": 64, "depth": 26, "class_weights": "balanced", "augmentation": {"scale": 0.1},
}  # fmt: skip


def films(folder: pathlib.Path, hostile: bool = False) -> pathlib.Path:
    """The result folder of landmarks: an evaluation with everything around it."""
    some = _films(hostile)
    schema, raters = landmarks.ATLANTOAXIAL, _annotators(some)
    summary = keypoints.summary(some, schema, keypoints.Limits(), raters)
    summary |= {"split": "test", "data_hash": HASH, "versions": VERSIONS, "git_commit": "0123abcd" * 5}
    summary |= {"schema": schema.to_dict(), "model": {"task": "landmarks", "data_hash": HASH}}
    summary["agreement"] = _agreement(some, raters)
    _json(folder / "summary.json", keypoints.as_json(summary))
    people = {
        film: {"age": 30 + 3 * row, "sex": "FM"[row % 2], "scanner": "Siemens", "spacing_source": "geometry"}
        for row, film in enumerate(some.names)
    }
    rows = [{**row, **people[row["image"]]} for row in keypoints.rows(some, schema)]
    _csv(folder / "films.csv", rows)
    _csv(folder / "raters.csv", _rater_rows(some, raters))
    for place, group in enumerate(("best", "median", "worst")):
        picture(folder / "overlays" / f"{group}_1_{some.names[place] if not hostile else place}.png", place)
    training(folder / "run", "subluxation")
    data(folder / "records", "films", some.patients, hostile)
    return folder


def studies(folder: pathlib.Path, hostile: bool = False) -> pathlib.Path:
    """The result folder of a risk model."""
    risks, outcomes = scores()
    source = f"validation split: Youden's index{HOSTILE if hostile else ''}"
    summary = classification.summary(risks, outcomes, THRESHOLD, source)
    summary |= {"split": "test", "data_hash": HASH, "versions": VERSIONS, "git_commit": "0123abcd" * 5}
    summary |= {"model": {"task": "deformity", "data_hash": HASH}}
    _json(folder / "summary.json", keypoints.as_json(summary))
    rows = [
        {
            "study": f"S{row:03d}{HOSTILE if hostile else ''}",
            "patient": f"P{row:03d}",
            "outcome": outcomes[row],
            "risk": f"{risks[row]:.6g}",
            "verdict": "positive" if risks[row] >= THRESHOLD else "negative",
            "rater1": outcomes[row],
            "rater2": outcomes[row] if row % 7 else 1 - outcomes[row],
            "consensus": outcomes[row],
            "flags": HOSTILE if hostile else "",
            "age": 40 + row % 45,
            "sex": "FM"[row % 2],
            "scanner": "GE 1.5 T",
        }
        for row in range(STUDIES)
    ]
    _csv(folder / "studies.csv", rows)
    training(folder / "run", "deformity")
    data(folder / "records", "studies", [row["patient"] for row in rows], hostile)
    explained(folder / "explained", hostile)
    return folder


def scores() -> tuple[np.ndarray, np.ndarray]:
    """Risks of four significant digits, one equal to the threshold, and outcomes."""
    random = np.random.default_rng(5)
    outcomes = (np.arange(STUDIES) % 3 == 0).astype(int)
    risks = np.clip(0.35 + 0.2 * outcomes + random.normal(0, 0.15, STUDIES), 0.01, 0.99).round(4)
    risks[4] = THRESHOLD
    return risks, outcomes


def training(folder: pathlib.Path, task: str) -> pathlib.Path:
    """A training run without evaluation."""
    history = [{"epoch": epoch, "loss": 1 / epoch, "val_auc": 0.5 + 0.1 * epoch} for epoch in (1, 2, 3)]
    facts = {
        "task": task, "recipe": RECIPE, "data_hash": HASH, "versions": VERSIONS, "git_commit": "0123abcd" * 5,
        "epochs_done": 3, "best": {"epoch": 2}, "history": history, "device": "CPU", "replicas": 1, "workers": 1,
    }  # fmt: skip
    _json(folder / "run.json", facts)
    return folder


def data(
    folder: pathlib.Path, unit: str, tested: Sequence[str], hostile: bool = False, leaking: bool = False
) -> pathlib.Path:
    """A data folder without its shards."""
    trained = [*(f"T{row:03d}" for row in range(30)), *(tested[:1] if leaking else ())]
    rows = [
        patient_groups.Row(f"A{row:03d}", patient, "train", "", 60, "F", "GE") for row, patient in enumerate(trained)
    ]
    rows += [patient_groups.Row(f"B{row:03d}", patient, "test", "", 50, "M", "") for row, patient in enumerate(tested)]
    folder.mkdir(parents=True, exist_ok=True)
    patient_groups.write(folder / "records.csv", rows)
    counts = {"train": {unit: 90, "patients": 30}, "test": {unit: len(tested), "patients": len(set(tested))}}
    facts: dict[str, Any] = {
        "task": "deformity" if unit == "studies" else "subluxation", "data_hash": HASH, "counts": counts,
        "split": {"rule": "counts", "by": "patient", "seed": 3}, "refused": {HOSTILE if hostile else "no spacing": 2},
    }  # fmt: skip
    if unit == "films":
        facts["spacing_sources"] = {"geometry": 114}
    _json(folder / "dataset.json", facts)
    return folder


def explained(folder: pathlib.Path, hostile: bool = False) -> pathlib.Path:
    """A folder of explain with two methods, and an entry whose picture stands elsewhere."""
    examples = []
    for place, group in enumerate(("tp", "fn", "fp", "tn")):
        for method in ("gradcam", "gradcam++"):
            name = f"{group}_1_S{place:03d}_{method}.png"
            picture(folder / name, place)
            entry = {"study": f"S{place:03d}", "group": group, "method": method, "risk": 0.5, "outcome": 1}
            examples.append({**entry, "picture": name, "empty": False})
    picture(folder.parent / "elsewhere.png", 9)
    examples.append({"study": "S009", "group": "tp", "method": "gradcam", "picture": "../elsewhere.png"})
    check = {"value": 0.12, "ci": [0.01, 0.2], "reference": 0.5, "passed": True, "n": 20, "note": ""}
    trust = {
        HOSTILE if hostile else "gradcam": {"randomisation": check, "verdict": "supported", "rests_on": "Passes."},
        "gradcam++": {"randomisation": {**check, "passed": False}, "verdict": "not supported", "rests_on": "Fails."},
    }
    _json(folder / "explanations.json", {"examples": examples, "trust": trust, "trust_rule": "A check passes when."})
    return folder


def cross_validation(folder: pathlib.Path) -> pathlib.Path:
    """A folder of cross_validate."""
    _json(folder / "cross_validation.json", {"task": "deformity"})
    folds = [{"repeat": 1, "fold": fold, "auc": 0.6 + 0.02 * fold, "n_train_patients": 48} for fold in range(1, 6)]
    curve = [
        {"share": 0.5, "n_train_patients": 24, "by_fold": folds},
        {"share": 1, "n_train_patients": 48, "by_fold": folds},
    ]
    summary = {
        "task": "deformity", "repeats": 1, "folds": 5, "n_patients": 60, "auc": 0.66, "auc_ci": [0.5, 0.8],
        "auc_sd": 0.03, "by_fold": folds,
        "pooled": [{"repeat": 1, "auc": 0.65, "auc_ci": [0.52, 0.78]}], "learning_curve": curve,
        "notes": ["every figure is of internal validation."],
    }  # fmt: skip
    _json(folder / "summary.json", summary)
    _csv(
        folder / "studies.csv",
        [{"repeat": 1, "fold": 1, "study": "S001", "patient": "P001", "outcome": 1, "risk": 0.5}],
    )
    return folder


def picture(path: pathlib.Path, seed: int) -> None:
    """A small PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).resize((240, 160)).save(path)


def _films(hostile: bool) -> keypoints.Films:
    random = np.random.default_rng(2)
    names = tuple(f"F{row:03d}{HOSTILE if hostile else ''}" for row in range(FILMS))
    truth = np.zeros((FILMS, 4, 2))
    adi, sac = random.uniform(1, 5, FILMS), random.uniform(11, 20, FILMS)
    truth[:, 0] = 100
    for point, gap in ((1, adi / 0.2), (2, np.full(FILMS, 60)), (3, sac / 0.2)):
        truth[:, point] = truth[:, point - 1] + np.stack([gap, np.zeros(FILMS)], 1)
    found = truth + random.normal(0, 3, truth.shape)
    found[3, 2] = np.nan
    return keypoints.Films(
        names=names,
        patients=tuple(f"P{row // 3:03d}" for row in range(FILMS)),
        positions=tuple(("neutral", "flexion", "extension")[row % 3] for row in range(FILMS)),
        truth=truth,
        found=found,
        confidence=np.full((FILMS, 4), 0.8),
        spacing=np.full((FILMS, 2), 0.2),
        size=np.full((FILMS, 2), 500.0),
    )


def _annotators(some: keypoints.Films) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    return {name: some.truth + random.normal(0, 2, some.truth.shape) for name in ("ann", "bob")}


def _measured(some: keypoints.Films, raters: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    points = {"model": some.found, "consensus": some.truth, **raters}
    return {rater: landmarks.ATLANTOAXIAL.measure(places, some.spacing) for rater, places in points.items()}


def _agreement(some: keypoints.Films, raters: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    measured = _measured(some, raters)
    return [
        {"distance": name, **pair.to_dict()}
        for name in ("adi", "sac")
        for pair in agreement.pairs(
            {rater: values[name] for rater, values in measured.items()}, equivalence.MARGINS_MM[name], some.patients
        )
    ]


def _rater_rows(some: keypoints.Films, raters: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {"image": image, "patient": some.patients[row], "position": "", "distance": name, "rater": rater, "mm": mm[row]}
        for rater, values in _measured(some, raters).items()
        for name, mm in values.items()
        for row, image in enumerate(some.names)
        if np.isfinite(mm[row])
    ]


def _json(path: pathlib.Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")


def _csv(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)

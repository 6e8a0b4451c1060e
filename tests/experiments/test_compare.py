import csv
import json
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from raspine.evaluation import auc


def compare(folder: pathlib.Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.compare", f"--output_dir={folder / 'compared'}", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write(folder: pathlib.Path, name: str, rows: Sequence[Mapping[str, Any]], data_hash: str = "d") -> str:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({"data_hash": data_hash, "split": "test"}))
    with (folder / name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    return str(folder)


def studies(risks: np.ndarray, outcomes: np.ndarray, patients: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "study": f"S{number:05}",
            "patient": patients[number],
            "outcome": outcomes[number],
            "risk": risks[number],
            "verdict": "positive" if risks[number] >= 0.5 else "negative",
        }
        for number in range(len(risks))
    ]


def films(errors: np.ndarray, adi: np.ndarray) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, error in enumerate(errors):
        film = {"image": f"F{number:05}", "patient": f"P{number // 2:05}", "position": "neutral"}
        found = {"predicted_x": 10 + error, "predicted_y": 20} if np.isfinite(error) else {}
        measured = {"error_mm": error} if np.isfinite(error) else {}
        rows.append({**film, "landmark": "dens_anterior", "true_x": 10, "true_y": 20, **measured, **found})
        true = 2.0 + number % 3
        verdicts = ["positive" if value > 3 else "negative" for value in (true, adi[number])]
        distance = {"error_mm": adi[number] - true, "true_mm": true, "predicted_mm": adi[number]}
        rows.append(
            {
                **film,
                "landmark": "adi",
                **distance,
                **dict(zip(("true_verdict", "predicted_verdict"), verdicts, strict=True)),
            }
        )
    return rows


def pairs(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    found = json.loads((folder / "compared" / "comparison.json").read_text())
    return {pair["figure"]: pair for pair in found["pairs"]}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, np.ndarray, np.ndarray, np.ndarray]:
    folder = tmp_path_factory.mktemp("two")
    rng = np.random.default_rng(0)
    outcomes = (rng.random(40) < 0.4).astype(int)
    first, second = (np.round(np.clip(0.3 + gain * outcomes + rng.normal(0, 0.2, 40), 0, 1), 4) for gain in (0.4, 0.1))
    people = [f"P{number:05}" for number in range(40)]
    write(folder / "good", "studies.csv", studies(first, outcomes, people))
    write(folder / "poor", "studies.csv", studies(second, outcomes, people))
    ended = compare(folder, f"--runs={folder / 'good'},{folder / 'poor'}")
    assert ended.returncode == 0, ended.stderr
    return folder, first, second, outcomes


def test_risk_models_are_compared_by_delong_and_mcnemar(two: tuple[pathlib.Path, Any, Any, Any]) -> None:
    folder, first, second, outcomes = two
    found = pairs(folder)
    expected = auc.difference(first, second, outcomes)
    assert found["auc"]["difference"]["value"] == pytest.approx(expected.value)
    assert (found["auc"]["p"], found["auc"]["test"]) == (pytest.approx(expected.p), "DeLong, paired")
    one, other = ((scores >= 0.5) == outcomes for scores in (first, second))
    mcnemar = stats.binomtest(int((one & ~other).sum()), int((one ^ other).sum()))
    # 20,000 swaps: a standard error of at most 0.0035.
    assert found["accuracy"]["p"] == pytest.approx(mcnemar.pvalue, abs=0.015)
    assert found["brier"]["first_value"]["value"] == pytest.approx(np.mean((first - outcomes) ** 2))
    assert found["sensitivity"]["rows"] == outcomes.sum()
    assert all(pair["p_holm"] >= pair["p"] for pair in found.values())


def test_the_table_and_the_picture_are_left(two: tuple[pathlib.Path, Any, Any, Any]) -> None:
    left = {path.name for path in (two[0] / "compared").iterdir()}
    assert left == {"comparison.json", "comparison.csv", "comparison.png"}
    with (two[0] / "compared" / "comparison.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert (rows[0]["figure"], rows[0]["first"], rows[0]["second"]) == ("auc", "good", "poor")


def test_landmark_models_are_compared_film_by_film(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(1)
    near, far = rng.uniform(0, 2, 12), rng.uniform(1, 4, 12)
    far[3] = np.nan  # not found
    true = 2.0 + np.arange(12) % 3
    runs = [
        write(tmp_path / name, "films.csv", films(errors, true + shift))
        for name, errors, shift in (("a", near, 0.1), ("b", far, 1.5))
    ]
    ended = compare(tmp_path, f"--runs={','.join(runs)}", "--names=near,far")
    assert ended.returncode == 0, ended.stderr
    found = pairs(tmp_path)
    both = np.isfinite(far)
    assert found["error_mm"]["difference"]["value"] == pytest.approx((near - far)[both].mean())
    assert (found["error_mm"]["rows"], found["error_mm"]["patients"]) == (11, 6)
    assert found["error_mm"]["note"].startswith("1 of 12 are left out")
    assert found["sdr_2mm"]["second_value"]["value"] == pytest.approx(np.mean(np.nan_to_num(far, nan=9.0) <= 2))
    assert found["adi_mae_mm"]["difference"]["value"] == pytest.approx(-1.4)
    assert found["adi_specificity"]["second_value"]["value"] == 0.0 + np.mean((true[true <= 3] + 1.5) <= 3)
    # Six patients whose signs all agree: two of 64 swaps reach as far.
    assert found["adi_mae_mm"]["p"] == pytest.approx(2 / 64)
    assert "near" in ended.stdout


def test_studies_of_one_patient_are_compared_as_clusters(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(2)
    outcomes = np.repeat(rng.integers(0, 2, 15), 2)
    people = [f"P{number // 2}" for number in range(30)]
    scores = [np.round(rng.random(30), 4) for _ in "ab"]
    runs = [
        write(tmp_path / name, "studies.csv", studies(one, outcomes, people))
        for name, one in zip("ab", scores, strict=True)
    ]
    assert compare(tmp_path, f"--runs={','.join(runs)}").returncode == 0
    found = pairs(tmp_path)["auc"]
    expected = auc.difference(*scores, outcomes, patients=people)
    assert (found["p"], found["difference"]["ci"]) == (pytest.approx(expected.p), pytest.approx(expected.interval))
    assert "Obuchowski" in found["test"]


def test_other_test_sets_are_refused_unless_common(tmp_path: pathlib.Path) -> None:
    outcomes, people = np.array([0, 1, 0, 1]), list("abcd")
    rows = studies(np.array([0.1, 0.9, 0.4, 0.6]), outcomes, people)
    one = write(tmp_path / "one", "studies.csv", rows)
    other = write(tmp_path / "other", "studies.csv", rows[:3], data_hash="e")
    refused = compare(tmp_path, f"--runs={one},{other}")
    assert (refused.returncode, "different data" in refused.stderr) == (2, True)
    assert compare(tmp_path, f"--runs={one},{other}", "--common").returncode == 0
    assert json.loads((tmp_path / "compared" / "comparison.json").read_text())["n"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": 1}, "disagree about the truth"),
        (None, "films cannot be compared with studies"),
    ],
)
def test_runs_that_do_not_fit_are_refused(tmp_path: pathlib.Path, change: dict[str, Any] | None, message: str) -> None:
    rows = studies(np.array([0.1, 0.9]), np.array([0, 1]), ["a", "b"])
    one = write(tmp_path / "one", "studies.csv", rows)
    if change:
        other = write(tmp_path / "other", "studies.csv", [{**rows[0], **change}, rows[1]])
    else:
        other = write(tmp_path / "other", "films.csv", films(np.array([1.0]), np.array([2.0])))
    ended = compare(tmp_path, f"--runs={one},{other}")
    assert (ended.returncode, message in ended.stderr) == (2, True), ended.stderr
    assert not (tmp_path / "compared").exists()


@pytest.mark.parametrize(("flags", "message"), [(["--runs=."], "two folders"), (["--runs=.,.."], "--runs")])
def test_wrong_flags_end_with_status_2(tmp_path: pathlib.Path, flags: list[str], message: str) -> None:
    ended = compare(tmp_path, *flags)
    assert (ended.returncode, message in ended.stderr) == (2, True)
    assert "Traceback" not in ended.stderr

import dataclasses
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest

from experiments import planned_cases
from raspine.evaluation import sample_size
from raspine.evaluation.sample_size import Cases

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _started(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.sample_size", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_plan_of_paper_1() -> None:
    rows = {(row["figure"], row["wanted"]): row for row in planned_cases.needed(planned_cases.Plan())}
    sensitivity = rows["sensitivity", 0.2]
    assert sensitivity["positives"] == sample_size.share_cases(0.2, 0.75)
    assert sensitivity["cases"] == sample_size.enrolled(sensitivity["positives"], 12 / 67)
    assert sensitivity["surely"] > sensitivity["cases"]
    assert "negatives" not in sensitivity
    area = rows["AUC", 0.1]
    assert area["cases"] == area["positives"] + area["negatives"]
    assert rows["equivalence within 1.5 mm", "power 0.9"]["cases"] == sample_size.tost_pairs(0.9, 2.0, 1.5)


def test_needed_and_given_are_each_others_reverse() -> None:
    plan = planned_cases.Plan(widths=[0.2])
    rows = {row["figure"]: row for row in planned_cases.needed(plan)}
    cases = Cases(rows["sensitivity"]["positives"], rows["specificity"]["negatives"])
    back = {row["figure"]: row for row in planned_cases.given(planned_cases.Plan(given=cases))}
    assert 0.195 < back["sensitivity"]["gives"] <= 0.2
    assert 0.195 < back["specificity"]["gives"] <= 0.2


def test_films_that_share_patients_count_less() -> None:
    plan = planned_cases.Plan(films_per_patient=408 / 86, icc=0.5, given=Cases(79, 329))
    given = {row["figure"]: row for row in planned_cases.given(plan)}
    assert given["sensitivity"]["cases"] == 27
    assert given["bias, mm"]["cases"] == 142
    for row in planned_cases.needed(plan):
        assert "surely" not in row
        assert row["films"] > 2.8 * row["cases"]
        assert row["films"] == pytest.approx(row["patients"] * 408 / 86, abs=1)


def test_what_no_number_of_cases_reaches_is_noted() -> None:
    rows = planned_cases.needed(planned_cases.Plan(bias_mm=1.6))
    notes = {row["figure"]: row.get("note") for row in rows if row["figure"].startswith("equivalence")}
    assert "bias" in str(notes["equivalence within 1.5 mm"])
    assert notes["equivalence within 2 mm"] is None


def test_curve_falls() -> None:
    rows = list(planned_cases.curve(planned_cases.Plan(), [20, 67, 500]))
    for name in ("sensitivity", "specificity", "AUC"):
        assert rows[0][name] > rows[1][name] > rows[2][name]


def test_program_prints_tables_and_writes_json_and_picture(tmp_path: pathlib.Path) -> None:
    done = _started(f"--json={tmp_path / 'plan.json'}", f"--picture={tmp_path / 'plan.png'}")
    assert done.returncode == 0, done.stderr
    assert "12 with and 55 without" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Written: ")
    report = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    given = {row["figure"]: row for row in report["given"]}
    assert given["sensitivity"]["gives"] == pytest.approx(0.4264, abs=1e-4)
    # The flags' defaults are the plan's.
    assert report["plan"] == json.loads(json.dumps(dataclasses.asdict(planned_cases.Plan())))
    assert report["plan"]["given"] == {"positives": 12, "negatives": 55}
    assert (tmp_path / "plan.png").stat().st_size > 5000


def test_wrong_flags_are_refused_in_one_line(start_many: Callable) -> None:
    cases = {
        "--icc=0.5": "give --films_per_patient as well",
        "--widths=2": "--widths are numbers from 0.001 to 0.9999, divided by commas. Received: 2.",
        "--widths=a": "--widths are numbers from 0.001 to 0.9999, divided by commas. Received: a.",
        "--sensitivity=1": "sensitivity",
        "--margins_mm=-1": "--margins_mm are numbers from",
        "--picture=plan.jpg": "--picture is a file that ends in .png. Received: 'plan.jpg'.",
        "--json=tests": "--json is a file. Received: 'tests'.",
        "stray": "unexpected argument",
    }
    results = start_many("experiments.sample_size", [[flag] for flag in cases])
    for (flag, expected), (status, out, err) in zip(cases.items(), results, strict=True):
        assert status == 2, (flag, err)
        assert out == "", flag
        assert expected in err, (flag, err)
        # Of a single flag that absl refuses, a second line points at --help.
        assert len(err.splitlines()) <= 2, err


def test_equivalence_of_films_that_share_patients_has_the_power_wanted() -> None:
    plan = planned_cases.Plan(films_per_patient=408 / 86, icc=0.5)
    rows = {row["figure"]: row for row in planned_cases.needed(plan)}
    for margin in plan.margins_mm:
        row = rows[f"equivalence within {margin:g} mm"]
        error = 2 * (sample_size.design_effect(408 / 86, 0.5) / (row["patients"] * 408 / 86)) ** 0.5
        assert sample_size.equivalence_power(error, row["patients"] - 1, margin) >= 0.9
        back = planned_cases.given(dataclasses.replace(plan, given=Cases(1, row["films"] - 1)))
        gives = {found["figure"]: found["gives"] for found in back}
        assert gives[f"equivalence within {margin:g} mm"] >= 0.9
    assert rows["equivalence within 2 mm"]["patients"] > 8


def test_a_single_patient_has_no_power() -> None:
    rows = planned_cases.given(planned_cases.Plan(films_per_patient=5, icc=0.1, given=Cases(3, 5)))
    assert [row["figure"] for row in rows] == ["sensitivity", "specificity", "AUC"]


def test_a_power_close_to_1_is_not_printed_as_1() -> None:
    done = _started(
        "--positives=40", "--negatives=160", "--sd_mm=1", "--films_per_patient=2", "--icc=0.1", "--auc=0.999"
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("equivalence", "AUC"))]
    given = [line for line in lines if "power" not in line]
    assert sum("> 0.999" in line for line in given) >= 2
    assert not any(line.split()[-1] == "1" for line in given)

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from raspine.evaluation import calibration as evaluated
from raspine.evaluation import estimate
from raspine.report import (
    agreement,
    blocks,
    calibration,
    charts,
    discrimination,
    facts,
    gallery,
    gather,
    groups,
    limits,
    rules,
    trust,
    wording,
)

EMPTY = gather.Run(gather.Places(pathlib.Path("run")))
SCHEMA = {
    "distances": [
        {"name": "adi", "threshold_mm": 3.0, "comparison": ">"},
        {"name": "sac", "threshold_mm": 13.0, "comparison": "<="},
    ]
}
RUN = dataclasses.replace(EMPTY, summary={"schema": SCHEMA})


def film_rows(patients: int, films: int, positive: int) -> list[gather.Row]:
    made = []
    for patient in range(patients):
        for film in range(films):
            true, called = (12.0, 12.5) if patient < positive else (20.0 + film, 19.0 + patient)
            made.append(
                {
                    "image": f"F{patient}{film}", "landmark": "sac", "patient": f"P{patient}", "position": "neutral",
                    "true_mm": str(true), "predicted_mm": str(called), "sex": "F",
                    "true_verdict": "positive" if patient < positive else "negative",
                    "predicted_verdict": "positive" if patient < positive else "negative",
                }
            )  # fmt: skip
    return made


def study_rows(positive: int, negative: int, each: int = 1) -> list[gather.Row]:
    outcomes = [1] * positive + [0] * negative
    return [
        {
            "study": f"S{place}{again}",
            "patient": f"P{place}",
            "outcome": str(outcome),
            "risk": f"0.{place + 11}",
            "sex": "F",
        }
        for place, outcome in enumerate(outcomes)
        for again in range(each)
    ]


def evaluated_slope(run: gather.Run) -> estimate.Estimate:
    scored = facts.scored(run)
    return evaluated.slope(scored.risks, scored.outcomes, scored.patients)


def text_of(section: blocks.Section) -> str:
    return " ".join(block.text for block in section.blocks if isinstance(block, blocks.Text))


def charts_of(section: blocks.Section) -> list[Any]:
    return [chart for block in section.blocks if isinstance(block, blocks.Charts) for chart in block.charts]


def tables_of(section: blocks.Section) -> list[blocks.Table]:
    return [block for block in section.blocks if isinstance(block, blocks.Table)]


class TestWording:
    def test_zero_has_no_sign(self) -> None:
        assert wording.number(-0.0000325) == "0.00"
        assert wording.number(-0.006) == "\u22120.01"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("fails auprc (-3.25e-05 [-0.00103, 0.0887], 20).", "Fails AUPRC (0.000 [\u22120.001, 0.0887], 20)."),
            ("t with 1 degrees of freedom", "T with 1 degree of freedom"),
            ("with 11 degrees, 40-49 years", "With 11 degrees, 40-49 years"),
            ("", ""),
        ],
    )
    def test_told(self, text: str, told: str) -> None:
        assert wording.told(text) == told

    def test_numbers_of_a_chart_have_no_exponent(self) -> None:
        table = charts.Table(("a", "b", "c"), ((-3.25e-05, -0.0, -0.01234567),))
        assert table.cells() == [["0.0000", "0", "\u22120.01235"]]

    def test_one_is_singular(self) -> None:
        assert wording.counted(1, "annotators") == "1 annotator"


class TestRules:
    def test_the_first_pathological_value(self) -> None:
        adi, sac = (rules.of(RUN, name) for name in ("adi", "sac"))
        assert adi.cut is not None
        assert 3 < adi.cut < 3 + 1e-12
        assert sac.cut == 13
        assert (adi.words, sac.words) == ("> 3 mm", "\u2264 13 mm")
        assert rules.Rule(None, 1).cut is None


class TestGroups:
    def test_patients_count_and_not_films(self) -> None:
        figures = {"n": 12, "n_patients": 4, "mre_mm": 1.0, "mre_mm_ci": [0.5, 1.5]}
        run = dataclasses.replace(
            EMPTY, films=film_rows(4, 3, 1), summary={"mre_mm": 1.0, "groups": {"sex": {"F": figures}}}
        )
        (chart,) = charts_of(groups.section(run))
        assert "* and an open dot: fewer than 10 patients" in chart.caption
        assert any("Too few patients to judge: sex women (4 patients)." in text for text in limits.all_of(run))
        assert chart.table.rows[0][5] == 4

    @pytest.mark.parametrize(("positive", "negative", "small"), [(2, 20, True), (20, 9, True), (10, 10, False)])
    def test_an_auc_rests_on_the_fewer_outcomes(self, positive: int, negative: int, small: bool) -> None:
        run = dataclasses.replace(EMPTY, studies=study_rows(positive, negative, each=2))
        (chart,) = charts_of(groups.section(run))
        assert ("an open dot: fewer than 10 patients with, or without, the outcome" in chart.caption) is small

    def test_no_test_is_claimed(self) -> None:
        section = groups.section(dataclasses.replace(EMPTY, studies=study_rows(3, 3)))
        assert section.title == "Errors by patient group"
        assert "No test compares the groups" in text_of(section)


class TestDiscrimination:
    @pytest.mark.parametrize(("positive", "band"), [(1, False), (4, False), (5, True)])
    def test_a_band_needs_five_patients_of_either_kind(self, positive: int, band: bool) -> None:
        run = dataclasses.replace(RUN, films=film_rows(12, 3, positive))
        (chart,) = charts_of(discrimination.section(run))
        assert ("Shaded" in chart.caption) is band
        assert ("No band" in chart.caption) is not band
        assert chart.caption.startswith(f"{3 * positive} of 36 films positive, from {positive} of 12 patients. ")
        assert "rule: SAC \u2264 13 mm sensitivity 1.00" in chart.alternative
        assert all(cut > 0 for _, _, cut in chart.table.rows[1:])

    def test_studies_of_as_many_patients_are_patients(self) -> None:
        told = discrimination.counted(np.array([1, 0]), ["P1", "P2"], "studies", "with the outcome")
        assert told == "1 of 2 patients with the outcome"
        assert discrimination.counted(np.array([1, 0]), ["", "P2"], "films", "positive") == "1 of 2 films positive"


SUMMARY = {
    "brier": 0.2, "brier_ci": [0.1, 0.3], "mean_risk": 0.3, "mean_risk_ci": [0.2, 0.4], "calibration_gap": -0.008,
    "calibration_gap_ci": [-0.1, 0.1], "calibration_slope": 0.8, "calibration_slope_ci": [0.1, 1.5],
}  # fmt: skip


class TestCalibration:
    def test_figures_have_intervals_and_no_empty_column(self) -> None:
        run = dataclasses.replace(EMPTY, studies=study_rows(10, 10), summary=SUMMARY)
        (table,) = tables_of(calibration.section(run))
        assert list(table.header) == ["Figure", "Value, 95 % interval"]
        assert all(row[1].between for row in table.cells())

    def test_a_note_starts_with_a_capital(self) -> None:
        run = dataclasses.replace(EMPTY, studies=study_rows(10, 10))  # risks that tell the outcomes apart
        (table,) = tables_of(calibration.section(run))
        slope = table.cells()[0]
        assert (slope[0].text, slope[1].text) == ("Slope", "–")
        assert slope[2].text == wording.sentence(evaluated_slope(run).note)
        assert slope[2].text[0].isupper()


class TestTrust:
    @staticmethod
    def run(ends: list[float], note: str = "Repeated on studies with noise of 0.1.") -> gather.Run:
        check = {"value": 0.9, "ci": [0.8, 1.0], "reference": 0.5, "passed": True, "n": 16, "note": note}
        removed = {**check, "note": "4 of 20 maps are empty and left out."}
        method = {"verdict": "supported", "rests_on": "passes", "repeatability": check, "deletion": removed}
        summary = {"auc": 0.6, "auc_ci": ends}
        return dataclasses.replace(EMPTY, explanations={"trust": {"gradcam": method}}, summary=summary)

    def test_repeatability_says_of_what(self) -> None:
        (table,) = tables_of(trust.section(self.run([0.6, 0.7])))
        assert table.header[1] == "repeatability (noise)"
        (seeds,) = tables_of(
            trust.section(self.run([0.6, 0.7], "Repeated by networks of other training runs, 2 (a, b)."))
        )
        assert seeds.header[1] == "repeatability (seeds)"
        (unknown,) = tables_of(trust.section(self.run([0.6, 0.7], "")))
        assert unknown.header[1] == "repeatability"

    def test_counts_and_verdict(self) -> None:
        (table,) = tables_of(trust.section(self.run([0.6, 0.7])))
        (cells,) = table.cells()
        assert cells[2].between.endswith("n\u00a0=\u00a016 of 20")
        assert cells[1].between.endswith("n\u00a0=\u00a016")
        assert cells[-1].text == "no check failed"

    @pytest.mark.parametrize(("low", "warned"), [(0.47, True), (0.5, True), (0.51, False)])
    def test_a_model_near_chance_has_little_to_explain(self, low: float, warned: bool) -> None:
        assert ("has little to explain" in text_of(trust.section(self.run([low, 0.7])))) is warned


class TestAgreement:
    def test_exact_points_are_no_annotators(self) -> None:
        run = dataclasses.replace(RUN, films=film_rows(6, 2, 2), data={"options": {"annotators": ["exact"]}})
        section = agreement.section(run)
        assert charts_of(section)[0].title == "SAC: model against exact points"
        table = tables_of(section)[0]
        assert table.cells()[0][0].text == "SAC: model and exact points"
        assert "ICC(A,1)" in table.header
        assert "Spearman" not in table.header
        assert "annotators to compare" in text_of(section)


def test_studies_have_right_and_wrong_calls() -> None:
    assert gallery.section(dataclasses.replace(EMPTY, studies=study_rows(1, 1))).title == "Cases: right and wrong calls"
    assert gallery.section(dataclasses.replace(EMPTY, films=film_rows(1, 1, 1))).title.endswith("median and worst")

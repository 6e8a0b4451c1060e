"""The charts of a report as text: well formed, fit for one page, and true to their numbers."""

import functools
import importlib
import inspect
import math
import pkgutil
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import chart_samples
import numpy as np
import pytest

from raspine.evaluation import auc, curves, intervals, keypoints
from raspine.evaluation.estimate import Estimate, undefined
from raspine.report import charts
from raspine.report.charts import Chart, FlowStep, ForestRow, Table, number, style, svg, swarm

SVG = f"{{{svg.SVG}}}"
NAMES = list(chart_samples.SAMPLES)


@functools.cache
def sample(name: str) -> Chart:
    return chart_samples.SAMPLES[name]()


def tree(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(chart.svg)


def said(point: ElementTree.Element) -> str:
    return point.findtext(f"{SVG}title", "")


def row(chart: Chart, first: str) -> tuple[Any, ...]:
    return next(row for row in chart.table.rows if row[0] == first)


def public_charts() -> dict[str, str]:
    """The functions of the package that make a chart, by name, with their module."""
    modules = [
        importlib.import_module(f"{charts.__name__}.{one.name}") for one in pkgutil.iter_modules(charts.__path__)
    ]
    return {
        name: module.__name__
        for module in modules
        if module is not style  # whose functions finish what others draw
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and function.__annotations__.get("return") is Chart
        if not name.startswith("_")
    }


def test_every_chart_is_offered() -> None:
    assert {"roc", "forest", "group_errors", "trust_strip"} <= public_charts().keys() <= set(charts.__all__)


def test_every_chart_has_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a chart without a sample, which no test here and no browser sees, cannot be added unnoticed."""
    sampled = set()

    def watched(name: str, draw: Callable[..., Chart]) -> Callable[..., Chart]:
        def drawing(*data: Any, **options: Any) -> Chart:
            chart = draw(*data, **options)
            if "not shown" not in chart.alternative:
                sampled.add(name)
            return chart

        return drawing

    for name in public_charts():
        monkeypatch.setattr(charts, name, watched(name, getattr(charts, name)))
    for draw in chart_samples.SAMPLES.values():
        draw()
    assert sampled == public_charts().keys()


@pytest.mark.parametrize("name", NAMES)
class TestEveryChart:
    def test_is_one_described_picture(self, name: str) -> None:
        chart, root = sample(name), tree(sample(name))
        assert chart.name == name
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        words = [root.find(f".//*[@id='{key}']") for key in root.get("aria-labelledby", "").split()]
        assert [word.text for word in words if word is not None] == [chart.title, chart.alternative]
        assert root.get("viewBox", "").startswith(f"0 0 {chart.natural_width} ")

    def test_stands_alone(self, name: str) -> None:
        root = tree(sample(name))
        tags = {element.tag for element in root.iter()}
        assert not tags & {f"{SVG}style", f"{SVG}script", f"{SVG}image", f"{SVG}metadata"}
        inside = {element.get("id") for element in root.iter()}
        links = [value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")]
        links += [f"#{place}" for place in re.findall(r"url\(#([^)]*)\)", sample(name).svg)]
        assert all(link[0] == "#" and link[1:] in inside for link in links)
        assert "http" not in sample(name).svg.replace(svg.SVG, "")

    def test_has_words_and_numbers(self, name: str) -> None:
        chart = sample(name)
        assert re.fullmatch(r".{20,}\.", chart.alternative)
        assert "nan" not in chart.alternative
        assert "nan" not in "".join(element.text or "" for element in tree(chart).iter(f"{SVG}text"))
        assert chart.table.rows
        assert all(len(cells) == len(chart.table.header) for cells in chart.table.cells())

    def test_is_the_same_each_time(self, name: str) -> None:
        assert chart_samples.SAMPLES[name]().svg == sample(name).svg

    def test_is_small(self, name: str) -> None:
        assert len(sample(name).svg.encode()) < 150_000


def test_ids_are_unique_in_a_page() -> None:
    ids = Counter(element.get("id") for name in NAMES for element in tree(sample(name)).iter() if element.get("id"))
    assert ids.most_common(1)[0][1] == 1


def test_names_are_ids() -> None:
    with pytest.raises(ValueError, match="a-z"):
        charts.fold_dots({"a": [0.5, 0.6]}, name="Not an id")


def test_style_is_left_behind() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    chart_samples.SAMPLES["confusion"]()
    assert dict(matplotlib.rcParams) == before


def test_looks_differ_without_colour() -> None:
    assert len({look.marker for look in style.LOOKS}) == len(style.LOOKS)
    assert len({str(look.line) for look in style.LOOKS}) == len(style.LOOKS)


BINS: dict[str, Any] = {"mean_risk": [0.5], "observed": [0.5], "low": [0], "high": [1], "counts": [2]}
EMPTY: dict[str, Callable[[], Chart]] = {
    "no scores": lambda: charts.roc([], []),
    "no scores for precision": lambda: charts.precision_recall([], []),
    "one class": lambda: charts.roc([0.1, 0.2], [1, 1]),
    "no positive": lambda: charts.precision_recall([0.1, 0.2], [0, 0]),
    "no model": lambda: charts.rocs({}),
    "no risks": lambda: charts.calibration([], [], **charts.calibration_bins([], [])),
    "not risks": lambda: charts.calibration([2, 3], [0, 1], **BINS),
    "no thresholds": lambda: charts.decision_curve([], {"model": []}),
    "net benefit undefined": lambda: charts.decision_curve([0.1], {"model": [math.nan]}),
    "no patient": lambda: charts.risks_by_outcome([], []),
    "nobody": lambda: charts.confusion_matrix(0, 0, 0, 0),
    "no pair": lambda: charts.agreement_scatter([math.nan, 1], [1, math.nan]),
    "no difference": lambda: charts.bland_altman([], [], bias=None, lower=None, upper=None),
    "no landmark": lambda: charts.error_by_landmark({}),
    "nothing found": lambda: charts.error_by_landmark({"dens": [math.nan]}),
    "no error": lambda: charts.cumulative_error({"dens": []}),
    "no row": lambda: charts.forest([], value_name="AUC"),
    "all undefined": lambda: charts.group_errors([ForestRow("F", undefined("no film"))]),
    "no history": lambda: charts.training_curves([], None),
    "no losses": lambda: charts.training_curves([{"epoch": 1}], 1),
    "no step": lambda: charts.cohort_flow([]),
    "no age": lambda: charts.age_histogram([None, math.nan], ["train", "test"]),
    "no sex": lambda: charts.category_bars(["", ""], ["train", "test"]),
    "no fold": lambda: charts.fold_dots({}),
    "no size": lambda: charts.learning_curve([], np.zeros((0, 3))),
    "no method": lambda: charts.trust_strip([], ["deletion"], [], []),
}  # fmt: skip


@pytest.mark.parametrize("case", EMPTY)
def test_says_why_there_is_nothing(case: str) -> None:
    chart = EMPTY[case]()
    assert "not shown" in chart.alternative
    assert chart.table.rows[0][1]
    shown = "".join(element.text or "" for element in tree(chart).iter(f"{SVG}text"))
    assert len(shown) > 5


SENSELESS: dict[str, Callable[[], Chart]] = {
    "lengths of pairs": lambda: charts.agreement_scatter([1, 2], [1]),
    "lengths of films": lambda: charts.bland_altman([1], [1], bias=0.0, lower=None, upper=None, films=["a", "b"]),
    "lengths of groups": lambda: charts.age_histogram([50], []),
    "lengths of lines": lambda: charts.decision_curve([0.1, 0.2], {"model": [0.1]}),
    "lengths of bins": lambda: charts.calibration(
        [0.1], [0], mean_risk=[0.1], observed=[0], low=[0], high=[1, 1], counts=[1]
    ),
    "a score is not finite": lambda: charts.roc([math.nan, 1], [0, 1]),
    "counts below zero": lambda: charts.confusion_matrix(-1, 0, 0, 0),
    "sizes and scores": lambda: charts.learning_curve([10, 20], [[0.5]]),
    "another verdict": lambda: charts.trust_strip(["a"], ["b"], [[1.0]], [["perhaps"]]),
    "lengths of patients": lambda: charts.agreement_scatter([1], [1], patients=["a", "b"]),
    "lengths of categories": lambda: charts.category_bars(["F"], []),
    "five groups": lambda: charts.category_bars(["F"] * 5, list("abcde")),
    "six models": lambda: charts.rocs({str(model): ([0.1, 0.2], [0, 1], None) for model in range(6)}),
    "six lines of benefit": lambda: charts.decision_curve([0.1], {str(model): [0.1] for model in range(6)}),
    "six methods": lambda: charts.trust_strip(list("abcdef"), ["b"], [[1.0]] * 6, [["pass"]] * 6),
    "values and verdicts": lambda: charts.trust_strip(["a"], ["b"], [[1.0, 2.0]], [["pass"]]),
    "six lines": lambda: charts.cumulative_error({str(line): [1.0] for line in range(6)}),
    "five parts": lambda: charts.cohort_flow([FlowStep("all", 5)], [FlowStep("one", 1)] * 5),
}


@pytest.mark.parametrize("case", SENSELESS)
def test_refuses_what_makes_no_sense(case: str) -> None:
    with pytest.raises(ValueError, match=r"Received"):
        SENSELESS[case]()


class TestNumbers:
    def test_text(self) -> None:
        assert number.text(Estimate(0.8249, (0.7, 0.9123))) == "0.82 [0.70, 0.91]"
        assert number.text({"value": -0.104, "ci": [-0.3, 0.001], "n": 5}) == "−0.10 [−0.30, 0.00]"
        assert number.text({"value": -0.104, "ci": None}) == "−0.10"
        assert number.text(-0.001) == "0.00"
        assert [number.short(value) for value in (-0.12345, 1234.0, 3)] == ["−0.123", "1.23e+03", "3"]
        assert [number.text(nothing) for nothing in (None, math.nan, {"value": None})] == ["–"] * 3

    def test_round_trip(self) -> None:
        for figure in (Estimate(0.5, (0.4, 0.6), 20, "wilson"), undefined("one class", 3)):
            again = number.estimate_of(figure.to_dict())
            assert (again.n, again.note, again.method) == (figure.n, figure.note, figure.method)
            assert number.text(again) == number.text(figure)

    def test_cells(self) -> None:
        table = Table(("a", "b", "c"), (("x", 12345, math.nan), ("y", 0, -0.123456), ("z", 1, math.inf)))
        assert table.cells() == [["x", "12345", "–"], ["y", "0", "−0.1235"], ["z", "1", "∞"]]
        with pytest.raises(ValueError, match="a cell for each"):
            Table(("a",), ((1, 2),))


class TestRoc:
    def test_table_is_the_curve(self) -> None:
        scores, outcomes = chart_samples.scored(30)
        curve = curves.roc(scores, outcomes)
        assert curve is not None
        np.testing.assert_array_equal(
            np.array(charts.roc(scores, outcomes).table.rows), np.column_stack((curve.x, curve.y, curve.thresholds))
        )

    def test_states_area_and_operating_point(self) -> None:
        chart = charts.roc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], area=Estimate(0.75, (0.2, 1.0)), threshold=0.38)
        point = "at the threshold 0.38 sensitivity 0.50 and specificity 0.50"
        assert chart.alternative == f"ROC curve: AUC 0.75 [0.20, 1.00]; {point}; 2 of 4 positive."

    def test_a_measurement_keeps_its_sign_and_its_rule(self) -> None:
        found, outcomes = np.array([10.0, 13.0, 14.0, 20.0]), [1, 1, 0, 0]
        chart = charts.roc(
            -found, outcomes, threshold=-13.0, rule="rule: SAC ≤ 13 mm", descending=True, counts="2 of 4 films positive"
        )
        assert {cut for _, _, cut in chart.table.rows} <= {-np.inf, *found}
        assert "at the rule: SAC ≤ 13 mm sensitivity 1.00 and specificity 1.00" in chart.alternative
        assert chart.caption.startswith("2 of 4 films positive. ")

    def test_several_models(self) -> None:
        chart = sample("rocs")
        assert row(chart, "ResNet-101")[1:] == (0.8, pytest.approx(0.7), pytest.approx(0.9))
        assert row(chart, "clinical")[1] == 0.7

    def test_precision_table_holds_the_curve(self) -> None:
        scores, outcomes = chart_samples.scored(20)
        curve = curves.precision_recall(scores, outcomes)
        assert curve is not None
        rows = charts.precision_recall(scores, outcomes).table.rows
        np.testing.assert_array_equal([cells[:2] for cells in rows], np.column_stack((curve.x, curve.y)))

    def test_band_holds_the_curve_and_widens_with_fewer_patients(self) -> None:
        scores, outcomes = chart_samples.scored(200)
        band = charts.roc_band(scores, outcomes, resamples=300)
        clustered = charts.roc_band(scores, outcomes, [str(study // 10) for study in range(200)], resamples=300)
        curve = curves.roc(scores, outcomes)
        assert band is not None
        assert clustered is not None
        assert curve is not None
        inside = np.interp(band.x, curve.x, curve.y)[1:-1]
        assert ((band.low[1:-1] <= inside) & (inside <= band.high[1:-1])).mean() > 0.9
        assert "studies" in band.method
        assert "patients" in clustered.method
        assert (band.high - band.low).mean() > 0.05

    def test_a_resampled_curve_has_the_area_of_the_repeated_studies(self) -> None:
        from raspine.report.charts import roc_pr

        scores, outcomes = np.round(chart_samples.scored(40)[0], 1), chart_samples.scored(40)[1]
        weight = np.random.default_rng(0).integers(0, 4, 40)
        order = np.argsort(-scores, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(scores[order])), 39)
        x = np.linspace(0, 1, 20001)
        line = roc_pr._sensitivity(weight[order], outcomes[order].astype(bool), ends, x)
        repeated = auc.area(np.repeat(scores, weight), np.repeat(outcomes, weight)).value
        assert np.trapezoid(line, x) == pytest.approx(repeated, abs=1e-3)

    def test_no_band_of_one_class(self) -> None:
        assert charts.roc_band([0.1, 0.2], [1, 1]) is None


class TestRisks:
    def test_calibration_bins(self) -> None:
        risks = np.arange(100) / 100
        bins = charts.calibration_bins(risks, (risks > 0.5).astype(int), 4)
        np.testing.assert_allclose(bins["counts"], 25, atol=1)
        np.testing.assert_allclose(bins["mean_risk"], [0.12, 0.37, 0.62, 0.87], atol=0.02)
        low, high = intervals.wilson(0, int(bins["counts"][0])) or (0, 0)
        assert (bins["low"][0], bins["high"][0]) == (low, high)

    def test_calibration_table(self) -> None:
        bins = charts.calibration_bins(*chart_samples.scored(90), 8)
        keys = (bins["mean_risk"], bins["observed"], bins["low"], bins["high"], bins["counts"])
        columns = np.column_stack(keys)
        np.testing.assert_allclose(np.array(sample("calibration").table.rows), columns)
        assert "slope 0.84 [0.44, 1.24]" in sample("calibration").alternative

    def test_decision_curve_table(self) -> None:
        x = np.array([0.1, 0.3, 0.5])
        chart = charts.decision_curve(x, {"model": x / 2, "treat all": -x}, chosen=0.3)
        np.testing.assert_array_equal(np.array(chart.table.rows), np.column_stack((x, x / 2, -x)))
        assert chart.alternative == "Net benefit at the threshold 0.3: model 0.150, treat all −0.300, treat none 0."

    def test_risks_table_and_points(self) -> None:
        chart = charts.risks_by_outcome(
            [0.1, 0.3, 0.8], [0, 0, 1], studies=["S1", "S2", "S3"], patients=["P1", "P1", "P2"]
        )
        assert row(chart, "without the outcome")[1:] == (2, *map(pytest.approx, (0.2, 0.15, 0.25)))
        assert row(chart, "with the outcome")[1:3] == (1, 0.8)
        points = [use for use in tree(chart).iter(f"{SVG}use") if use.get("data-study")]
        assert {use.get("data-study"): use.get("data-patient") for use in points} == {
            "S1": "P1",
            "S2": "P1",
            "S3": "P2",
        }
        assert {said(use) for use in points} >= {"study S3, patient P2: risk 0.800, with the outcome"}

    def test_confusion_table(self) -> None:
        chart = sample("undecided")
        assert chart.table.rows == (("ADI > 3 mm", 1068, 11, 1), ("ADI ≤ 3 mm", 141, 1186, 22))
        assert "1068 true positive, 11 false negative, 141 false positive, 1186 true negative" in chart.alternative
        assert "23 without verdict" in chart.alternative


class TestFilms:
    def test_every_film_is_a_point_that_names_itself(self) -> None:
        given = chart_samples.films(30)
        for chart in (
            charts.agreement_scatter(**given),
            charts.bland_altman(**given, bias=0.1, lower=-1.0, upper=1.0),
        ):
            points = {use.get("data-film"): use for use in tree(chart).iter(f"{SVG}use") if use.get("data-film")}
            assert set(points) == set(given["films"]) - {"F00003"}
            assert points["F00007"].get("data-patient") == "P0001"
            assert said(points["F00007"]).startswith("film F00007, patient P0001, flexion: consensus ")

    def test_scatter_table(self) -> None:
        given = chart_samples.films(30)
        kept = np.isfinite(given["measured"])
        rows = charts.agreement_scatter(**given).table.rows
        assert [cells[0] for cells in rows] == [name for name, keep in zip(given["films"], kept, strict=True) if keep]
        np.testing.assert_array_equal([cells[3] for cells in rows], given["reference"][kept])
        np.testing.assert_array_equal([cells[4] for cells in rows], given["measured"][kept])

    def test_bland_altman_table(self) -> None:
        chart = sample("bland_altman")
        assert row(chart, "bias")[1:] == (0.1, 0.0, pytest.approx(0.2))
        assert row(chart, "upper limit")[1:] == (1.4, 1.25, pytest.approx(1.55))
        assert "399 films: bias 0.10 [0.00, 0.20] mm" in chart.alternative

    def test_limits_that_are_unknown_say_so(self) -> None:
        assert "lower limit unknown: limits need three films" in sample("two_films").alternative

    def test_many_groups_become_others(self) -> None:
        given = {**chart_samples.films(30), "groups": [f"view {film % 9}" for film in range(30)]}
        words = [element.text or "" for element in tree(charts.agreement_scatter(**given)).iter(f"{SVG}text")]
        assert sum("(n = " in word for word in words) == len(style.LOOKS)
        assert any(word.startswith("others") for word in words)

    def test_landmark_table(self) -> None:
        errors = chart_samples.errors()["dens_anterior"]
        found = errors[np.isfinite(errors)]
        expected = (found.size, 3, *np.quantile(found, (0.5, 0.25, 0.75)), found.mean(), 3 + (found > 10).sum())
        assert row(sample("landmark_errors"), "dens_anterior")[1:] == pytest.approx(expected)

    def test_landmark_table_is_the_evaluation(self) -> None:
        errors = {**chart_samples.errors(), "lost": np.full(4, math.nan)}
        keys = ("found", "not found", "median", "mean", "failed")
        chart = charts.error_by_landmark(errors)
        for landmark, values in errors.items():
            told = dict(zip(chart.table.header, row(chart, landmark), strict=True))
            # The evaluation has infinity for what was not found.
            scored = np.where(np.isnan(values), math.inf, values)
            figures = keypoints.localisation(scored, scored, keypoints.Limits())
            expected = [figures[key] for key in ("n_points", "n_not_found", "median_mm", "mre_mm", "failures_10mm")]
            expected[0] -= figures["n_not_found"]
            assert [told[key] for key in keys] == pytest.approx(expected, nan_ok=True)

    def test_shares_within(self) -> None:
        chart = charts.cumulative_error({"dens": [1.0, 2.0, 2.2, math.nan]}, marks=(2.0, 3.0))
        assert row(chart, "dens") == ("dens", 4, 0.5, 0.75)
        assert "0.50 within 2 mm, 0.75 within 3 mm" in chart.alternative


class TestGroups:
    def test_forest_table(self) -> None:
        rows = sample("group_errors").table.rows
        assert rows[1] == ("age", "60 and older", 1.3, pytest.approx(0.9), pytest.approx(1.7), 8, "")
        assert rows[3][:2] == ("view", "extension")
        assert np.isnan(float(rows[3][2]))
        assert rows[3][6] == "no film"

    def test_small_groups_are_flagged(self) -> None:
        texts = [element.text or "" for element in tree(sample("group_errors")).iter(f"{SVG}text")]
        assert {"8 *", "4 *", "3000"} <= set(texts)
        assert "fewer than 10" in sample("group_errors").caption
        assert "fewer" not in sample("ratios").caption


class TestCohort:
    def test_a_mark_says_what_is_few(self) -> None:
        rows = [ForestRow("women", 0.7, "sex", 40, few=True), ForestRow("men", 0.7, "sex", 4, few=False)]
        chart = charts.forest(rows, value_name="AUC", unit="patients", few_means="fewer than 10 with the outcome")
        assert [row.is_small(10) for row in rows] == [True, False]
        assert "* and an open dot: fewer than 10 with the outcome;" in chart.caption
        assert chart.table.header[5] == "patients"

    def test_flow_table(self) -> None:
        chart = charts.cohort_flow([FlowStep("found", 10, "", [("blurred", 3)]), FlowStep("kept", 7)])
        assert chart.table.rows == (("found", 10, ""), ("left out: blurred", 3, ""), ("kept", 7, ""))
        assert chart.caption == ""

    def test_flow_says_what_does_not_add_up(self) -> None:
        assert "303 less 97 is not 220" in sample("flow_paper_1").caption

    def test_ages(self) -> None:
        chart = charts.age_histogram([41, 45, 90, None], ["train", "train", "train", "test"], order=("train", "test"))
        assert chart.table.header[4:] == ("40–49", "50–59", "60–69", "70–79", "80–89", "90+")
        assert chart.table.rows[0] == ("train", 3, 0, pytest.approx(176 / 3), 2, 0, 0, 0, 0, 1)
        assert chart.table.rows[1][:3] == ("test", 0, 1)

    def test_a_median_between_two_ages_keeps_its_half(self) -> None:
        chart = charts.age_histogram([62, 63, 50, 50], ["test", "test", "train", "train"])
        assert "test median 62.5 years; train median 50 years" in chart.alternative

    def test_categories(self) -> None:
        chart = charts.category_bars(["F", "F", "M", ""], ["train", "test", "train", "train"], order=("train", "test"))
        assert chart.table.header == ("sex", "train", "test")
        assert chart.table.rows == (("F", 1, 1), ("M", 1, 0), ("unknown", 1, 0))

    def test_rare_categories_become_others(self) -> None:
        values = [f"maker {place}" for place in range(12) for _ in range(20 - place)]
        chart = charts.category_bars(values, ["train"] * len(values), what="scanner")
        assert len(chart.table.rows) == 9
        assert chart.table.rows[-1] == ("others", 12 + 11 + 10 + 9)


class TestRuns:
    def test_training_table(self) -> None:
        chart, history = sample("training"), chart_samples.history(11, "subluxation")
        assert chart.table.header == ("epoch", "loss", "val_mre_mm", "val_sdr_2mm", "val_pck")
        assert [cells[1] for cells in chart.table.rows] == [line["loss"] for line in history]
        assert np.isnan(float(chart.table.rows[0][2]))
        assert chart.table.rows[7][2] == history[7]["val_mre_mm"]
        assert "the best is epoch 8: Validation: mean radial error, mm 1.5" in chart.alternative

    def test_learning_curve_table(self) -> None:
        rows = sample("learning_curve").table.rows
        assert rows[0] == (20, 2, pytest.approx(0.65), 0.6, 0.7)
        assert rows[1] == (40, 1, 0.7, 0.7, 0.7)

    def test_fold_table(self) -> None:
        assert row(sample("folds"), "clinical variables") == (
            "clinical variables", 2, 0.7, 0.7, 0.7, 0.7, pytest.approx(0.6), pytest.approx(0.8),
        )  # fmt: skip

    def test_trust_table(self) -> None:
        rows = sample("trust").table.rows
        assert len(rows) == 20
        assert rows[1] == ("Grad-CAM", "repeatability across seeds", 0.92, "fail")


def test_swarm_keeps_to_its_reach() -> None:
    values = np.repeat([0.1, 0.5], (400, 3))
    moved = swarm.swarm(values, 0.3, 0.0, 1.0)
    assert np.abs(moved).max() <= 0.3
    assert len(set(moved[:400])) == 400
    assert sorted(swarm.swarm(np.array([0.5, 0.5, 0.5]), 0.4, 0, 1)) == pytest.approx([-0.1, 0, 0.1])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(10))
def test_small_and_constant_data_are_drawn(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 9))
    risks, outcomes = np.round(random.random(n), seed % 3), random.integers(0, 2, n)
    reference = np.round(random.normal(3, 2, n), seed % 2)
    measured = reference + seed % 3 * random.normal(0, 1, n)
    names = random.choice(["P1", ""], n).tolist()
    drawn = [
        charts.roc(risks, outcomes, area=math.nan, threshold=float(risks[0])),
        charts.precision_recall(risks, outcomes, threshold=2.0),
        charts.calibration(risks, outcomes, **charts.calibration_bins(risks, outcomes, 3)),
        charts.risks_by_outcome(risks, outcomes, threshold=-1.0),
        charts.agreement_scatter(reference, measured, threshold=3.0, deming=(math.nan, 1.0), patients=names),
        charts.bland_altman(reference, measured, bias=0.1, lower=None, upper=1.0, patients=names, groups=names),
        charts.error_by_landmark({"a": np.abs(reference - measured), "b": [math.nan], "c": [0.0]}),
        charts.cumulative_error({"a": np.abs(reference - measured), "b": []}),
        charts.forest(
            [ForestRow("a", float(reference[0])), ForestRow("b", {"value": 1, "ci": [1, 1]})], value_name="x"
        ),
        charts.age_histogram(list(np.abs(20 * reference)), names),
        charts.fold_dots({"a": list(reference)}, {"a": 9.0}),
        charts.learning_curve([10], [list(reference)]),
        charts.training_curves([{"epoch": 1, "loss": 1.0}], 7),
        charts.decision_curve([0.1], {"treat all": [-0.1]}, chosen=0.1),
    ]
    for chart in drawn:
        assert "nan" not in chart.alternative
        assert tree(chart).get("role") == "img"

"""The marks of the charts stand where their numbers say: each chart's figure is caught before it becomes SVG."""

from collections.abc import Iterable
from typing import Any

import chart_samples
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from sklearn import metrics

from raspine.evaluation import curves
from raspine.evaluation.estimate import Estimate
from raspine.report import charts
from raspine.report.charts import ForestRow, paired, style


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    caught: list[Any] = []
    finished = style.finished

    def catch(figure: Figure, *words: Any) -> charts.Chart:
        caught.append(figure)
        return finished(figure, *words)

    monkeypatch.setattr(style, "finished", catch)
    return caught


def only(found: Iterable[Any]) -> Any:
    (one,) = found
    return one


def drawn(axes: Any, *, colour: str | None = None, marker: str | None = None, gid: str | None = None) -> list[Any]:
    """The lines of a look; a marker of "" asks for none."""
    return [
        line
        for line in axes.lines
        if (colour is None or line.get_color() == colour)
        and (marker is None or str(line.get_marker()).replace("None", "") == marker)
        and (gid is None or line.get_gid() == gid)
    ]


def films(axes: Any) -> np.ndarray:
    """Where the films stand, [film, 2], sorted."""
    found = np.concatenate([line.get_xydata() for line in axes.lines if str(line.get_gid()).startswith("points")])
    return found[np.lexsort(found.T)]


def texts(axes: Any) -> dict[tuple[float, float], str]:
    return {
        (round(text.get_position()[0], 2), round(text.get_position()[1], 2)): text.get_text() for text in axes.texts
    }


def levels(axes: Any) -> list[float]:
    """Heights of the lines from side to side."""
    return sorted(line.get_ydata()[0] for line in axes.lines if list(line.get_xdata()) == [0, 1])


GIVEN = chart_samples.films(30)
KEPT = np.isfinite(GIVEN["measured"])
REFERENCE, MEASURED = GIVEN["reference"][KEPT], GIVEN["measured"][KEPT]


class TestFilms:
    def test_scatter(self, figures: list[Any]) -> None:
        charts.agreement_scatter(**GIVEN, threshold=2.0, deming=(0.9, 0.3))
        axes = only(figures[0].axes)
        expected = np.column_stack((REFERENCE, MEASURED))
        np.testing.assert_array_equal(films(axes), expected[np.lexsort(expected.T)])
        deming = only(drawn(axes, colour=style.BLACK)).get_xydata()
        np.testing.assert_allclose(deming[:, 1], 0.9 * deming[:, 0] + 0.3)
        fields = [path for tint in axes.collections for path in tint.get_paths()]
        for point, is_tinted in {(1.9, 2.1): 1, (2.1, 1.9): 1, (1.9, 1.9): 0, (2.1, 2.1): 0}.items():
            assert sum(field.contains_point(point) for field in fields) == is_tinted

    def test_every_group_has_its_films_and_its_look(self, figures: list[Any]) -> None:
        charts.agreement_scatter(**GIVEN)
        axes = only(figures[0].axes)
        groups = np.array(GIVEN["groups"])[KEPT]
        for row, group in enumerate(sorted(set(groups))):
            line = only(drawn(axes, gid=f"points{row}"))
            np.testing.assert_array_equal(line.get_xdata(), REFERENCE[groups == group])
            assert (line.get_color(), line.get_marker()) == (style.LOOKS[row].colour, style.LOOKS[row].marker)

    def test_the_rarest_groups_are_the_others(self) -> None:
        groups = [letter for place, letter in enumerate("gfedcba") for _ in range(place + 1)]
        numbers = np.arange(len(groups), dtype=float)
        found = paired.pairs(numbers, numbers, None, None, groups).by_group()
        assert {group: some.size for group, some, _ in found} == {"a": 7, "b": 6, "c": 5, "d": 4, "others": 6}

    def test_bland_altman(self, figures: list[Any]) -> None:
        charts.bland_altman(
            **GIVEN, bias=Estimate(0.1, (0.05, 0.2)), lower=-1.2, upper=Estimate(1.4, (1.1, 1.8)), margin=1.5
        )
        axes = only(figures[0].axes)
        expected = np.column_stack(((REFERENCE + MEASURED) / 2, MEASURED - REFERENCE))
        np.testing.assert_array_equal(films(axes), expected[np.lexsort(expected.T)])
        assert levels(axes) == [-1.5, -1.2, 0, 0.1, 1.4, 1.5]
        assert sorted(tuple(band.intervaly.round(9)) for band in _spans(axes)) == [(0.05, 0.2), (1.1, 1.8)]
        assert {text for text in texts(axes).values()} == {
            "upper limit\n1.40\n[1.10, 1.80]", "bias\n0.10\n[0.05, 0.20]", "lower limit\n−1.20",
        }  # fmt: skip

    def test_a_line_joins_the_films_of_one_patient(self, figures: list[Any]) -> None:
        patients = ["P1", "P2", "P1", "P3", "P2", "", "", "P1"]
        measured = np.arange(8.0)
        chart = charts.bland_altman(np.zeros(8), measured, bias=None, lower=None, upper=None, patients=patients)
        joined = only(drawn(only(figures[0].axes), colour=style.FAINT)).get_ydata()
        np.testing.assert_array_equal(joined, [0, 2, 7, np.nan, 1, 4])
        assert "films of one patient (2 with several)" in chart.svg


def _spans(axes: Any) -> list[Any]:
    """The boxes, in the data's own unit, of the bands from side to side."""
    return [patch.get_bbox() for patch in axes.patches if to_hex(patch.get_facecolor()) == style.SKY.lower()]


class TestScores:
    def test_roc(self, figures: list[Any]) -> None:
        scores, outcomes = chart_samples.scored(30)
        band = charts.Band(np.array([0, 0.5, 1]), np.array([0, 0.2, 0.9]), np.array([0.3, 0.6, 1]), "made up")
        charts.roc(scores, outcomes, threshold=0.45, band=band)
        axes, curve = only(figures[0].axes), curves.roc(scores, outcomes)
        assert curve is not None
        np.testing.assert_array_equal(
            only(drawn(axes, colour=style.BLUE)).get_xydata(), np.column_stack((curve.x, curve.y))
        )
        called, positive = scores >= 0.45, outcomes == 1
        mark = only(drawn(axes, marker="D")).get_xydata()
        np.testing.assert_allclose(mark, [[called[~positive].mean(), called[positive].mean()]])
        shade = only(only(axes.collections).get_paths())
        assert [shade.contains_point((0.5, height)) for height in (0.19, 0.21, 0.59, 0.61)] == [0, 1, 1, 0]

    def test_several_models(self, figures: list[Any]) -> None:
        models = {name: (*chart_samples.scored(20, seed), None) for seed, name in enumerate("ab")}
        charts.rocs(models)
        for look, (scores, outcomes, _) in zip(style.LOOKS, models.values(), strict=False):
            line, curve = only(drawn(only(figures[0].axes), colour=look.colour)), curves.roc(scores, outcomes)
            assert curve is not None
            np.testing.assert_array_equal(line.get_xydata(), np.column_stack((curve.x, curve.y)))
            assert line.get_linestyle() == look.line

    def test_the_area_under_precision_is_its_average(self, figures: list[Any]) -> None:
        scores, outcomes = np.round(chart_samples.scored(40)[0], 1), chart_samples.scored(40)[1]
        charts.precision_recall(scores, outcomes, threshold=0.5)
        axes = only(figures[0].axes)
        line = only(drawn(axes, colour=style.BLUE))
        area = (np.diff(line.get_xdata()) * line.get_ydata()[1:]).sum()
        assert line.get_drawstyle() == "steps-pre"
        assert area == pytest.approx(metrics.average_precision_score(outcomes, scores))
        assert levels(axes) == [outcomes.mean()]
        called = scores >= 0.5
        expected = [[metrics.recall_score(outcomes, called), metrics.precision_score(outcomes, called)]]
        np.testing.assert_allclose(only(drawn(axes, marker="D")).get_xydata(), expected)

    def test_calibration(self, figures: list[Any]) -> None:
        risks, outcomes = chart_samples.scored(60)
        bins = charts.calibration_bins(risks, outcomes, 5)
        chart = charts.calibration(risks, outcomes, **bins)
        above, below = figures[0].axes
        dots = only(drawn(above, marker="o")).get_xydata()
        np.testing.assert_array_equal(dots, np.column_stack((bins["mean_risk"], bins["observed"])))
        lines = np.array([path.vertices for path in only(above.collections).get_paths()])
        np.testing.assert_array_equal(lines[:, :, 1], np.column_stack((bins["low"], bins["high"])))
        for colour, value, sign in ((style.VERMILLION, 1, 1), (style.SKY, 0, -1)):
            bars = [bar for bar in below.patches if to_hex(bar.get_facecolor()) == colour.lower()]
            counts = np.histogram(risks[outcomes == value], 25, (0, 1))[0]
            np.testing.assert_array_equal([bar.get_height() for bar in bars], sign * counts)
            np.testing.assert_allclose([bar.get_x() for bar in bars], np.arange(25) / 25)
        assert f"observed share: {risks.mean() - outcomes.mean():.3f}." in chart.caption.replace("−", "-")

    def test_decision_curve(self, figures: list[Any]) -> None:
        x = np.array([0.1, 0.2, 0.3])
        charts.decision_curve(x, {"a": 0.3 - x, "b": 0.2 - x, "treat all": 0.1 - x}, chosen=0.25)
        axes = only(figures[0].axes)
        for place, colour in enumerate((style.LOOKS[0].colour, style.LOOKS[1].colour, style.RULE)):
            expected = np.column_stack((x, 0.3 - 0.1 * place - x))
            np.testing.assert_allclose(only(drawn(axes, colour=colour)).get_xydata(), expected, atol=1e-12)
        assert levels(axes) == [0]
        assert [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]] == [0.25]

    def test_risks(self, figures: list[Any]) -> None:
        risks, outcomes = chart_samples.scored(30)
        charts.risks_by_outcome(risks, outcomes, threshold=0.45)
        axes = only(figures[0].axes)
        for value, medians in enumerate(axes.collections):
            points = only(drawn(axes, gid=f"points{value}"))
            np.testing.assert_array_equal(points.get_xdata(), risks[outcomes == value])
            assert np.abs(points.get_ydata() - value).max() <= 0.27
            median = np.median(risks[outcomes == value])
            np.testing.assert_allclose(only(medians.get_segments()), [[median, value - 0.3], [median, value + 0.3]])
        assert only(line for line in axes.lines if list(line.get_ydata()) == [0, 1]).get_xdata()[0] == 0.45

    def test_confusion_matrix(self, figures: list[Any]) -> None:
        charts.confusion_matrix(1, 2, 4, 8, undecided=(1, 2), positive="yes", negative="no")
        axes = only(figures[0].axes)
        said = texts(axes)
        counts = {(column, row): said[column + 0.5, row + 0.43] for column in range(3) for row in range(2)}
        assert counts == {(0, 0): "1", (1, 0): "2", (2, 0): "1", (0, 1): "4", (1, 1): "8", (2, 1): "2"}
        assert said[1.5, 0.76] == "50 %"
        assert said[0.5, 1.76] == "29 %"
        assert [said[column + 0.5, -0.08] for column in range(3)] == ["model:\nyes", "model:\nno", "model:\nno verdict"]
        assert [said[-0.04, row + 0.5] for row in range(2)] == ["consensus:\nyes\nn = 4", "consensus:\nno\nn = 14"]
        looks = {
            (int(box.get_x()), int(box.get_y())): (to_hex(box.get_facecolor()), box.get_hatch()) for box in axes.patches
        }
        right, wrong, neither = (style.RIGHT, None), (style.WRONG, "///"), (style.OPEN, None)
        assert looks == {
            (0, 0): right, (1, 0): wrong, (2, 0): neither, (0, 1): wrong, (1, 1): right, (2, 1): neither,
        }  # fmt: skip


class TestBand:
    def test_is_the_percentiles_of_resampled_patients(self) -> None:
        """Against scikit-learn's curves of weighted studies."""
        scores, outcomes = np.round(chart_samples.scored(40)[0], 1), chart_samples.scored(40)[1]
        patients = [f"P{study // 3}" for study in range(40)]
        band = charts.roc_band(scores, outcomes, patients, resamples=50, seed=3)
        assert band is not None
        names, place = np.unique(patients, return_inverse=True)
        drawn = np.random.default_rng(3).multinomial(names.size, np.full(names.size, 1 / names.size), 50)
        lines = []
        for weights in drawn[:, place]:
            x, y, _ = metrics.roc_curve(outcomes, scores, sample_weight=weights, drop_intermediate=False)
            lines.append(np.interp(band.x, x, y))
        low, high = np.percentile(lines, (2.5, 97.5), axis=0)
        np.testing.assert_allclose(band.low, low, atol=1e-12)
        np.testing.assert_allclose(band.high, high, atol=1e-12)

    def test_copies_of_a_study_narrow_only_what_does_not_know_the_patient(self) -> None:
        scores, outcomes = (np.repeat(values, 6) for values in chart_samples.scored(40))
        bands = [charts.roc_band(scores, outcomes, names) for names in (None, [f"P{row // 6}" for row in range(240)])]
        apart, clustered = (float((band.high - band.low).mean()) for band in bands if band is not None)
        assert clustered > 1.7 * apart


class TestErrors:
    def test_by_landmark(self, figures: list[Any]) -> None:
        errors = {"dens": np.array([1.0, 2, 4, 8, np.nan]), "arch": np.array([0.5, 0.6, 20])}
        charts.error_by_landmark(errors, failure=9.0)
        axes = only(figures[0].axes)
        clouds, bars, middles = drawn(axes, marker="o"), drawn(axes, colour=style.INK)[:2], drawn(axes, marker="|")
        for row, values in enumerate(errors.values()):
            found = values[np.isfinite(values)]
            np.testing.assert_array_equal(clouds[row].get_xdata(), found)
            np.testing.assert_allclose(bars[row].get_xdata(), np.quantile(found, (0.25, 0.75)))
            assert only(middles[row].get_xdata()) == np.median(found)
            assert [round(float(line.get_ydata()[0])) for line in (clouds[row], bars[row], middles[row])] == [row] * 3
        assert drawn(axes, colour=style.INK)[2].get_xdata()[0] == 9

    def test_points_not_found_are_never_within(self, figures: list[Any]) -> None:
        charts.cumulative_error({"dens": [1.0, 2.0, 2.2, np.nan], "arch": [1.0]}, marks=(2.0, 3.0))
        axes = only(figures[0].axes)
        line = drawn(axes, colour=style.LOOKS[0].colour, marker="")[0]
        np.testing.assert_allclose(line.get_xydata(), [(0, 0), (1, 0.25), (2, 0.5), (2.2, 0.75), (5, 0.75)])
        assert line.get_drawstyle() == "steps-post"
        np.testing.assert_allclose(only(drawn(axes, marker="o")).get_xydata(), [(2, 0.5), (3, 0.75)])


class TestGroups:
    def test_forest(self, figures: list[Any]) -> None:
        rows = [
            ForestRow("under 40", Estimate(1.0, (0.5, 1.5), 40), "age"),
            ForestRow("older", Estimate(3.0, n=4), "age"),
        ]
        charts.forest(rows, value_name="error", reference=Estimate(1.2, (1.1, 1.4)))
        axes = only(figures[0].axes)
        heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
        dots = drawn(axes, marker="o")
        expected = [(1.0, heights["under 40"]), (3.0, heights["older"])]
        np.testing.assert_allclose([only(dot.get_xydata()) for dot in dots], expected)
        assert [dot.get_markerfacecolor() for dot in dots] == [style.BLUE, style.GROUND]
        interval = only(drawn(axes, colour=style.BLUE, marker=""))
        np.testing.assert_allclose(interval.get_xydata(), [(0.5, heights["under 40"]), (1.5, heights["under 40"])])
        assert only(drawn(axes, colour=style.RULE)).get_xdata()[0] == 1.2
        assert tuple(only(_spans(axes)).intervalx) == pytest.approx((1.1, 1.4))
        assert heights["40"] == heights["1.00 [0.50, 1.50]"] == heights["under 40"]
        assert heights["4 *"] == heights["older"]

    def test_ages(self, figures: list[Any]) -> None:
        charts.age_histogram(
            [41, 45, 52, None, 63], ["train", "train", "train", "train", "test"], order=("train", "test")
        )
        for axes, shares in zip(figures[0].axes, ([200 / 3, 100 / 3, 0], [0, 0, 100]), strict=True):
            np.testing.assert_allclose([bar.get_height() for bar in axes.patches], shares)
            assert [bar.get_x() for bar in axes.patches] == [40, 50, 60]
            assert axes.get_ylim()[1] == pytest.approx(108)

    def test_categories(self, figures: list[Any]) -> None:
        charts.category_bars(["F", "F", "M", ""], ["train", "test", "train", "train"], order=("train", "test"))
        axes = only(figures[0].axes)
        widths = [1 / 3, 1, 1 / 3, 0, 1 / 3, 0]
        np.testing.assert_allclose([bar.get_width() for bar in axes.patches], widths)
        told = [text for text in texts(axes).values() if "%" in text]
        assert told == [
            "33 % (1 of 3)",
            "100 % (1 of 1)",
            "33 % (1 of 3)",
            "0 % (0 of 1)",
            "33 % (1 of 3)",
            "0 % (0 of 1)",
        ]

    def test_trust(self, figures: list[Any]) -> None:
        verdicts = [["pass", "fail", "unknown"], ["fail", "fail", "pass"]]
        charts.trust_strip(["A", "B"], ["x", "y", "z"], [[0.1, 0.2, np.nan], [0.4, 0.5, 0.06]], verdicts)
        axes = only(figures[0].axes)
        said = texts(axes)
        fields = {(int(box.get_x()), int(box.get_y())): box for box in axes.patches}
        looks = {"pass": (style.RIGHT, ""), "fail": (style.WRONG, "///"), "unknown": (style.OPEN, "")}
        for column, row in fields:
            verdict, field = verdicts[column][row], fields[column, row]
            assert said[column + 0.5, row + 0.71] == verdict
            assert (to_hex(field.get_facecolor()), field.get_hatch() or "") == looks[verdict]
        assert [said[column + 0.5, row + 0.34] for row in range(3) for column in range(2)] == [
            "0.10", "0.40", "0.20", "0.50", "–", "0.060",
        ]  # fmt: skip


class TestRuns:
    def test_training(self, figures: list[Any]) -> None:
        history = chart_samples.history(6, "deformity")
        charts.training_curves(history, 4)
        losses, area = figures[0].axes
        for axes, key, look in ((losses, "loss", 0), (losses, "val_loss", 1), (area, "val_auc", 1)):
            line = only(drawn(axes, colour=style.LOOKS[look].colour, marker=style.LOOKS[look].marker))
            np.testing.assert_array_equal(line.get_xydata(), [(row["epoch"], row[key]) for row in history])
        for axes in (losses, area):
            assert only(line for line in axes.lines if list(line.get_ydata()) == [0, 1]).get_xdata()[0] == 4
        assert [only(ring.get_xydata())[1] for ring in losses.lines if ring.get_markerfacecolor() == "none"] == [
            history[3]["loss"], history[3]["val_loss"],
        ]  # fmt: skip

    def test_learning_curve(self, figures: list[Any]) -> None:
        charts.learning_curve([20, 40], [[0.6, 0.7], [0.8, np.nan]])
        axes = only(figures[0].axes)
        np.testing.assert_allclose(only(drawn(axes, marker="o")).get_xydata(), [(20, 0.6), (20, 0.7), (40, 0.8)])
        np.testing.assert_allclose(only(drawn(axes, marker="D")).get_xydata(), [(20, 0.65), (40, 0.8)])

    def test_folds(self, figures: list[Any]) -> None:
        charts.fold_dots({"a": [0.6, 0.7, np.nan], "b": [0.9]}, {"b": Estimate(0.8, (0.75, 0.95))})
        axes = only(figures[0].axes)
        first, second = drawn(axes, marker="o")
        assert list(first.get_xdata()) == [0.6, 0.7]
        np.testing.assert_allclose(second.get_xydata(), [(0.9, 1.12)])
        np.testing.assert_allclose(only(drawn(axes, marker="D")).get_xydata(), [(0.8, 1.34)])
        np.testing.assert_allclose(only(drawn(axes, colour=style.BLACK, marker="")).get_xdata(), (0.75, 0.95))


def _pixels(axes: Any) -> np.ndarray:
    """From the left, from below, width, height, in CSS pixels."""
    return np.array(axes.get_window_extent().bounds) * 72 / axes.figure.dpi


class TestFrames:
    def test_a_panel_stands_so_far_from_the_left_and_the_top(self) -> None:
        figure = style.figure(200, 300)
        panel = style.panel(figure, 30, 20, 150, 100)
        np.testing.assert_allclose(_pixels(panel), (30, 80, 150, 100))
        style.extend(figure, 60)
        np.testing.assert_allclose(figure.get_size_inches() * 72, (300, 260))
        np.testing.assert_allclose(_pixels(panel), (30, 140, 150, 100))

    def test_logarithmic_ticks_say_where_they_are(self) -> None:
        axes = style.panel(style.figure(100), 0, 0, 100, 50)
        style.logarithmic(axes, 0.15, 30, 8)
        assert list(axes.get_xticks()) == pytest.approx([0.2, 0.5, 1, 2, 5, 10, 20])
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0.2", "0.5", "1", "2", "5", "10", "20"]
        style.logarithmic(axes, 0.01, 300, 8)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0.01", "0.1", "1", "10", "100"]

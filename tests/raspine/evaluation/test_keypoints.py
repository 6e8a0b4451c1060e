import dataclasses
import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from raspine import landmarks, measurement
from raspine.evaluation import keypoints
from raspine.evaluation.keypoints import Films, Limits
from raspine.landmarks import ATLANTOAXIAL

NAN = math.nan
ROW = np.array([[100.0, 50.0], [104.0, 50.0], [144.0, 50.0], [184.0, 50.0]])


def films(truth: list, found: list, spacing: list, **more: object) -> Films:
    count = len(truth)
    values: dict = {
        "names": tuple(f"F{number}" for number in range(count)),
        "patients": tuple(f"P{number}" for number in range(count)),
        "positions": ("neutral",) * count,
        "truth": np.array(truth, float),
        "found": np.array(found, float),
        "confidence": np.full((count, len(truth[0])), 0.5),
        "spacing": np.array(spacing, float),
        "size": np.full((count, 2), 200.0),
        **more,
    }
    return Films(**values)


def test_radial_errors_are_native_millimetres() -> None:
    # 3 columns of 0.5 mm and 4 rows of 0.25 mm: hypot(1.5, 1).
    errors = keypoints.radial_errors([[[10, 10]]], [[[13, 14]]], [[0.25, 0.5]])
    assert errors.tolist() == [[math.hypot(1.5, 1.0)]]


def test_unlabelled_is_nan_and_unfound_is_infinite() -> None:
    truth = [[[0, 0], [NAN, NAN], [0, 0]], [[0, 0], [0, 0], [NAN, NAN]]]
    found = [[[3, 4], [1, 1], [NAN, NAN]], [[3, 4], [NAN, NAN], [NAN, NAN]]]
    errors = keypoints.radial_errors(truth, found, [[1, 1], [NAN, NAN]])
    np.testing.assert_array_equal(errors, [[5, NAN, math.inf], [NAN, NAN, NAN]])


def test_localisation_by_hand() -> None:
    errors = [[1.0, 2.0, 2.5], [3.0, 4.0, 10.0], [10.5, math.inf, NAN]]
    shares = [[0.01, 0.05, 0.049], [0.2, 0.2, 0.2], [0.2, math.inf, NAN]]
    result = keypoints.localisation(errors, shares, Limits(0.05, 2.0))
    there = [1, 2, 2.5, 3, 4, 10, 10.5]
    assert result["n_points"] == 8
    assert result["n_not_found"] == 1
    assert result["mre_mm"] == pytest.approx(sum(there) / 7)
    assert result["mre_sd_mm"] == pytest.approx(np.std(there, ddof=1))
    assert result["median_mm"] == 3.0
    # Limits of SDR are included, those of PCK are not; 10 mm is no failure; a point not found is.
    assert [result[f"sdr_{limit}mm"] for limit in ("2", "2_5", "3", "4")] == [2 / 8, 3 / 8, 4 / 8, 5 / 8]
    assert result["failures_10mm"] == 2
    assert result["pck"] == 2 / 8
    assert result["pck_mm"] == 1 / 8


def test_nothing_scorable_gives_nan_and_no_warning() -> None:
    result = keypoints.localisation([[NAN]], [[NAN]], Limits())
    assert result["n_points"] == result["failures_10mm"] == 0
    assert all(math.isnan(result[key]) for key in ("mre_mm", "mre_sd_mm", "sdr_2mm", "pck"))


def test_pck_is_a_share_of_the_longer_side_in_mm() -> None:
    # 200 rows of 0.5 mm are 100 mm, 200 columns of 0.25 mm are 50 mm: 5 % is 5 mm, ten rows or twenty columns.
    truth = np.tile(ROW[:2], (4, 1, 1))
    found = truth + np.array([[0, 10], [0, 9.9], [20, 0], [19.9, 0]])[:, None]
    result = films(truth, found, [[0.5, 0.25]] * 4)
    assert (result.errors_by_side < 0.05).tolist() == [[False] * 2, [True] * 2, [False] * 2, [True] * 2]
    # Without spacing pixels count as square: 5 % of 200 pixels are ten, in both directions.
    result = films(truth, found, [[NAN, NAN]] * 4)
    assert (result.errors_by_side < 0.05).tolist() == [[False] * 2, [True] * 2, [False] * 2, [False] * 2]
    assert np.isnan(result.errors_mm).all()


def test_verdicts_follow_the_rule_of_measurement() -> None:
    values = [1.0, 3.0, 3.1, NAN]
    others = [12.0, 13.0, 13.1, NAN]
    pairs = [(adi, sac) for adi in values for sac in others]
    millimetres = {"adi": np.array([a for a, _ in pairs]), "sac": np.array([s for _, s in pairs])}
    found = [keypoints.VERDICTS[int(code)] for code in keypoints.verdicts(ATLANTOAXIAL, millimetres)]
    expected = [measurement.verdict(ATLANTOAXIAL, {"adi": adi, "sac": sac}) for adi, sac in pairs]
    assert found == expected
    assert set(found) == {"positive", "negative", "none"}


def test_deviation_is_signed_and_leaves_out_what_was_not_measured() -> None:
    result = keypoints.deviation(np.array([3.0, 3.0, 3.0, NAN]), np.array([4.0, 2.5, NAN, 7.0]))
    assert result == {
        "n": 3,
        "n_not_measured": 1,
        "bias_mm": 0.25,
        "sd_mm": pytest.approx(np.std([1, -0.5], ddof=1)),
        "mae_mm": 0.75,
    }


def test_a_film_without_verdict_counts_as_wrong() -> None:
    truth = np.array([1, 1, 1, 0, 0, 0, 0, -1], np.int8)
    found = np.array([1, 0, -1, 0, 0, 1, -1, 1], np.int8)
    result = keypoints.diagnosis(truth, found)
    assert result["sensitivity"] == 1 / 3
    assert result["specificity"] == 2 / 4
    assert result["confusion"] == {
        "true_positive": 1,
        "false_negative": 1,
        "true_negative": 2,
        "false_positive": 1,
        "positive_without_verdict": 1,
        "negative_without_verdict": 1,
    }


def shifted(adi: float, sac: float) -> NDArray[np.float64]:
    """Four points on a row, ADI and SAC in pixels of 1 mm."""
    return np.stack([np.cumsum([10.0, adi, 30.0, sac]), np.full(4, 50.0)], -1)


def test_a_patient_has_the_largest_adi_and_the_smallest_sac() -> None:
    truth = [shifted(2, 20), shifted(4, 15), shifted(1, 14), shifted(2, 12), shifted(9, 9)]
    found = [shifted(2.5, 19), shifted(2.9, 16), shifted(1, 13.5), shifted(2, 13.5), shifted(9, 9)]
    truth[4] = np.full((4, 2), NAN)  # a film without labels does not count, whatever was found
    data = films(
        truth,
        found,
        [[1, 1]] * 5,
        patients=("B", "B", "A", "A", "A"),
        positions=("neutral", "flexion", "neutral", "flexion", ""),
    )
    result = keypoints.by_patient(data, ATLANTOAXIAL)
    first, second = result["patients"]
    assert (first["patient"], first["films"], second["patient"], second["films"]) == ("A", 3, "B", 2)
    values = [
        [row[key] for key in ("adi_true_mm", "adi_predicted_mm", "sac_true_mm", "sac_predicted_mm")]
        for row in (first, second)
    ]
    np.testing.assert_allclose(values, [[2, 2, 12, 13.5], [4, 2.9, 15, 16]])
    assert [row["verdict_true"] for row in (first, second)] == ["positive", "positive"]
    assert [row["verdict_predicted"] for row in (first, second)] == ["negative", "negative"]
    assert result["n"] == 2
    assert result["adi_mae_mm"] == pytest.approx((0 + 1.1) / 2)
    assert result["sac_mae_mm"] == pytest.approx((1.5 + 1) / 2)
    assert (result["adi_sensitivity"], result["adi_specificity"]) == (0.0, 1.0)
    assert math.isnan(result["verdict_specificity"])


def test_a_patient_with_a_film_not_measured_is_not_called_negative() -> None:
    truth = [shifted(2, 20), shifted(2, 20)]
    found = [shifted(2, 20), np.full((4, 2), NAN)]
    result = keypoints.by_patient(films(truth, found, [[1, 1]] * 2, patients=("A", "A")), ATLANTOAXIAL)
    assert result["patients"][0]["verdict_predicted"] == "none"
    assert result["verdict_confusion"]["negative_without_verdict"] == 1


def test_summary_by_hand() -> None:
    truth = np.stack([ROW, ROW, ROW])
    found = np.add(truth, [[[0, 3.0]], [[0, 30.0]], [[0, 0.0]]])
    found[1, 0] = NAN
    data = films(truth, found, [[0.5, 0.5], [0.5, 0.5], [NAN, NAN]], positions=("neutral", "flexion", "neutral"))
    result = keypoints.summary(data, ATLANTOAXIAL, Limits())
    assert (result["n"], result["n_without_spacing"], result["n_points"], result["n_not_found"]) == (3, 1, 8, 1)
    assert result["mre_mm"] == pytest.approx((4 * 1.5 + 3 * 15) / 7)
    assert result["sdr_2mm"] == 4 / 8
    assert result["failures_10mm"] == 4
    assert result["by_landmark"]["anterior_arch_posterior"]["mre_mm"] == 1.5
    assert result["by_landmark"]["dens_anterior"]["mre_mm"] == pytest.approx((1.5 + 15) / 2)
    assert result["by_position"]["flexion"]["n_not_found"] == 1
    assert result["by_position"]["neutral"]["n"] == 2
    # ADI is 2 mm and SAC 20 mm throughout: negative; the film with a missing point has no ADI, so no verdict.
    assert result["adi_n_not_measured"] == 1
    assert (result["adi_specificity"], result["sac_specificity"], result["verdict_specificity"]) == (0.5, 1.0, 0.5)
    assert math.isnan(result["adi_sensitivity"])
    assert result["annotators"]["names"] == []
    plain = keypoints.as_json(result)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["adi_sensitivity"] is None


def test_annotators_are_compared_on_what_both_saw() -> None:
    truth = np.stack([ROW, ROW])
    ann, bob = np.add(truth, [0, 1.0]), np.add(truth, [0, -1.0])
    bob[1, 2] = NAN
    data = films(truth, np.add(truth, [0, 2.0]), [[1, 1], [1, 1]])
    result = keypoints.between_annotators(data, ATLANTOAXIAL, Limits(), {"bob": bob, "ann": ann})
    assert result["names"] == ["ann", "bob"]
    (pair,) = result["between"]
    assert (pair["first"], pair["second"], pair["n_points"], pair["mre_mm"]) == ("ann", "bob", 7, 2.0)
    assert pair["n_not_found"] == 0
    assert result["model_against"]["ann"]["mre_mm"] == 1.0
    assert result["model_against"]["bob"]["n_points"] == 7
    assert result["model_against"]["bob"]["mre_mm"] == 3.0
    assert result["against_truth"]["bob"]["mre_mm"] == 1.0


def test_rows_say_every_landmark_and_distance() -> None:
    found = np.add(ROW, [0, 3.0])
    found[1] = NAN
    rows = keypoints.rows(films([ROW], [found], [[0.5, 0.25]]), ATLANTOAXIAL)
    assert [row["landmark"] for row in rows] == [*ATLANTOAXIAL.landmarks, "adi", "sac"]
    assert [row["error_mm"] for row in rows] == [1.5, None, 1.5, 1.5, None, 0.0]
    assert (rows[0]["true_y"], rows[0]["predicted_y"], rows[1]["predicted_y"]) == (50.0, 53.0, None)
    assert (rows[5]["true_mm"], rows[5]["predicted_mm"], rows[5]["true_verdict"]) == (10.0, 10.0, "positive")
    assert (rows[4]["true_mm"], rows[4]["predicted_mm"], rows[4]["predicted_verdict"]) == (1.0, None, "none")
    assert all(set(row) <= set(keypoints.ROW_FIELDS) for row in rows)
    assert keypoints.rows(films([ROW], [found], [[NAN, NAN]]), ATLANTOAXIAL)[0]["error_mm"] is None


def test_a_schema_without_distances_has_points_only() -> None:
    schema = landmarks.Schema("two", ("a", "b"))
    data = films([ROW[:2]], [ROW[:2]], [[1, 1]])
    result = keypoints.summary(data, schema, Limits())
    assert result["mre_mm"] == 0
    assert not [key for key in result if "verdict" in key or "adi" in key]
    assert len(keypoints.rows(data, schema)) == 2


def test_wrong_shapes_and_limits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'spacing' has shape \(1, 2\)"):
        films([ROW], [ROW], [0.5, 0.5])
    for limits in ({"pck": 0}, {"pck": 5.0}, {"pck_mm": -1.0}):
        with pytest.raises(ValueError, match="PCK"):
            dataclasses.replace(Limits(), **limits)

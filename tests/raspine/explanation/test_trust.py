import json
from typing import Any, Literal

import pytest

from raspine.evaluation.estimate import UNDEFINED, Estimate, Interval, undefined
from raspine.explanation import trust


def _one(interval: Interval, side: Literal["above", "below"] = "above", bound: float = 0.5, n: int = 20) -> Any:
    note = "" if interval != UNDEFINED else "no interval: one patient."
    return trust.Comparison(Estimate(0.6, interval, n, "bootstrap", note), side, bound, "the limit")


@pytest.mark.parametrize(
    ("comparison", "passed"),
    [
        (_one((0.51, 0.7)), True),
        (_one((0.5, 0.7)), False),
        (_one((0.4, 0.7)), False),
        (_one((0.4, 0.7), "below", 0.8), True),
        (_one((0.4, 0.9), "below", 0.8), False),
        (_one((0.51, 0.7), n=trust.MIN_PATIENTS - 1), None),
        (_one((0.51, 0.7), n=trust.MIN_PATIENTS), True),
        (_one(UNDEFINED), None),
        (trust.Comparison(undefined("no study has a value."), "above", 1.0, "chance"), None),
    ],
)
def test_a_comparison_passes_when_its_whole_interval_is_on_the_right_side(
    comparison: trust.Comparison, passed: bool | None
) -> None:
    assert comparison.passed is passed
    plain = comparison.to_dict()
    assert plain["passed"] is passed
    assert passed is not None or plain["note"]


GOOD, BAD, UNKNOWN = _one((0.6, 0.7)), _one((0.3, 0.7)), _one((0.6, 0.7), n=3)


def _checks(**other: trust.Comparison) -> list[trust.Check]:
    return [trust.Check(name, (GOOD, other.get(name, GOOD))) for name in trust.NAMES]


def test_the_verdict_needs_every_check() -> None:
    assert trust.verdict(_checks()) == "supported"
    assert trust.verdict(_checks(auprc=BAD)) == "not supported"
    assert trust.verdict(_checks(auprc=UNKNOWN)) == "not enough data"
    assert trust.verdict(_checks(auprc=BAD, deletion=UNKNOWN)) == "not supported"
    assert trust.verdict(_checks()[:-1]) == "not enough data"
    assert trust.verdict([]) == "not enough data"
    left_out = [*_checks()[:2], *(trust.not_made(name, "there are no masks.") for name in trust.NAMES[2:])]
    assert trust.verdict(left_out) == "not enough data"


def test_the_sentence_names_the_figure_that_decides() -> None:
    sentence = trust.rests_on(_checks(auprc=BAD, insertion=UNKNOWN))
    assert sentence.startswith("Fails auprc (0.6 [0.3, 0.7] against the limit, 20 patients); passes randomisation (")
    assert "not judged insertion (0.6 [0.6, 0.7] against the limit, 3 patients)." in sentence
    assert "auprc (there are no masks)" in trust.rests_on([trust.not_made("auprc", "there are no masks.")])
    assert trust.rests_on([]) == "No check was made."


def test_an_entry_is_plain_json_and_rows_have_all_fields() -> None:
    checks = [*_checks(deletion=BAD)[:-1], trust.not_made("insertion", "not asked for.")]
    entry = json.loads(json.dumps(trust.entry(checks), allow_nan=False))
    assert set(entry) == {*trust.NAMES, "verdict", "rests_on"}
    assert entry["deletion"]["passed"] is False
    assert entry["deletion"]["also"][0]["ci"] == [0.3, 0.7]
    assert {key: entry["insertion"][key] for key in ("value", "ci", "passed", "note")} == {
        "value": None,
        "ci": None,
        "passed": None,
        "note": "not asked for.",
    }
    rows = list(trust.rows("gradcam", checks))
    assert len(rows) == 2 * 5 + 1
    assert all(set(row) == set(trust.FIELDS) for row in rows)
    assert [row["passed"] for row in rows[-3:]] == ["yes", "no", ""]
    assert {row["verdict"] for row in rows} == {"not supported"}


def test_few_patients_are_said() -> None:
    assert "fewer than 10 patients (3): not judged." in UNKNOWN.to_dict()["note"]

import json
import math

import numpy as np
import pytest

from raspine.evaluation import agreement, bland_altman, correlation, deming, equivalence, icc, repeated_limits

KEYS = [
    "n", "n_left_out", "n_patients", "pearson", "spearman", "icc_a1", "icc_c1", "bias", "sd", "lower_limit",
    "upper_limit", "repeated", "slope_of_bias", "tost", "tost_clustered", "deming", "notes",
]  # fmt: skip


@pytest.fixture
def films() -> tuple[dict[str, np.ndarray], list[str]]:
    random = np.random.default_rng(0)
    numbers = np.repeat(np.arange(12), 3)
    truth = random.gamma(2, 1.5, 36)
    raters = ("rater_1", "consensus", "model", "rater_2")
    values = {name: truth + random.normal(0, 0.3, 12)[numbers] + random.normal(0, 0.6, 36) for name in raters}
    values["model"][[3, 8]] = np.nan
    return values, [f"p{number}" for number in numbers]


def test_every_figure_is_that_of_its_own_module(films: tuple) -> None:
    values, patients = films
    first, second = values["model"], values["rater_1"]
    found = agreement.between(first, second, 1.5, patients)
    assert (found.n, found.n_left_out, found.n_patients) == (34, 2, 12)
    table = np.column_stack([first, second])
    assert found.pearson == correlation.pearson(first, second, patients=patients)
    assert found.spearman == correlation.spearman(first, second, patients=patients)
    assert found.icc_a1 == icc.absolute(table, patients=patients)
    assert found.icc_c1 == icc.consistency(table, patients=patients)
    assert found.repeated == repeated_limits.limits(first, second, patients)
    assert found.slope_of_bias == bland_altman.slope(first, second, patients=patients)
    assert found.tost_clustered == equivalence.clustered_tost(first, second, 1.5, patients)
    assert found.deming == deming.fit(first, second, patients=patients)
    assert found.tost is not None
    assert found.tost.p == equivalence.tost(first, second, 1.5).p
    assert found.bias.interval == bland_altman.limits(first, second).bias.interval


def test_intervals_that_ignore_patients_say_so(films: tuple) -> None:
    values, patients = films
    found = agreement.between(values["rater_1"], values["rater_2"], 1.5, patients)
    assert found.tost is not None
    assert found.tost_clustered is not None
    for name in ("bias", "sd", "lower_limit", "upper_limit"):
        assert "read `repeated`" in getattr(found, name).note
    assert "read `tost_clustered`" in found.tost.difference.note
    for honest in (found.pearson, found.spearman, found.icc_a1, found.icc_c1, found.slope_of_bias, found.deming.slope):
        assert "over patients" in honest.method
    assert not found.tost_clustered.difference.note
    assert any("36 films of 12 patients" in note for note in found.notes)
    unknown = agreement.between(values["rater_1"], values["rater_2"])
    assert any("Patients were not given" in note for note in unknown.notes)


def test_a_film_a_patient_needs_no_caution(films: tuple) -> None:
    values, _ = films
    patients = [str(number) for number in range(36)]
    found = agreement.between(values["rater_1"], values["rater_2"], 1.5, patients)
    assert found.notes == ()
    assert found.bias.note == ""
    assert found.repeated is not None
    assert "more than one film" in found.repeated.bias.note


def test_without_margin_or_patients_their_parts_are_missing(films: tuple) -> None:
    values, patients = films
    bare = agreement.between(values["model"], values["rater_1"])
    assert (bare.n_patients, bare.repeated, bare.tost, bare.tost_clustered) == (None, None, None, None)
    assert agreement.between(values["model"], values["rater_1"], 1.5).tost_clustered is None
    assert agreement.between(values["model"], values["rater_1"], patients=patients).tost is None


def test_confidence_reaches_every_interval(films: tuple) -> None:
    values, patients = films
    wide, narrow = (agreement.between(values["model"], values["rater_1"], 1.5, patients, c) for c in (0.99, 0.8))
    names = ("pearson", "spearman", "icc_a1", "icc_c1", "bias", "sd", "lower_limit", "upper_limit", "slope_of_bias")
    for name in names:
        outer, inner = getattr(wide, name).interval, getattr(narrow, name).interval
        assert outer[0] < inner[0] < inner[1] < outer[1]
    assert wide.tost == narrow.tost


def test_json_has_every_key_and_no_nan(films: tuple) -> None:
    values, patients = films
    for plain in (
        agreement.between(values["model"], values["rater_1"], 1.5, patients).to_dict(),
        agreement.between([np.nan], [1.0], 1.5, ["a"]).to_dict(),
        agreement.between([], []).to_dict(),
    ):
        assert list(plain) == KEYS
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("patients", [True, False])
def test_few_films_raise_nothing_and_give_reasons(n: int, patients: bool) -> None:
    first, second = np.array([1.0, 2.5, 2.0])[:n], np.array([1.2, 2.0, 3.0])[:n]
    found = agreement.between(first, second, 1.5, ["a", "b", "b"][:n] if patients else None)
    for value in (*vars(found).values(), *vars(found.deming).values()):
        if hasattr(value, "has_interval") and not (value.is_defined and value.has_interval):
            assert value.note


def test_raters_who_agree_exactly() -> None:
    found = agreement.between([1.0, 2.0, 4.0, 3.0], [1.0, 2.0, 4.0, 3.0], 1.5, list("aabc"))
    assert (found.icc_a1.value, found.bias.value, found.sd.value) == (1, 0, 0)
    assert found.deming.slope.value == pytest.approx(1)
    assert found.tost is not None
    assert found.tost.equivalent is None
    assert not found.pearson.has_interval


def test_every_two_raters_once_the_model_first_and_the_consensus_second(films: tuple) -> None:
    values, patients = films
    found = agreement.pairs(values, 1.5, patients, consensus_of=["rater_1"])
    assert [(pair.first, pair.second, pair.kind) for pair in found] == [
        ("model", "consensus", "model and consensus"),
        ("model", "rater_1", "model and rater"),
        ("model", "rater_2", "model and rater"),
        ("rater_1", "rater_2", "rater and rater"),
        ("rater_1", "consensus", "rater and consensus"),
        ("rater_2", "consensus", "rater and consensus"),
    ]
    assert found[1].agreement == agreement.between(values["model"], values["rater_1"], 1.5, patients)
    own, other = found[4].agreement.notes, found[5].agreement.notes
    assert any("took part in the consensus" in note for note in own)
    assert not any("consensus" in note for note in other)
    assert list(found[0].to_dict()) == ["first", "second", "kind", *KEYS]


def test_a_consensus_of_unknown_raters_is_doubted(films: tuple) -> None:
    values, _ = films
    notes = {pair.kind: " ".join(pair.agreement.notes) for pair in agreement.pairs(values)}
    assert "not known who made the consensus" in notes["rater and consensus"]
    assert "consensus" not in notes["model and consensus"]


def test_raters_alone_and_one_rater_alone() -> None:
    kinds = [pair.kind for pair in agreement.pairs({"a": [1, 2, 4], "b": [1, 3, 4], "c": [np.nan] * 3})]
    assert kinds == ["rater and rater"] * 3
    assert agreement.pairs({"model": [1, 2, 3]}) == []


def test_raters_of_different_films() -> None:
    with pytest.raises(ValueError, match="2 and 3 values"):
        agreement.pairs({"model": [1, 2], "consensus": [1, 2, 3]})
    with pytest.raises(ValueError, match="margin"):
        agreement.between([1, 2], [1, 2], math.nan)


def test_notes_count_in_whole_sentences() -> None:
    one, two = (agreement.between([1.0, 2.5, *[np.nan] * n], [1.2, 2.0, *[1.0] * n]).notes[0] for n in (1, 2))
    assert one == "1 film that lacks a rater's value was left out."
    assert two == "2 films that lack a rater's value were left out."
    found = agreement.between([1.0, 2.0], [1.5, 2.0], 1.0, ["a", "a"])
    assert "2 films of 1 patient: " in found.notes[0]

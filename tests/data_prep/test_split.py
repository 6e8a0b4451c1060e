import collections
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import split
from data_prep.split import Rule


def test_counts_are_numpys_permutation_of_the_sorted_patients() -> None:
    patients = [f"p{number}" for number in (3, 1, 4, 0, 2, 5)]
    order = [f"p{index}" for index in np.random.default_rng(7).permutation(6)]
    expected = dict(zip(order, ["train"] * 3 + ["validation"] * 2 + ["test"], strict=True))
    assert split.by_patient(patients, Rule(counts=(3, 2, 1), seed=7)) == expected


def test_the_papers_counts() -> None:
    parts = split.by_patient((f"{number:04}" for number in range(906)), Rule(counts=(680, 140, 86)))
    assert collections.Counter(parts.values()) == {"train": 680, "validation": 140, "test": 86}


@settings(deadline=None)
@given(st.sets(st.text("abc123", min_size=1), min_size=1, max_size=60), st.integers(0, 9), st.data())
def test_every_patient_is_in_one_split(patients: set[str], seed: int, data: st.DataObject) -> None:
    train = data.draw(st.floats(0, 1))
    validation = data.draw(st.floats(0, 1)) * (1 - train)
    rule = Rule(fractions=(train, validation, max(0.0, 1 - train - validation)), seed=seed)
    parts = split.by_patient(patients, rule)
    assert parts.keys() == patients
    counts = collections.Counter(parts.values())
    for name, fraction in zip(split.SPLITS, rule.fractions, strict=True):
        assert abs(counts[name] - fraction * len(patients)) <= 1
    assert parts == split.by_patient(sorted(patients, reverse=True), rule)


def test_another_seed_is_another_split() -> None:
    patients = [f"p{number}" for number in range(50)]
    first, second = (split.by_patient(patients, Rule(counts=(30, 10, 10), seed=seed)) for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize(
    ("total", "expected"),
    [(10, (6, 2, 2)), (5, (3, 1, 1)), (1, (1, 0, 0)), (7, (4, 2, 1)), (1000, (600, 200, 200))],
)
def test_fractions_are_rounded_at_their_edges(total: int, expected: tuple[int, ...]) -> None:
    parts = split.by_patient(map(str, range(total)), Rule(fractions=(0.6, 0.2, 0.2)))
    assert tuple(collections.Counter(parts.values())[name] for name in split.SPLITS) == expected


@pytest.mark.parametrize("counts", [(3, 2, 0), (5, 2, 1)])
def test_counts_that_do_not_fit_name_both_numbers(counts: tuple[int, ...]) -> None:
    with pytest.raises(split.SplitError, match=rf"= {sum(counts)}, but 6 patients"):
        split.by_patient("abcdef", Rule(counts=counts))


@pytest.mark.parametrize(
    ("counts", "fractions", "message"),
    [
        ([], [], "exactly one"),
        (["1", "1", "1"], ["0.5", "0.3", "0.2"], "exactly one"),
        (["1", "1"], [], "three counts"),
        (["1", "1", "-1"], [], "three counts"),
        (["0", "0", "0"], [], "three counts"),
        (["1", "1", "x"], [], "are numbers"),
        (["1.5", "1", "1"], [], "are numbers"),
        ([], ["0.5", "0.5"], "three parts"),
        ([], ["0.5", "0.5", "0.5"], "sum to 1"),
        ([], ["1.5", "-0.5", "0"], "three parts"),
        ([], ["nan", "0.5", "0.5"], "three parts"),
    ],
)
def test_wrong_rules(counts: list[str], fractions: list[str], message: str) -> None:
    with pytest.raises(split.SplitError, match=message):
        split.parse(counts, fractions, None, 0)


def table(folder: pathlib.Path, text: str) -> Rule:
    file = folder / "split.csv"
    file.write_text(text)
    return split.parse([], [], str(file), 0)


def test_a_file_by_image_or_patient(tmp_path: pathlib.Path) -> None:
    films = {"x.png": "p1", "y.png": "p1", "z.png": "p2"}
    by_image = table(tmp_path, "image,split\nx.png,train\nz.png,Test\n")
    assert split.by_table(films, by_image) == {"x.png": "train", "z.png": "test"}
    by_patient = table(tmp_path, "split,patient\ntrain,p1\n")
    assert split.by_table(films, by_patient) == {"x.png": "train", "y.png": "train"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs the columns"),
        ("image,split\n", "needs the columns"),
        ("film,split\nx,train\n", "needs the columns"),
        ("image,part\nx,train\n", "needs the columns"),
        ("image,split\nx\n", "row 2: only 1 cells"),
        ("image,split\n../x,train\n", "row 2: column 'image' must be a path inside"),
        ("image,split\nx,dev\n", "row 2: split is train, validation, test. Received: 'dev'"),
    ],
)
def test_wrong_files(tmp_path: pathlib.Path, text: str, message: str) -> None:
    with pytest.raises(split.SplitError, match=message):
        table(tmp_path, text)


def test_a_missing_file() -> None:
    with pytest.raises(split.SplitError, match="cannot be read"):
        split.parse([], [], "missing.csv", 0)


def test_a_name_in_two_splits_of_a_file_is_a_leak(tmp_path: pathlib.Path) -> None:
    with pytest.raises(split.LeakError, match="row 3: this patient is in 'train' and 'test'"):
        table(tmp_path, "patient,split\np1,train\np1,test\n")


def test_leaks() -> None:
    split.check_leaks([("F1", "P1", "train", "a"), ("F2", "P1", "train", "a"), ("F3", "P2", "test", "b")])
    with pytest.raises(split.LeakError, match="patient P1 is in 'train' and in 'test'"):
        split.check_leaks([("F1", "P1", "train", "a"), ("F2", "P1", "test", "b")])
    with pytest.raises(split.LeakError, match="films F1 and F2 are the same picture"):
        split.check_leaks([("F1", "P1", "train", "a"), ("F2", "P2", "train", "a")])


@settings(deadline=None)
@given(st.integers(1, 40), st.data())
def test_a_stratified_split_shares_the_positive_patients(total: int, data: st.DataObject) -> None:
    names = [f"p{number:02}" for number in range(total)]
    positive = data.draw(st.sets(st.sampled_from(names)))
    train = data.draw(st.integers(0, total))
    validation = data.draw(st.integers(0, total - train))
    counts = (train, validation, total - train - validation)
    rule = Rule(counts=counts, seed=data.draw(st.integers(0, 9)), stratify=True)
    parts = split.by_patient(names, rule, positive)
    assert parts.keys() == set(names)
    for name, count in zip(split.SPLITS, counts, strict=True):
        there = {patient for patient, part in parts.items() if part == name}
        assert len(there) == count
        assert abs(len(there & positive) - len(positive) * count / total) < 1
    assert parts == split.by_patient(reversed(names), rule, positive)


def test_the_deformity_papers_counts_stratified() -> None:
    names = [f"{number:03}" for number in range(220)]
    parts = split.by_patient(names, Rule(counts=(123, 30, 67), stratify=True), names[:100])
    positive = collections.Counter(parts[name] for name in names[:100])
    assert positive == {"train": 56, "validation": 14, "test": 30}
    other = split.by_patient(names, Rule(counts=(123, 30, 67), stratify=True, seed=1), names[:100])
    assert parts != other


def test_stratified_rules_say_so_and_need_no_file(tmp_path: pathlib.Path) -> None:
    rule = split.parse(["1", "1", "1"], [], None, 3, stratify=True)
    assert rule.describe() == {"rule": "counts", "counts": [1, 1, 1], "by": "patient", "seed": 3, "stratified": True}
    file = tmp_path / "split.csv"
    file.write_text("patient,split\np,train\n")
    with pytest.raises(split.SplitError, match="--stratify goes with"):
        split.parse([], [], str(file), 0, stratify=True)


def test_a_file_by_study(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "split.csv"
    file.write_text("study_uid,split\n1.2,train\n1.3,test\n")
    rule = split.parse([], [], str(file), 0, item="study")
    assert split.assign({"1.2": "p", "1.4": "q"}, rule) == {"1.2": "train"}
    assert split.unmatched({"1.2": "p", "1.4": "q"}, rule) == 1
    with pytest.raises(split.SplitError, match="'patient' or 'image'"):
        split.parse([], [], str(file), 0)

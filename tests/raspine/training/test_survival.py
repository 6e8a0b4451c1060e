"""Runs that are killed and stopped at random steps end with the weights of undisturbed ones.

    PYTHONPATH=tests python tests/raspine/training/survival.py 10

does the same with ten steps for each signal; here it is one of each.
"""

import pathlib

import survival


def test_one_process_goes_on_bit_for_bit(tmp_path: pathlib.Path) -> None:
    assert survival.study(1, 1, 1, tmp_path) == 0.0


def test_two_workers_go_on_with_the_same_weights(tmp_path: pathlib.Path) -> None:
    assert survival.study(2, 1, 2, tmp_path) < 1e-6

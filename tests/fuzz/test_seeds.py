"""Input that once broke a reader is refused in one line that names nobody, in time and memory; so is the usual attack.

Needs no fuzzer: `python tests/fuzz` looks for more.
"""

import json

import pytest

from fuzz import oracle, targets
from fuzz.seeds import SEEDS


@pytest.mark.parametrize("name", SEEDS)
def test_what_once_failed_ends_as_it_must(name: str) -> None:
    seed = SEEDS[name]
    message = oracle.check(targets.load(seed.target), seed.make())
    assert seed.error in message if seed.error else not message


READERS = [
    name for name in targets.MODULES if targets.MODULES[name] not in ("models", "weights", "requests", "answers")
]


@pytest.mark.parametrize("name", READERS)
def test_sound_input_is_taken(name: str) -> None:
    target = targets.load(name)
    for data in target.seeds().values():
        assert not oracle.check(target, data, repeat=True)


def reader(error: type[Exception], text: str) -> targets.Target:
    def read(data: bytes) -> object:
        raise error(text)

    return targets.Target(read, (ValueError,), dict, lambda data, rng: data, own=False)


@pytest.mark.parametrize(
    ("error", "text", "reason"),
    [
        (KeyError, "x", "KeyError at"),
        (ValueError, "of Secret^Name", "an identifier"),
        (ValueError, "two\nlines", "no single printable line"),
        (ValueError, "\N{RIGHT-TO-LEFT OVERRIDE}", "no single printable line"),
        (ValueError, "damaged in a way not foreseen: KeyError.", "not foreseen"),
    ],
)
def test_the_oracle_sees_what_breaks_a_rule(error: type[Exception], text: str, reason: str) -> None:
    with pytest.raises(oracle.FaultError, match=reason):
        oracle.check(reader(error, text), b"")


def test_an_error_from_elsewhere_is_none_of_the_reader_s() -> None:
    target = targets.Target(json.loads, (ValueError,), dict, lambda data, rng: data)
    with pytest.raises(oracle.FaultError, match="JSONDecodeError at"):
        oracle.check(target, b"{")


def test_memory_beyond_the_limit_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "MAX_BYTES", 1 << 20)
    target = targets.Target(lambda data: None, (), dict, lambda data, rng: data)
    with pytest.raises(oracle.FaultError, match="GiB of memory"):
        oracle.check(target, b"")


def test_time_beyond_the_limit_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "MAX_SECONDS", -1.0)
    target = targets.Target(lambda data: None, (), dict, lambda data, rng: data)
    with pytest.raises(oracle.FaultError, match="processor time"):
        oracle.check(target, b"")

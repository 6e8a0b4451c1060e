import hashlib

import pytest

from raspine.dicom_results import uids
from raspine.model_identity import ModelIdentity

IDENTITY = ModelIdentity("atlantoaxial", "7", "ab" * 32)


def test_a_uid_is_the_start_of_a_sha256_of_its_parts() -> None:
    digest = hashlib.sha256(b'["a", "b"]').hexdigest()
    assert uids.derive("a", "b") == f"2.25.{int(digest[:32], 16)}"
    assert uids.derive("ab") != uids.derive("a", "b")


def test_every_kind_source_model_and_setting_has_its_own() -> None:
    made = [
        uids.of_instance("report", ["1.2"], IDENTITY),
        uids.of_instance("overlay", ["1.2"], IDENTITY),
        uids.of_instance("report", ["1.3"], IDENTITY),
        uids.of_instance("report", ["1.2", "1.3"], IDENTITY),
        uids.of_instance("report", ["1.2"], ModelIdentity("atlantoaxial", "8", "ab" * 32)),
        uids.of_instance("report", ["1.2"], IDENTITY, "spacing"),
        uids.of_series("report", ["1.2"], IDENTITY),
        uids.of_tracking("report", ["1.2"]),
        uids.of_model(IDENTITY),
    ]
    assert len(set(made)) == len(made)
    assert all(uids.is_valid(uid) and len(uid) <= 44 for uid in made)


def test_the_order_of_the_images_does_not_matter() -> None:
    assert uids.of_series("report", ["1.3", "1.2"], IDENTITY) == uids.of_series("report", ["1.2", "1.3"], IDENTITY)


@pytest.mark.parametrize("text", ["1.2.3", "0.1", "2.25.0", "1." + "2" * 62])
def test_uids(text: str) -> None:
    assert uids.is_valid(text)


@pytest.mark.parametrize("text", ["", "1..2", "1.02", ".1", "1.", "1.a", "1.2 ", "1.2\n", "1." + "2" * 63])
def test_what_is_no_uid(text: str) -> None:
    assert not uids.is_valid(text)


def test_objects_that_say_something_else_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    before = uids.of_instance("report", ["1.2"], IDENTITY), uids.of_series("report", ["1.2"], IDENTITY)
    tracking = uids.of_tracking("adi", ["1.2"])
    monkeypatch.setattr(uids, "CONTENT", uids.CONTENT + 1)
    after = uids.of_instance("report", ["1.2"], IDENTITY), uids.of_series("report", ["1.2"], IDENTITY)
    assert not set(before) & set(after)
    assert uids.of_tracking("adi", ["1.2"]) == tracking

"""A full disk: no job loses an attempt, no object is acknowledged that is not there, and work goes on after it."""

import dataclasses
import errno
import json
import os
import pathlib
from typing import Any

import pydicom
import pytest
import study_dicom
from pacs_stub import Site
from pydicom.dataset import Dataset
from test_pacs_receiver import listening, slices

from raspine.dicom import parse
from raspine.pacs import answering, audit, reading_process
from raspine.pacs.archive import Address, Archive
from raspine.pacs.failures import RoomError
from raspine.pacs.instances import Instance


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    found = Site(tmp_path)
    found.film(1)
    found.jobs.database.rows("UPDATE arrivals SET received = 0")
    return found


def check_waits(site: Site) -> None:
    assert not site.worker._turned()
    assert site.worker.status().checks["state_folder"] is False
    assert site.worker.status().lost()["state_folder"].startswith("not reachable: ")
    assert (site.jobs.job(1).attempts, site.stored) == (0, [])


def check_goes_on(site: Site) -> None:
    site.worker._paused_until = 0.0
    assert site.worker._turned()
    assert site.stored == ["1.2.3.1.1"]
    assert site.worker.status().is_ready


def test_results_that_cannot_be_written_leave_the_job_as_it_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pydicom, "dcmwrite", full)
        said = reading_process._answer(lambda: answering.write([Dataset()], site.folder / "results/1"), {})
    assert not list((site.folder / "results").rglob("*"))
    site.troubles = [reading_process.KINDS[said["error"]](said["reason"])]
    assert isinstance(site.troubles[0], RoomError)
    check_waits(site)
    check_goes_on(site)
    assert site.events(audit.FAILED) == []


def test_a_log_that_cannot_be_written_costs_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(site.worker._desk.log, "tell", full)
        check_waits(site)
    check_goes_on(site)


def test_half_a_line_is_taken_back(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, write = audit.Log(tmp_path), os.write
    log.tell(audit.STARTED)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:20]))  # as a disk nearly full does
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            log.tell(audit.STOPPED)
    log.tell(audit.STOPPED)
    lines = (tmp_path / audit.NAME).read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == [audit.STARTED, audit.STOPPED]


def test_a_database_that_cannot_grow_keeps_what_it_has(site: Site) -> None:
    count = 100
    for number in range(2, count + 1):
        site.film(number)
    rows = site.jobs.database.rows
    rows("UPDATE arrivals SET received = 0")
    rows(f"PRAGMA max_page_count = {rows('PRAGMA page_count')[0][0]}")
    assert not site.worker._turned()
    assert site.worker.status().checks["state_folder"] is False
    assert (site.jobs.waiting(), site.worker.arrivals.count()) == (0, count)
    rows("PRAGMA max_page_count = 100000")
    check_goes_on(site)
    while site.worker._turned():
        pass
    assert len(site.stored) == len(set(site.stored)) == count


def test_what_is_fetched_and_cannot_be_written_is_not_taken_for_damaged(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = study_dicom.write(tmp_path, "s", indices=[0])
    archive = Archive(Address("http://127.0.0.1:1/dicom-web"))
    monkeypatch.setattr(archive._objects, "retrieve_instance", lambda *_: parse.parse(path.read_bytes()))
    one = Instance("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.4")
    with monkeypatch.context() as patch:
        patch.setattr(pydicom, "dcmwrite", full)
        with pytest.raises(OSError, match="No space left"):
            archive.fetch(one, tmp_path / "object")
    archive.fetch(one, tmp_path / "object")
    assert (tmp_path / "object").exists()


@pytest.mark.parametrize("log_is_full", [False, True])
def test_an_object_that_cannot_be_written_is_not_acknowledged(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, log_is_full: bool
) -> None:
    with listening(tmp_path / "state") as case:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            if log_is_full:
                patch.setattr(case.receiver, "_hooks", dataclasses.replace(case.receiver._hooks, tell=full))
            assert case.send(*slices(tmp_path)) == [0xA700]
        assert (case.taken, case.files()) == ([], [])
        assert case.send(*slices(tmp_path)) == [0]


def test_an_object_that_cannot_be_told_of_becomes_no_job(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    monkeypatch.setattr(site.worker._desk.log, "tell", full)
    with pytest.raises(OSError, match="No space left"):
        site.film(1)
    assert site.worker.arrivals.count() == 0

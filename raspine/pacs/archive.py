"""A DICOMweb archive (PS3.18): QIDO-RS to look, WADO-RS to fetch, STOW-RS to store, through dicomweb-client."""

import contextlib
import dataclasses
import datetime
import logging
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from raspine.pacs.failures import FailedError, OutageError, RefusedError
from raspine.pacs.instances import Instance, is_uid
from raspine.pacs.sessions import BoundedSession, Credentials, LimitError, Limits, check_url

# Its lines name UIDs.
logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL + 1)

_STUDY, _SERIES, _SOP, _CLASS, _COUNT = "0020000D", "0020000E", "00080018", "00080016", "00201208"
_OUTAGES = (429, 502, 503, 504)
_WHOLE_IN_ONE = 1 << 30  # dicomweb-client sends larger bodies in chunks, which not every server takes
_LONGEST_LIST = 1 << 25  # bytes of an answer that holds no object; JSON takes some twenty times as much memory
_EXISTS = 0x0111  # PS3.7 C.5: duplicate SOP Instance


@dataclasses.dataclass(frozen=True)
class Address:
    """Where an archive is and how it is spoken to.

    Attributes:
      url: of the DICOMweb service.
      ca_file: certificates to trust instead of the usual ones; empty for these.
      credentials_file: see `sessions.Credentials`; empty for none.
      allow_http: whether http is allowed beyond this machine.
      page: how many answers are asked for at once.
      limits: of an answer.
    """

    url: str
    ca_file: str = ""
    credentials_file: str = ""
    allow_http: bool = False
    page: int = 100
    limits: Limits = dataclasses.field(default_factory=Limits)


@dataclasses.dataclass(frozen=True)
class Listed:
    """A study as QIDO-RS lists it.

    Attributes:
      uid: Study Instance UID.
      instances: how many objects it has; None when the archive does not say.
    """

    uid: str = dataclasses.field(repr=False)
    instances: int | None


class Archive:
    """A DICOMweb archive.

    Raises:
      ValueError: the address is none, or the credentials cannot be used.
    """

    def __init__(self, address: Address):
        check_url(address.url, address.allow_http, bool(address.credentials_file))
        self.address = address
        limits = address.limits
        self._client = _client(address, dataclasses.replace(limits, max_bytes=min(limits.max_bytes, _LONGEST_LIST)))
        self._objects = _client(address, limits)

    def ping(self) -> None:
        """Returns when the archive answers.

        Raises:
          OutageError: it does not.
        """
        try:
            with _translated():
                self._client.search_for_studies(limit=1)
        except FailedError as error:
            raise OutageError(str(error)) from error

    def studies(self, since: datetime.date | None, most: int) -> Iterator[Listed]:
        """Yields the studies of an archive, page by page.

        Args:
          since: Study Date from which on; None for all.
          most: studies, at most.

        Raises:
          OutageError, FailedError: it cannot be asked.
        """
        filters = {"StudyDate": f"{since:%Y%m%d}-"} if since else {}
        seen: set[str] = set()
        offset = 0
        while offset < most:
            with _translated():
                rows = self._client.search_for_studies(
                    limit=min(self.address.page, most - offset),
                    offset=offset,
                    fields=["NumberOfStudyRelatedInstances"],
                    search_filters=filters,
                )
                _check_rows(rows)
            new = [found for row in rows if (found := _listed(row)) and found.uid not in seen]
            yield from new
            seen |= {one.uid for one in new}
            offset += len(rows)
            # An archive that knows no offset answers the same page for ever.
            if not new:
                return

    def instances(self, study: str, most: int) -> list[Instance]:
        """Returns the objects of a study; rows without proper UIDs are left out.

        Args:
          study: Study Instance UID.
          most: objects, at most.

        Raises:
          RefusedError: there are more.
          OutageError, FailedError: the archive cannot be asked.
        """
        found: dict[str, Instance] = {}
        offset = 0
        while True:
            with _translated():
                rows = self._client.search_for_instances(
                    study_instance_uid=study, limit=self.address.page, offset=offset, fields=["SOPClassUID"]
                )
                _check_rows(rows)
            new = {one.sop: one for row in rows if (one := _instance(row, study)) and one.sop not in found}
            found |= new
            offset += len(rows)
            if len(found) > most:
                raise RefusedError(f"the study has more than {most} objects.")
            if not new:
                return list(found.values())

    def has(self, study: str, sop: str) -> bool:
        """Returns whether an object is in the archive."""
        with _translated():
            rows = self._client.search_for_instances(
                study_instance_uid=study, limit=1, search_filters={"SOPInstanceUID": sop}
            )
            _check_rows(rows)
        return any(_text(row, _SOP) == sop for row in rows)

    def fetch(self, instance: Instance, path: pathlib.Path) -> None:
        """Writes an object to a file, in the transfer syntax in which the archive has it.

        It parses outside bytes, so it is to run in the process that may be killed.

        Raises:
          OutageError, FailedError: it cannot be had.
          RefusedError: what came is no DICOM object.
          OSError: the file cannot be written.
        """
        with _translated():
            dataset = self._objects.retrieve_instance(instance.study, instance.series, instance.sop)
        try:
            pydicom.dcmwrite(path, dataset, enforce_file_format=True)
        except OSError:
            raise
        except Exception as error:  # pydicom raises of many kinds on damaged objects
            raise RefusedError(f"the object is damaged: {type(error).__name__} while writing it.") from error

    def store(self, study: str, objects: Sequence[Dataset]) -> None:
        """Stores objects of a study.

        Raises:
          OutageError: the archive cannot be reached.
          FailedError: it did not take all of them.
        """
        with _translated():
            answer = self._client.store_instances(objects, study)
        failed = [_reason(item) for item in answer.get("FailedSOPSequence") or []]
        if worse := [code for code in failed if code != _EXISTS]:
            raise FailedError(f"the archive did not store {len(worse)} objects: failure reason 0x{worse[0]:04X}.")


def _client(address: Address, limits: Limits) -> DICOMwebClient:
    credentials = Credentials(address.credentials_file) if address.credentials_file else None
    session = BoundedSession(limits, address.ca_file, credentials)
    client = DICOMwebClient(address.url.rstrip("/"), session, chunk_size=_WHOLE_IN_ONE)
    # The ledger counts attempts and waits between them.
    client.set_http_retry_params(retry=False)
    return client


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turns what requests and dicomweb-client raise into failures without URLs, which hold UIDs."""
    try:
        yield
    except LimitError as error:
        raise FailedError(f"archive: {error}.") from error
    except requests.HTTPError as error:
        raise _of_status(0 if error.response is None else error.response.status_code) from error
    except requests.exceptions.SSLError as error:
        raise OutageError("archive: its TLS certificate cannot be verified.") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise OutageError(f"archive: it cannot be reached ({type(error).__name__}).") from error
    except requests.RequestException as error:
        raise FailedError(f"archive: {type(error).__name__}.") from error
    except (OutageError, FailedError, RefusedError):
        raise
    except Exception as error:  # damaged answers make pydicom and the client raise of many kinds
        raise FailedError(f"archive: an answer that cannot be read ({type(error).__name__}).") from error


def _of_status(status: int) -> Exception:
    if status in (401, 403):
        return OutageError(f"archive: status {status}, the credentials are refused.")
    return (
        OutageError(f"archive: status {status}.") if status in _OUTAGES else FailedError(f"archive: status {status}.")
    )


def _check_rows(rows: Any) -> None:
    if not isinstance(rows, list):
        raise FailedError("archive: an answer that is no list.")


def _listed(row: Mapping[str, Any]) -> Listed | None:
    uid, count = _text(row, _STUDY), _text(row, _COUNT)
    return Listed(uid, int(count) if count.isdecimal() else None) if is_uid(uid) else None


def _instance(row: Mapping[str, Any], study: str) -> Instance | None:
    try:
        return Instance(study, _text(row, _SERIES), _text(row, _SOP), _text(row, _CLASS))
    except ValueError:
        return None


def _text(row: Mapping[str, Any], tag: str) -> str:
    """Returns the first value of an attribute in the DICOM JSON model (PS3.18 F), '' where there is none."""
    try:
        return str(row[tag]["Value"][0])
    except (KeyError, IndexError, TypeError):
        return ""


def _reason(item: Dataset) -> int:
    try:
        return int(item.FailureReason)
    except (AttributeError, TypeError, ValueError):
        return 0

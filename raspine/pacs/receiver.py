"""The worker as a DICOM store SCP (PS3.4 B): within limits, and written before it is acknowledged."""

import collections
import contextlib
import dataclasses
import logging
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from raspine.pacs import dimse_tls, storage
from raspine.pacs.incoming import FullError, Incoming, Received, UnknownError
from raspine.pacs.instances import Instance

# Its lines quote what peers send.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
_OVERHEAD = 1 << 20  # bytes of commands and PDU headers beside an object
_NOT_AUTHORISED = (0x01, 0x01, 0x01)  # PS3.8 9.3.4: permanent, service user, no reason given


@dataclasses.dataclass(frozen=True)
class Listening:
    """Where and for whom the SCP listens.

    Attributes:
      port: TCP; 0 for any free one.
      address: of the interface.
      title: AE title by which it must be called.
      callers: AE titles that may call; at least one.
      peers: addresses that may connect; empty for all.
      associations: at once, at most.
      max_object: bytes of one object.
      max_pdu: bytes of one protocol data unit.
      seconds: that the network, an association and a message may take.
      tls: who this worker is to those who call, all of whom need a certificate then; None for no TLS.
    """

    port: int
    address: str = "127.0.0.1"
    title: str = "RASPINE"
    callers: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    associations: int = 4
    max_object: int = 1 << 28
    max_pdu: int = 1 << 17
    seconds: float = 30.0
    tls: dimse_tls.Identity | None = None


@dataclasses.dataclass(frozen=True)
class Hooks:
    """What the receiver asks and tells.

    Attributes:
      held: returns the bytes of files that are needed.
      is_full: whether the queue takes no more objects.
      take: takes an object that stands on the disk; it is acknowledged when this returns.
      tell: takes an event of the audit log and what it is about.
    """

    held: Callable[[], int]
    is_full: Callable[[], bool]
    take: Callable[[Instance], None]
    tell: Callable[..., None]


class Receiver:
    """Listens from `listening` on until it ends."""

    def __init__(self, listening: Listening, incoming: Incoming, hooks: Hooks):
        self._listening, self._incoming, self._hooks = listening, incoming, hooks
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._read: collections.Counter[int] = collections.Counter()
        entity = AE(ae_title=listening.title)
        entity.require_called_aet = True
        entity.require_calling_aet = [*listening.callers]
        entity.maximum_associations = listening.associations
        entity.maximum_pdu_size = listening.max_pdu
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = listening.seconds
        entity.add_supported_context(Verification)
        for sop_class in (*storage.FILMS, *storage.SLICES):
            entity.add_supported_context(sop_class, [*storage.SYNTAXES])
        self._entity = entity

    @contextlib.contextmanager
    def listening(self) -> Iterator[int]:
        """Listens within the block and yields the port."""
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_ACCEPTED, self._accepted),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_CONN_CLOSE, self._closed),
            (evt.EVT_C_STORE, self._store),
        ]
        place, tls = (self._listening.address, self._listening.port), self._listening.tls
        context = dimse_tls.acceptor(tls, self._listening.seconds) if tls else None
        server = self._entity.start_server(place, block=False, evt_handlers=handlers, ssl_context=context)
        assert isinstance(server, ThreadedAssociationServer)
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            self._entity.shutdown()

    def _opened(self, event: Event) -> None:
        """Bounds what a connection may make this process read: pynetdicom believes any length of a PDU."""
        transport: Any = event.assoc.dul.socket
        plain, longest = transport.recv, self._listening.max_object + _OVERHEAD

        def bounded(count: int) -> bytearray:
            with self._lock:
                self._read[id(event.assoc)] += count
                total = self._read[id(event.assoc)]
            if count > self._listening.max_pdu + _OVERHEAD or total > longest:
                raise OSError("more bytes than an object may have")
            try:
                return plain(count)
            except ssl.SSLError:
                self._rejected(event)
                raise

        transport.recv = bounded
        crowd = sum(one.is_acceptor for one in self._entity.active_associations)
        if crowd >= 2 * self._listening.associations:
            transport.close()

    def _requested(self, event: Event) -> None:
        peer = str(event.assoc.requestor.address)
        if self._listening.peers and peer.removeprefix("::ffff:") not in self._listening.peers:
            event.assoc.acse.send_reject(*_NOT_AUTHORISED)
            self._hooks.tell("association_rejected")

    def _accepted(self, event: Event) -> None:
        self._hooks.tell("association_accepted")

    def _rejected(self, event: Event) -> None:
        self._hooks.tell("association_rejected")

    def _closed(self, event: Event) -> None:
        with self._lock:
            self._read.pop(id(event.assoc), None)

    def _store(self, event: Event) -> int:
        with self._lock:
            self._read[id(event.assoc)] = 0
        try:
            request: Any = event.request
            data = request.DataSet.getbuffer()
            if self._hooks.is_full():
                raise FullError("the queue is full.")
            # One after another, so that two objects do not take the same room.
            with self._writing:
                self._incoming.check_room(self._hooks.held(), len(data))
                with self._incoming.written(Received(event.file_meta, data)) as instance:
                    self._hooks.take(instance)
        except (FullError, OSError, sqlite3.Error):
            return self._refused(OUT_OF_RESOURCES, "no room for another object")
        except UnknownError as error:
            return self._refused(DOES_NOT_MATCH, str(error))
        except Exception as error:  # one hostile object must not end the others
            return self._refused(CANNOT_UNDERSTAND, f"unexpected {type(error).__name__}")
        return SUCCESS

    def _refused(self, status: int, reason: str) -> int:
        with contextlib.suppress(OSError):  # the disk that has no room for objects has none for the log
            self._hooks.tell("object_refused", reason=reason, status=f"0x{status:04X}")
        return status

"""Results to a DICOM application entity by C-STORE (PS3.4 B)."""

import dataclasses
from collections.abc import Sequence

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from raspine.pacs import dimse_tls, storage
from raspine.pacs.failures import FailedError, OutageError

_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_WARNINGS = range(0xB000, 0xC000)  # stored, with coercion or elements discarded


@dataclasses.dataclass(frozen=True)
class Peer:
    """An application entity to send to.

    Attributes:
      title: its AE title.
      host: name or address.
      port: TCP.
      own_title: the calling AE title.
      seconds: that the network and every answer may take.
      tls: who this worker is to the peer, which must show a certificate for `host`; None for no TLS.
    """

    title: str
    host: str
    port: int
    own_title: str
    seconds: float = 30.0
    tls: dimse_tls.Identity | None = None


class Sender:
    """Sends objects; an application entity that has an object already says success, since the UIDs are the same."""

    def __init__(self, peer: Peer):
        self._peer = peer
        self._tls = (dimse_tls.requestor(peer.tls), peer.host) if peer.tls else None
        self._entity = AE(ae_title=peer.own_title)
        self._entity.acse_timeout = self._entity.dimse_timeout = self._entity.network_timeout = peer.seconds
        self._entity.connection_timeout = peer.seconds
        for sop_class in storage.RESULTS:
            self._entity.add_requested_context(sop_class, [*storage.RESULT_SYNTAXES])

    def ping(self) -> None:
        """Returns when the application entity accepts an association.

        Raises:
          OutageError: it does not.
        """
        self._associate().release()

    def has(self, study: str, sop: str) -> bool:
        """Returns False: C-STORE has no question of that kind, and storing the same object again changes nothing."""
        return False

    def store(self, study: str, objects: Sequence[Dataset]) -> None:
        """Stores objects.

        Raises:
          OutageError: the application entity cannot be reached, or is full.
          FailedError: it refused an object.
        """
        association = self._associate()
        try:
            for one in objects:
                self._store(association, one)
        finally:
            if association.is_established:
                association.release()

    def _associate(self) -> Association:
        peer = self._peer
        association = self._entity.associate(peer.host, peer.port, ae_title=peer.title, tls_args=self._tls)
        if not association.is_established:
            unreached = "cannot be reached by TLS, or a certificate is refused" if self._tls else "cannot be reached"
            how = "rejects the association" if association.is_rejected else unreached
            raise OutageError(f"'{self._peer.title}' {how}.")
        return association

    def _store(self, association: Association, dataset: Dataset) -> None:
        title = storage.title(dataset.SOPClassUID)
        try:
            status = association.send_c_store(dataset).get("Status")
        except (ValueError, RuntimeError, AttributeError) as error:
            if not association.is_established:
                raise OutageError(f"'{self._peer.title}' ended the association.") from error
            raise FailedError(f"'{self._peer.title}' does not take {title}.") from error
        if status is None:
            raise OutageError(f"'{self._peer.title}' does not answer.")
        if status in _OUT_OF_RESOURCES:
            raise OutageError(f"'{self._peer.title}' is out of resources (0x{status:04X}).")
        if status != 0 and status not in _WARNINGS:
            raise FailedError(f"'{self._peer.title}' refused {title} with status 0x{status:04X}.")

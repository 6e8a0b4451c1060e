"""The flags of experiments.pacs_worker, checked together before any work."""

import dataclasses
import os
import pathlib
import re

from absl import flags

from raspine import program
from raspine.pacs import dimse_tls
from raspine.pacs.archive import Address
from raspine.pacs.course import Bounds
from raspine.pacs.reading_process import Start
from raspine.pacs.receiver import Listening
from raspine.pacs.sender import Peer
from raspine.pacs.sessions import Credentials, Limits, check_url, is_loopback
from raspine.pacs.watching import Window
from raspine.serving import address, errors
from raspine.serving.options import Options

_MEBIBYTE, _GIBIBYTE = 1 << 20, 1 << 30

_STATE = flags.DEFINE_string("state_dir", None, "Folder of the worker's memory; made, or gone on with.", required=True)
_LANDMARK_MODEL = flags.DEFINE_string("landmark_model", "", "Model directory that measures films.")
_RISK_MODEL = flags.DEFINE_string("risk_model", "", "Model directory that scores MRI studies.")
_LANDMARK_ENDPOINT = flags.DEFINE_string("landmark_endpoint", "", "Served model that measures films.")
_RISK_ENDPOINT = flags.DEFINE_string("risk_endpoint", "", "Served model that scores MRI studies.")
_ENDPOINT_CA = flags.DEFINE_string("endpoint_ca_file", "", "Certificates to trust for the endpoints.")
_ENDPOINT_CERTIFICATE = flags.DEFINE_string(
    "endpoint_certificate_file", "", "This worker's certificate (PEM), where the endpoints want one."
)
_ENDPOINT_KEY = flags.DEFINE_string("endpoint_key_file", "", "Its key.")
_ENDPOINT_TOKEN = flags.DEFINE_string("endpoint_token_file", "", "File with the bearer token of the endpoints.")

_URL = flags.DEFINE_string("dicomweb_url", "", "DICOMweb service of the archive.")
_CA = flags.DEFINE_string("ca_file", "", "Certificates to trust for the archive, instead of the usual ones.")
_CREDENTIALS = flags.DEFINE_string(
    "credentials_file", "", "One line, mode 0600: 'Bearer TOKEN' or 'Basic USER:PASSWORD'; read at every request."
)
_HTTP = flags.DEFINE_bool(
    "allow_http", False, "Allow --dicomweb_url without TLS beyond this machine, without credentials."
)
_TIMEOUT = flags.DEFINE_float("archive_seconds", 30.0, "That the archive may be silent.", lower_bound=1)
_POLL = flags.DEFINE_float("poll_seconds", 10.0, "Between two looks at --dicomweb_url; 0: never.", lower_bound=0)
_LOOK_BACK = flags.DEFINE_integer("look_back_days", 7, "Oldest Study Date that is looked at; 0: any.", lower_bound=0)
_PAGE = flags.DEFINE_integer("page", 100, "Answers asked of the archive at once.", lower_bound=1)
_STUDIES = flags.DEFINE_integer("max_studies", 10_000, "Studies seen in one look.", lower_bound=1)

_LISTEN = flags.DEFINE_integer("listen_port", None, "Port of the store SCP; 0: any free one.", 0, 65535)
_LISTEN_ADDRESS = flags.DEFINE_string("listen_address", "127.0.0.1", "Interface of the store SCP.")
_TITLE = flags.DEFINE_string("ae_title", "RASPINE", "Of this worker, called and calling.")
_CALLERS = flags.DEFINE_list("calling_ae_titles", [], "AE titles that may send here.")
_PEERS = flags.DEFINE_list("peers", [], "Addresses that may send here; any that reach the interface unless given.")
_ASSOCIATIONS = flags.DEFINE_integer("max_associations", 4, "At once.", lower_bound=1)
_PDU = flags.DEFINE_integer("max_pdu_kb", 128, "Of a protocol data unit.", 4, 16384)
_DIMSE_SECONDS = flags.DEFINE_float("dimse_seconds", 30.0, "For association, message and network.", lower_bound=1)
_DIMSE_CERTIFICATE = flags.DEFINE_string(
    "dimse_certificate", "", "This worker's certificate (PEM): --listen_port and --send_to speak TLS then."
)
_DIMSE_KEY = flags.DEFINE_string("dimse_key", "", "Its key, mode 0600.")
_DIMSE_CA = flags.DEFINE_string("dimse_ca_file", "", "Authorities whose certificates DIMSE peers must show.")
_SEND_TO = flags.DEFINE_string("send_to", "", "AE_TITLE@HOST:PORT that gets the results by C-STORE.")

_QUIET = flags.DEFINE_float("quiet_seconds", 10.0, "Without change until a study is taken.", lower_bound=0)
_ATTEMPTS = flags.DEFINE_integer("max_attempts", 5, "Failed ones until a job is given up.", lower_bound=1)
_JOB_SECONDS = flags.DEFINE_float("job_seconds", 120.0, "That reading one job may take.", lower_bound=1)
_MEMORY = flags.DEFINE_float("job_memory_gb", 8.0, "That reading may take.", lower_bound=1)
_QUEUE = flags.DEFINE_integer("max_queue", 1_000, "Jobs and objects that may wait.", lower_bound=1)
_DISK = flags.DEFINE_float("max_disk_gb", 20.0, "Of images in --state_dir.", lower_bound=0.01)
_OBJECT = flags.DEFINE_float("max_object_mb", 256.0, "Of one object.", lower_bound=0.1)
_OBJECTS = flags.DEFINE_integer("max_objects", 5_000, "Of one study.", lower_bound=1)
_REPROCESS = flags.DEFINE_bool("reprocess", False, "Answer again what another model answered.")

_HEALTH = flags.DEFINE_integer("health_port", None, "Port of the health page; 0: any free one.", 0, 65535)
_HEALTH_ADDRESS = flags.DEFINE_string("health_address", "127.0.0.1", "Interface of the health page.")

_SEND_TO_FORM = re.compile(r"(?P<title>[^@\\]{1,16})@(?P<host>[A-Za-z0-9.:_\[\]-]+):(?P<port>\d{1,5})")
_TITLE_FORM = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")


@dataclasses.dataclass(frozen=True)
class Request:
    """What the flags ask for.

    Attributes:
      state: the state folder.
      start: what the reading process needs to know.
      archive: the DICOMweb archive; None without one.
      listening: the store SCP; None without one.
      peer: who gets the results by C-STORE; None for STOW-RS.
      window: what is looked at.
      bounds: how far a job may go.
      poll_seconds: between two looks; 0 for none.
      job_seconds: that reading one job may take.
      health_address: interface of the health page.
      health_port: its port; None without one.
    """

    state: pathlib.Path
    start: Start
    archive: Address | None
    listening: Listening | None
    peer: Peer | None
    window: Window
    bounds: Bounds
    poll_seconds: float
    job_seconds: float
    health_address: str
    health_port: int | None


def request(needs_partners: bool = True) -> Request:
    """Returns what the flags ask for.

    Args:
      needs_partners: whether models and archives are needed.

    Raises:
      UsageError: they do not go together.
    """
    if needs_partners:
        _check_models()
        _check_ways()
    archive = _archive()
    if _DIMSE_CERTIFICATE.value and _LISTEN.value is None and not _SEND_TO.value:
        raise program.UsageError(f"--{_DIMSE_CERTIFICATE.name} is for --listen_port and --send_to.")
    return Request(
        state=pathlib.Path(_STATE.value),
        start=_start(archive),
        archive=archive,
        listening=_listening(),
        peer=_peer(),
        window=Window(_LOOK_BACK.value, _STUDIES.value, _OBJECTS.value, _QUIET.value, _QUEUE.value, _REPROCESS.value),
        bounds=Bounds(_ATTEMPTS.value, int(_DISK.value * _GIBIBYTE)),
        poll_seconds=_POLL.value if archive else 0.0,
        job_seconds=_JOB_SECONDS.value,
        health_address=_HEALTH_ADDRESS.value,
        health_port=_HEALTH.value,
    )


def _check_models() -> None:
    for folder, endpoint in ((_LANDMARK_MODEL, _LANDMARK_ENDPOINT), (_RISK_MODEL, _RISK_ENDPOINT)):
        if folder.value and endpoint.value:
            raise program.UsageError(f"give --{folder.name} or --{endpoint.name}, not both.")
        if folder.value and not os.path.isdir(folder.value):
            raise program.UsageError(f"--{folder.name}: no such folder: '{folder.value}'.")
    given = (_LANDMARK_MODEL, _RISK_MODEL, _LANDMARK_ENDPOINT, _RISK_ENDPOINT)
    if not any(holder.value for holder in given):
        raise program.UsageError(f"give a model: {', '.join(f'--{holder.name}' for holder in given)}.")
    for holder in (_LANDMARK_ENDPOINT, _RISK_ENDPOINT):
        if holder.value:
            _check_endpoint(holder)


def _check_endpoint(holder: flags.FlagHolder[str]) -> None:
    try:
        options = Options(
            ca_file=_ENDPOINT_CA.value,
            certificate_file=_ENDPOINT_CERTIFICATE.value,
            key_file=_ENDPOINT_KEY.value,
            token_file=_ENDPOINT_TOKEN.value,
        )
        options.check(address.parse(holder.value))
    except errors.SettingsError as error:
        raise program.UsageError(f"--{holder.name}: {error.what}") from error


def _check_ways() -> None:
    if not _URL.value and _LISTEN.value is None:
        raise program.UsageError("give a way in: --dicomweb_url or --listen_port.")
    if not _URL.value and not _SEND_TO.value:
        raise program.UsageError("give a way back for the results: --send_to or --dicomweb_url.")
    if _URL.value and _LISTEN.value is None and not _POLL.value:
        raise program.UsageError("--poll_seconds=0 leaves no way in: give --listen_port too.")


def _archive() -> Address | None:
    if not _URL.value:
        return None
    try:
        check_url(_URL.value, _HTTP.value, bool(_CREDENTIALS.value))
    except ValueError as error:
        raise program.UsageError(f"--dicomweb_url: {error}") from error
    if _CA.value and not os.path.isfile(_CA.value):
        raise program.UsageError(f"--ca_file: no such file: '{_CA.value}'.")
    _check_credentials()
    limits = Limits(
        read_seconds=_TIMEOUT.value, whole_seconds=_JOB_SECONDS.value, max_bytes=int(_OBJECT.value * _MEBIBYTE)
    )
    return Address(_URL.value, _CA.value, _CREDENTIALS.value, _HTTP.value, _PAGE.value, limits)


def _check_credentials() -> None:
    try:
        if _CREDENTIALS.value:
            Credentials(_CREDENTIALS.value)
    except OSError as error:
        raise program.UsageError(f"--credentials_file: {error.strerror}: '{_CREDENTIALS.value}'.") from error
    except ValueError as error:
        raise program.UsageError(f"--credentials_file: {error}") from error


def _start(archive: Address | None) -> Start:
    return Start(
        state=str(pathlib.Path(_STATE.value).absolute()),
        landmark_model=_LANDMARK_MODEL.value,
        risk_model=_RISK_MODEL.value,
        landmark_endpoint=_LANDMARK_ENDPOINT.value,
        risk_endpoint=_RISK_ENDPOINT.value,
        endpoint_ca_file=_ENDPOINT_CA.value,
        endpoint_certificate_file=_ENDPOINT_CERTIFICATE.value,
        endpoint_key_file=_ENDPOINT_KEY.value,
        endpoint_token_file=_ENDPOINT_TOKEN.value,
        archive=dataclasses.asdict(archive) if archive else None,
        memory_bytes=int(_MEMORY.value * _GIBIBYTE),
    )


def _listening() -> Listening | None:
    if _LISTEN.value is None:
        return None
    if not _CALLERS.value:
        raise program.UsageError("--calling_ae_titles: name who may send to --listen_port.")
    if not is_loopback(_LISTEN_ADDRESS.value) and not _PEERS.value:
        raise program.UsageError("--peers: name the addresses that may send, since --listen_address is not loopback.")
    for title in (_TITLE.value, *_CALLERS.value):
        _check_title(title)
    return Listening(
        port=_LISTEN.value,
        address=_LISTEN_ADDRESS.value,
        title=_TITLE.value,
        callers=tuple(_CALLERS.value),
        peers=tuple(_PEERS.value),
        associations=_ASSOCIATIONS.value,
        max_object=int(_OBJECT.value * _MEBIBYTE),
        max_pdu=_PDU.value << 10,
        seconds=_DIMSE_SECONDS.value,
        tls=_identity(),
    )


def _peer() -> Peer | None:
    if not _SEND_TO.value:
        return None
    found = _SEND_TO_FORM.fullmatch(_SEND_TO.value)
    if not found or not 1 <= int(found["port"]) <= 65535:
        raise program.UsageError(f"--send_to is AE_TITLE@HOST:PORT. Received: '{_SEND_TO.value}'.")
    _check_title(found["title"])
    return Peer(
        found["title"], found["host"].strip("[]"), int(found["port"]), _TITLE.value, _DIMSE_SECONDS.value, _identity()
    )


def _identity() -> dimse_tls.Identity | None:
    given = (_DIMSE_CERTIFICATE, _DIMSE_KEY, _DIMSE_CA)
    if not any(holder.value for holder in given):
        return None
    names = ", ".join(f"--{holder.name}" for holder in given)
    if not all(holder.value for holder in given):
        raise program.UsageError(f"{names}: all of them, or none.")
    identity = dimse_tls.Identity(*(pathlib.Path(holder.value) for holder in given))
    try:
        dimse_tls.requestor(identity)
    except ValueError as error:
        raise program.UsageError(f"{names}: {error}") from error
    return identity


def _check_title(title: str) -> None:
    if not _TITLE_FORM.fullmatch(title):
        raise program.UsageError(f"an AE title has 1 to 16 plain characters, no backslash. Received: '{title}'.")

r"""Works beside a PACS: takes films and MRI studies, reads them, and sends a report back for each, once.

    python -m experiments.pacs_worker --state_dir=DIR --landmark_model=run/best --dicomweb_url=https://pacs/dicom-web
    python -m experiments.pacs_worker --state_dir=DIR --landmark_model=run/best --listen_port=11112 \
        --calling_ae_titles=PACS --send_to=PACS@192.0.2.7:104
    python -m experiments.pacs_worker --flagfile=experiments/serving/pacs_worker.flags

Two ways in, alone or together: --dicomweb_url is looked at every --poll_seconds (QIDO-RS, WADO-RS), and --listen_port
opens a DICOM store SCP. A study is taken when nothing has been added to it for --quiet_seconds. Results go to --send_to
by C-STORE, or else to --dicomweb_url by STOW-RS: a measurement report and an overlay for each film, a report and a
picture for each MRI study. A model is a directory (--landmark_model, --risk_model) or served (--landmark_endpoint,
--risk_endpoint); images for which there is no model are put on record as refused.

--state_dir keeps what is done, so that nothing is lost or answered twice, whatever stops the worker; it holds UIDs and
images under way and is private (mode 0700). Jobs that failed --max_attempts times stand on a list: --list_dead shows
it, --retry_dead tries them again, --discard_dead refuses them for good and lets their images go. A new model answers
what is not answered yet; --reprocess has it answer the rest too.
A served model that is replaced while the worker runs is taken up without a restart, and said in the audit log.

--health_port serves /healthz, /readyz, /metrics (Prometheus) and a page. audit.jsonl in --state_dir has a line for each
event; images stand in it as keyed hashes only. SIGTERM ends the worker after the job under way, with status 0.

Exits with 0 when it was stopped, or is done (--once), 1 when nothing could be done, 2 when the flags are wrong.
Research use only.
"""

import collections
import contextlib
import os
import pathlib
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from types import FrameType

from absl import flags

from experiments import folder_lock, pacs_flags
from raspine import program
from raspine.pacs import audit, database, health, ledger, pseudonym_key
from raspine.pacs.archive import Archive
from raspine.pacs.arrivals import Arrivals
from raspine.pacs.course import Partners, PauseError
from raspine.pacs.database import Database
from raspine.pacs.failures import FailedError, OutageError
from raspine.pacs.incoming import Incoming
from raspine.pacs.ledger import Ledger
from raspine.pacs.reader import Reader
from raspine.pacs.receiver import Hooks, Receiver
from raspine.pacs.roster import digests
from raspine.pacs.sender import Sender
from raspine.pacs.watching import Watcher
from raspine.pacs.worker import Desk, Worker

_ONCE = flags.DEFINE_bool("once", False, "Do what there is to do now, then end.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what would be taken from --dicomweb_url, then end.")
_LIST_DEAD = flags.DEFINE_bool("list_dead", False, "List the jobs that were given up, then end.")
_RETRY_DEAD = flags.DEFINE_bool("retry_dead", False, "Open the jobs that were given up again, then end.")
_DISCARD_DEAD = flags.DEFINE_bool("discard_dead", False, "Refuse the jobs that were given up for good, then end.")
flags.adopt_module_key_flags(pacs_flags)


def main(argv: Sequence[str]) -> None:
    """Works as the flags say."""
    program.check_flags_alone(argv)
    os.umask(0o077)  # whatever is written in the state folder is nobody else's to read
    if _RETRY_DEAD.value and _DISCARD_DEAD.value:
        raise program.UsageError("--retry_dead and --discard_dead: one of them.")
    asked = pacs_flags.request(needs_partners=not _is_of_dead())
    try:
        with _desk(asked.state) as desk:
            _work(desk, asked)
    except sqlite3.Error as error:
        raise program.NothingDone(f"the database in '{asked.state}': {error}.") from error


def _is_of_dead() -> bool:
    return _LIST_DEAD.value or _RETRY_DEAD.value or _DISCARD_DEAD.value


def _work(desk: Desk, asked: pacs_flags.Request) -> None:
    if _is_of_dead():
        print(_dead(desk))
        return
    if asked.archive and (_DRY_RUN.value or _ONCE.value):
        _reach(Archive(asked.archive))  # before models are loaded, which takes long
    with contextlib.closing(_reader(asked)) as reader:
        if _DRY_RUN.value:
            print(_preview(desk, reader, asked))
        elif _ONCE.value:
            print(_once(desk, reader, asked))
        else:
            print(_forever(desk, reader, asked))


def _reach(archive: Archive) -> None:
    try:
        archive.ping()
    except (OutageError, FailedError) as error:
        raise program.NothingDone(str(error)) from error


@contextlib.contextmanager
def _desk(folder: pathlib.Path) -> Iterator[Desk]:
    """Yields the state folder, closed to others."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise program.UsageError(f"--state_dir: '{folder}' cannot be made: {error.strerror}.") from error
    if folder.stat().st_mode & 0o077:
        raise program.UsageError(f"--state_dir: '{folder}' is open to others: it must have mode 0700.")
    with (
        folder_lock.alone(folder, "another worker"),
        contextlib.closing(Database(folder / database.NAME)) as opened,
    ):
        yield Desk(folder, opened, audit.Log(folder), pseudonym_key.load(folder))


def _reader(asked: pacs_flags.Request) -> Reader:
    """Starts the process that reads images; SIGTERM while it loads models ends the program with 0 too."""
    try:
        return Reader(asked.start, asked.job_seconds)
    except KeyboardInterrupt:
        print("stopped before it began to work.")
        raise SystemExit(program.DONE) from None


def _dead(desk: Desk) -> str:
    """Lists the dead jobs, opens or refuses them when that is asked for, and returns the last line."""
    jobs = Ledger(desk.database)
    dead = jobs.dead()
    for job in dead:
        print(f"job {job.number} ({job.kind} {desk.key.of(job.subject)}), given up when {job.died_in}: {job.reason}")
    if _RETRY_DEAD.value:
        jobs.retry_dead()
        line, event = "jobs are open again; the next run of the worker takes them.", audit.RETRIED
    elif _DISCARD_DEAD.value:
        for job in dead:
            jobs.refused(job, job.reason)
        line, event = "jobs are refused; their images go when the worker starts.", audit.REFUSED
    else:
        return f"{len(dead)} jobs were given up; --retry_dead tries them again, --discard_dead refuses them for good."
    for job in dead:
        desk.log.tell(event, job=job.number, kind=job.kind, id=desk.key.of(job.subject))
    return f"{len(dead)} {line}"


def _preview(desk: Desk, reader: Reader, asked: pacs_flags.Request) -> str:
    if asked.archive is None:
        raise program.UsageError("--dry_run looks at --dicomweb_url: give it.")
    models = digests(reader.identities)
    watcher = Watcher(desk.folder, Ledger(desk.database), Arrivals(desk.database), asked.window, models, _silent)
    try:
        plans = watcher.preview(Archive(asked.archive))
    except (OutageError, FailedError) as error:
        raise program.NothingDone(str(error)) from error
    for plan in plans:
        doing = f"would not be handled: {plan.refusal}" if plan.refusal else f"{len(plan.instances)} objects"
        print(f"{plan.kind} {desk.key.of(plan.subject)}: {doing}")
    count = collections.Counter(plan.kind for plan in plans)
    return (
        f"{count[ledger.FILM]} films and {count[ledger.STUDY]} MRI studies would be read, "
        f"{count[ledger.OTHER]} kinds of objects not; nothing was written."
    )


def _once(desk: Desk, reader: Reader, asked: pacs_flags.Request) -> str:
    worker = _worker(desk, reader, asked)
    with _stopping(worker):
        try:
            worker.once()
        except PauseError as pause:
            reason = str(pause).removeprefix(f"{pause.partner}: ")
            raise program.NothingDone(f"{pause.partner}: {reason}") from pause
    return _summary(worker, desk)


def _forever(desk: Desk, reader: Reader, asked: pacs_flags.Request) -> str:
    worker = _worker(desk, reader, asked)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_stopping(worker))
        if asked.health_port is not None:
            place = (asked.health_address, asked.health_port)
            serving = health.serving(*place, worker.status, worker.metrics.registry)
            port = stack.enter_context(_listening("health_port", serving))
            print(f"health page: http://{asked.health_address}:{port}/")
        if asked.listening is not None:
            incoming = Incoming(desk.folder, desk.key, asked.bounds.held_bytes)
            hooks = Hooks(worker.jobs.bytes_held, worker.is_full, worker.take, worker.tell)
            receiving = Receiver(asked.listening, incoming, hooks).listening()
            port = stack.enter_context(_listening("listen_port", receiving))
            print(f"store SCP: {asked.listening.title} on {asked.listening.address}:{port}")
        for kind, one in reader.identities.items():
            print(f"{kind}: model {one.name} {one.version} ({one.variant})")
        print("working; SIGTERM ends it after the job under way.", flush=True)
        worker.run()
    return _summary(worker, desk)


@contextlib.contextmanager
def _listening(flag: str, server: contextlib.AbstractContextManager[int]) -> Iterator[int]:
    """Yields the port of a server, or says which flag named one that cannot be had."""
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(server)
        except OSError as error:
            raise program.NothingDone(f"--{flag}: {error.strerror}.") from error
        yield port


def _worker(desk: Desk, reader: Reader, asked: pacs_flags.Request) -> Worker:
    archive = Archive(asked.archive) if asked.archive else None
    destination = Sender(asked.peer) if asked.peer else archive
    assert destination is not None
    partners = Partners(reader, destination, archive)
    return Worker(desk, partners, asked.window, asked.bounds, asked.poll_seconds)


@contextlib.contextmanager
def _stopping(worker: Worker) -> Iterator[None]:
    """Lets the first SIGTERM or Ctrl-C end the worker after its job, and the second at once."""

    def stop(number: int, _: FrameType | None) -> None:
        worker.stop()
        signal.signal(number, signal.default_int_handler)

    old = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _summary(worker: Worker, desk: Desk) -> str:
    counts = worker.jobs.counts()
    listed = ", ".join(f"{counts[state]} {state}" for state in (ledger.SENT, ledger.REFUSED, ledger.DEAD))
    return f"jobs: {listed}, {worker.jobs.waiting()} waiting; see {desk.folder}/{audit.NAME} (research use only)."


def _silent(*_: object, **__: object) -> None:
    """Tells nobody."""


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

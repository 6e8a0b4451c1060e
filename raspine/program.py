"""How every program starts and ends: help that exits 0, one-line errors, documented exit statuses."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from raspine import atomic

DONE = 0
NOTHING_DONE = 1
WRONG_FLAGS = 2
STOPPED = 75  # sysexits' EX_TEMPFAIL: stopped with its state saved; the same command goes on


class UsageError(Exception):
    """The flags do not fit together; the program ends with status 2 and the one-line message."""


class NothingDone(Exception):  # noqa: N818 - it names an outcome
    """Nothing could be done; the program ends with status 1 and the one-line message."""


def check_new_folder(path: str) -> None:
    """Checks the place of a folder that a program makes.

    Raises:
      UsageError: something other than an empty folder stands there.
    """
    if atomic.has_content(path):
        raise UsageError("the folder of --output_dir exists and is not empty: name another or empty it.")


def check_flags_alone(argv: Sequence[str]) -> None:
    """Checks that a program without arguments got none.

    Args:
      argv: what is left after flag parsing, the program's name first.

    Raises:
      UsageError: there is one.
    """
    if len(argv) > 1:
        raise UsageError(f"unexpected argument '{argv[1]}': everything is given by flags.")


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Parses the flags, runs `main` and exits with 0 (done), 1 (nothing could be done), 2 (flags wrong) or 75 (go on).

    Args:
      main: takes the arguments left after flag parsing (the program's name first); returns a status or None.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    signal.signal(signal.SIGTERM, _interrupt)
    arguments = _parse(sys.argv, main)
    logging.use_absl_handler()
    logging.set_verbosity(flags.FLAGS.verbosity)
    sys.exit(_guarded(main, arguments))


def _interrupt(*_: object) -> None:
    """Ends the program as Ctrl-C does, so that what is half-written is removed."""
    raise KeyboardInterrupt


def _parse(argv: Sequence[str], main: Callable[..., int | None]) -> list[str]:
    app.define_help_flags()
    if set(argv[1:]) & {f"{dash}{name}" for dash in ("-", "--") for name in ("help", "h", "helpshort")}:
        sys.exit(_piped(lambda: _print_help(main)))
    try:
        return flags.FLAGS(argv)
    except (flags.Error, OSError, UnicodeDecodeError) as error:
        print(f"flags: {_line(error)}\nTry --help.", file=sys.stderr)
        sys.exit(WRONG_FLAGS)


def _print_help(main: Callable[..., int | None]) -> None:
    """Prints the program's description and its key flags: its own, and those it adopts from other modules."""
    document = sys.modules[main.__module__].__doc__ or ""
    # absl files the flags of the main module under the program's path.
    module = sys.argv[0] if main.__module__ == "__main__" else main.__module__
    listed = flags.FLAGS.module_help(module).strip().partition("\n")[2]
    print(document.strip(), listed.strip("\n"), sep="\n\nflags:\n\n", end="\n\n")
    print("--flagfile=FILE reads flags from a file, one a line. --helpfull lists every library's flags too.")


def _guarded(main: Callable[[Sequence[str]], int | None], arguments: list[str]) -> int:
    try:
        return _piped(lambda: main(arguments))
    except UsageError as error:
        return _fail(error, WRONG_FLAGS)
    except FileExistsError as error:
        return _fail(error, WRONG_FLAGS)
    except (NothingDone, OSError, ValueError) as error:
        if flags.FLAGS.verbosity > 0:
            traceback.print_exc()
        return _fail(error, NOTHING_DONE)
    except KeyboardInterrupt:
        print("\nstopped by the user; nothing half-written is left.", file=sys.stderr)
        return 130


def _piped(work: Callable[[], int | None]) -> int:
    """Does the work and returns its status, also when whoever read the output is gone."""
    try:
        status = work() or DONE
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it empties its buffer at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOTHING_DONE
    return status


def _fail(error: BaseException, status: int) -> int:
    print(f"error: {_line(error)}", file=sys.stderr)
    return status


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

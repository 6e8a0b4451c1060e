"""What a launcher does with its workers: starts them, again where that may help, and says what went wrong."""

import sys

from experiments import children, local_workers
from raspine import program


def launch(plan: local_workers.Plan, restarts: int) -> int:
    """Runs the workers, again where that may help, says what went wrong, and returns the exit status.

    Args:
      plan: what is started.
      restarts: how often all may be started again.
    """
    ending = local_workers.run(plan)
    while ending.may_go_on and restarts:
        print(f"{_what_happened(ending)}; starting all again ({restarts} left).", file=sys.stderr, flush=True)
        restarts -= 1
        ending = local_workers.run(plan)
    for line in explain(ending, plan):
        print(line, file=sys.stderr)
    return ending.status


def explain(ending: local_workers.Ending, plan: local_workers.Plan) -> list[str]:
    """Returns what a user must know about the end: a line of what happened and what to do, then a worker's last words.

    Args:
      ending: of the workers.
      plan: what was started.
    """
    if ending.first is None or (ending.was_stopped and ending.status == program.STOPPED):
        return []
    weight = "warning" if ending.status == program.DONE else "error"
    lines = [f"{weight}: {_what_happened(ending)}; {_advice(ending)}"]
    log = plan.log(ending.first)
    # Wrong flags are wrong for all: worker 0 has said so already.
    if log is None or ending.statuses[0] == ending.statuses[ending.first]:
        return lines
    return [*lines, f"The end of {log}:", *(f"  {line}" for line in children.last_lines(log))]


def _what_happened(ending: local_workers.Ending) -> str:
    first = ending.first or 0
    return f"worker {first} of {len(ending.statuses)} {children.how_it_ended(ending.statuses[first])}"


def _advice(ending: local_workers.Ending) -> str:
    if ending.status == program.DONE:
        return "worker 0 had done everything by then."
    if ending.status == program.WRONG_FLAGS:
        return "correct the flags after -- and try again."
    if ending.first is not None and ending.statuses[ending.first] == program.NOTHING_DONE:
        return "its message says what to do; afterwards the same command goes on from the last checkpoint."
    return "give the same command again: it goes on from its last checkpoint."

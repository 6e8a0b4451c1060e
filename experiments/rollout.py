r"""Changes which versions of a model TensorFlow Serving answers with: a canary, its promotion, the way back.

    python -m experiments.rollout --config=serving/config/models.config --model=NAME --stable=3 --canary=4
    python -m experiments.rollout --config=serving/config/models.config --model=NAME --stable=4
    python -m experiments.rollout --config=serving/config/models.config --model=NAME --rollback

Writes models.config anew, in one step; a server started with --model_config_file_poll_wait_seconds reads it by itself.
The labelled versions are loaded and no other: `stable` for everybody, `canary` for clients that ask for it
(.../v1/models/NAME/labels/canary), `previous` ready for the way back. A model that is not in the file yet is added with
--stable. Without changes asked for, says what stands.

A version is refused that experiments.export has not left in --models_dir/NAME/VERSION, or that would become stable
without having been loaded as canary: TensorFlow Serving moves a label in use only to a loaded version. So wait until
the canary is AVAILABLE (experiments/serving/smoke.py, or the model's status) before it is promoted. --rollback takes
the canary back or, where there is none, makes the previous version stable again.

Exits with 0 when the file stands as asked for, 1 when the change was refused (the file is as it was), 2 when the flags
are wrong. Needs `pip install 'raspine[serving]'`.
"""

import os
import pathlib
from collections.abc import Sequence

from absl import flags

from experiments.serving import served_versions
from raspine import program

_CONFIG = flags.DEFINE_string("config", None, "models.config of the server.", required=True)
_MODEL = flags.DEFINE_string("model", None, "Name of the model.", required=True)
_STABLE = flags.DEFINE_integer("stable", None, "Version that answers everybody.", lower_bound=1)
_CANARY = flags.DEFINE_integer("canary", None, "Version that answers who asks for it.", lower_bound=1)
_ROLLBACK = flags.DEFINE_bool("rollback", False, "One step back.")
_MODELS_DIR = flags.DEFINE_string(
    "models_dir", "", "Folder of models on this machine; `models` beside the folder of --config unless given."
)


def main(argv: Sequence[str]) -> None:
    """Changes the configuration that the flags name."""
    _check_flags(argv)
    config = served_versions.read(_CONFIG.value)
    now = served_versions.labels(config, _MODEL.value)
    wanted = _wanted(now)
    folder = pathlib.Path(_MODELS_DIR.value or pathlib.Path(_CONFIG.value).absolute().parent.parent / "models")
    served_versions.check_present(folder / _MODEL.value, wanted)
    if wanted != now:
        served_versions.put(config, _MODEL.value, wanted)
        served_versions.write(_CONFIG.value, config)
    told = ", ".join(f"{label} {wanted[label]}" for label in sorted(wanted, key=_rank)) or "not served"
    print(f"{_MODEL.value}: {told} ({'written to' if wanted != now else 'as before in'} {_CONFIG.value})")


def _wanted(now: served_versions.Labels) -> served_versions.Labels:
    if _ROLLBACK.value:
        return served_versions.rolled_back(now)
    if _STABLE.value is None and _CANARY.value is None:
        return now
    return served_versions.rolled_out(now, _STABLE.value, _CANARY.value)


def _rank(label: str) -> tuple[int, str]:
    order = (served_versions.STABLE, served_versions.CANARY, served_versions.PREVIOUS)
    return (order.index(label) if label in order else len(order), label)


def _check_flags(argv: Sequence[str]) -> None:
    program.check_flags_alone(argv)
    if not os.path.isfile(_CONFIG.value):
        raise program.UsageError(f"--config: no file '{_CONFIG.value}'.")
    if not served_versions.NAME.fullmatch(_MODEL.value):
        raise program.UsageError(f"--model is letters, digits, '_' and '-'. Received: '{_MODEL.value}'.")
    if _ROLLBACK.value and (_STABLE.value is not None or _CANARY.value is not None):
        raise program.UsageError("--rollback goes without --stable and --canary.")


def run() -> None:
    """Parses the flags and runs the program."""
    program.run(main)


if __name__ == "__main__":
    run()

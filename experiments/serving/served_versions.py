"""Which versions of a model TensorFlow Serving loads and what they are called: models.config read, changed, written.

A label in use moves only to a version that is loaded: TensorFlow Serving refuses the rest. So a version begins as
`canary`, becomes `stable`, and the one before stays loaded as `previous` until the next one takes its place.
"""

import os
import pathlib
import re

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from raspine import atomic

STABLE, CANARY, PREVIOUS = "stable", "canary", "previous"
SERVER_FOLDER = "/models"  # where the server sees the folder of models
SAVED_MODEL = "saved_model.pb"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

Labels = dict[str, int]


class RolloutError(ValueError):
    """The change is refused; the one-line message says why and what to do."""


def read(path: str | os.PathLike[str]) -> ModelServerConfig:
    """Returns the configuration in a file.

    Raises:
      RolloutError: it is no ModelServerConfig as text, or holds no list of models.
    """
    try:
        config = text_format.Parse(pathlib.Path(path).read_text(encoding="utf-8"), ModelServerConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise RolloutError(f"'{path}' is no ModelServerConfig as text: {error}") from error
    if config.WhichOneof("config") != "model_config_list":
        raise RolloutError(f"'{path}' has no model_config_list.")
    return config


def write(path: str | os.PathLike[str], config: ModelServerConfig) -> None:
    """Puts a configuration in the place of a file, whole or not at all; comments at its beginning and its mode stay."""
    place = pathlib.Path(path)
    comments = re.match(r"(?:#[^\n]*\n|\s)*", place.read_text(encoding="utf-8"))
    with atomic.atomic_file(place) as aside:
        head = comments.group() if comments else ""
        aside.write_text(head + text_format.MessageToString(config), encoding="utf-8")
        aside.chmod(place.stat().st_mode & 0o777)
        atomic.sync(aside)


def labels(config: ModelServerConfig, model: str) -> Labels:
    """Returns the version behind each label of a model; none for a model that is not there."""
    return dict(next((one.version_labels for one in config.model_config_list.config if one.name == model), {}))


def put(config: ModelServerConfig, model: str, wanted: Labels) -> None:
    """Has a configuration serve the labelled versions of a model, and no other of it; a new model is added."""
    entries = config.model_config_list.config
    entry = next((one for one in entries if one.name == model), None)
    if entry is None:
        entry = entries.add(name=model, base_path=f"{SERVER_FOLDER}/{model}", model_platform="tensorflow")
    entry.model_version_policy.specific.versions[:] = sorted(set(wanted.values()))
    entry.version_labels.clear()
    entry.version_labels.update(wanted)


def rolled_out(now: Labels, stable: int | None, canary: int | None) -> Labels:
    """Returns the labels once `stable` answers everybody and `canary` those who ask for it.

    Args:
      now: the version behind each label.
      stable: the version to promote; None leaves it.
      canary: the version to try; None leaves it, and ends it where it is promoted.

    Raises:
      RolloutError: a label in use would move to a version that is not loaded, or two labels would be one version.
    """
    wanted = dict(now)
    if stable is not None and stable != now.get(STABLE):
        if STABLE in now and stable not in now.values():
            raise RolloutError(f"version {stable} is not loaded: make it the canary first, then stable.")
        if STABLE in now:
            wanted[PREVIOUS] = now[STABLE]
        wanted[STABLE] = stable
        if now.get(CANARY) == stable:
            del wanted[CANARY]
    if canary is not None and canary != wanted.get(CANARY):
        if CANARY in wanted:
            raise RolloutError(
                f"version {wanted[CANARY]} is the canary: promote it or take it back (--rollback) first."
            )
        wanted[CANARY] = canary
    if STABLE not in wanted:
        raise RolloutError("the model has no stable version yet: name one.")
    if wanted.get(CANARY) == wanted[STABLE]:
        raise RolloutError(f"version {wanted[STABLE]} is stable: a canary is another one.")
    return wanted


def rolled_back(now: Labels) -> Labels:
    """Returns the labels one step back: without the canary or, where there is none, with the previous version stable.

    Raises:
      RolloutError: there is neither.
    """
    wanted = dict(now)
    if wanted.pop(CANARY, None) is not None:
        return wanted
    if PREVIOUS not in wanted:
        raise RolloutError("there is no canary to take back and no previous version to go back to.")
    wanted[STABLE] = wanted.pop(PREVIOUS)
    return wanted


def check_present(folder: pathlib.Path, wanted: Labels) -> None:
    """Checks that every labelled version is exported.

    Raises:
      RolloutError: one is not, or is no whole model.
    """
    for label, version in wanted.items():
        if not (folder / str(version) / SAVED_MODEL).is_file():
            there = sorted(
                int(path.parent.name) for path in folder.glob(f"*/{SAVED_MODEL}") if path.parent.name.isdecimal()
            )
            listed = ", ".join(map(str, there)) or "none"
            raise RolloutError(f"{label}: no version {version} in '{folder}'. There: {listed}.")

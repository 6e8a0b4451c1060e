"""The readers of outside bytes, each with what it may raise, sound input and ways to spoil it."""

import dataclasses
import importlib
import random
from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
      read: takes the bytes, raises `errors` for bytes it refuses, and returns messages that it gave besides.
      errors: what it documents to raise.
      seeds: makes sound input by name.
      mutate: spoils one, or returns it as it is.
      own: whether the error must be raised by a line of this project: with a class as wide as ValueError one could
        come from anywhere.
    """

    read: Callable[[bytes], object]
    errors: tuple[type[BaseException], ...]
    seeds: Callable[[], Mapping[str, bytes]]
    mutate: Callable[[bytes, random.Random], bytes]
    own: bool = True


MODULES = {
    "film": "film",
    "study": "study",
    "nifti": "nifti",
    "film_answer": "answers",
    "study_answer": "answers",
    "labels": "tables",
    "outcomes": "tables",
    "clinical": "tables",
    "records_csv": "tables",
    "schema": "documents",
    "manifest": "documents",
    "checkpoint": "documents",
    "film_record": "records",
    "study_record": "records",
    "shard": "records",
    "landmarker": "models",
    "risk": "models",
    "safetensors": "weights",
    "pth": "weights",
    "hdf5": "weights",
    "rest_body": "requests",
    "grpc_body": "requests",
    "rest_answer": "requests",
    "stored_object": "requests",
}


def load(name: str) -> Target:
    """Returns a target; imports what it reads with."""
    module = importlib.import_module(f"fuzz.targets.{MODULES[name]}")
    target: Target = module.TARGETS[name]
    return target

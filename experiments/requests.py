"""What every evaluation is asked for, whatever its task, and how damaged shards are reported."""

import contextlib
import dataclasses
from collections.abc import Iterator

import tensorflow as tf

from raspine import program


@dataclasses.dataclass(frozen=True)
class Request:
    """A model, data and a place for what comes out.

    Attributes:
      model: the model directory.
      data: the data folder.
      split: `train`, `validation` or `test`.
      output_dir: the folder to make.
      batch: films or studies that go through the network together.
    """

    model: str
    data: str
    split: str
    output_dir: str
    batch: int


@contextlib.contextmanager
def shards_read() -> Iterator[None]:
    """Turns TensorFlow's complaint about a shard into one line.

    Raises:
      NothingDone: a shard is damaged, or of another version.
    """
    try:
        yield
    except tf.errors.OpError as error:
        raise program.NothingDone(
            f"a shard is damaged or of another version: {error.message.splitlines()[0]}"
        ) from error

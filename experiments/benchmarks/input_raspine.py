"""Contestant: a batch of augmented films from raspine's pipeline."""

from typing import Any

from experiments.benchmarks import child, raspine_network, tensors
from raspine.inputs import augmentation, films


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns the next batch, from films kept in memory or from their records."""
    raspine_network.prepare(spec)
    pipeline = films.Pipeline(tensors.LANDMARKS, spec["size"], spec["size"], spec["batch"], spec["cache"])
    shards = films.shards(spec["folder"], "train")
    batches = iter(films.training(shards, pipeline, augmentation.Augmentation(), 1, spec["films"]))
    return child.Subject(lambda: next(batches), raspine_network.versions())


if __name__ == "__main__":
    child.serve(prepare)

"""Programs: train, evaluate, predict, export, demo; a flag file per experiment."""

from raspine import quiet

quiet.hush_tensorflow()

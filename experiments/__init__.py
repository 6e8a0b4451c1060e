"""Programs: train, evaluate, predict, export, demo; a flag file per experiment."""

"""A power cut at a known moment of a run: what is on the disk by then stays, what the process held is gone."""

import pytest

from raspine.training import callbacks


class PowerCutError(Exception):
    """Ends a run as a power cut would."""


def after_saves(count: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Cuts the run once its keeper has saved so often; returns the list that the saved steps are added to."""
    save, steps = callbacks.Keeper.save, list[int]()

    def cut(self: callbacks.Keeper, position: callbacks.Position) -> None:
        save(self, position)
        steps.append(position.step)
        if len(steps) == count:
            raise PowerCutError

    monkeypatch.setattr(callbacks.Keeper, "save", cut)
    return steps

"""The folder that experiments.dicom_results leaves: objects under running numbers, and which is of what."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage, GrayscaleSoftcopyPresentationStateStorage, SecondaryCaptureImageStorage

from experiments import prediction
from raspine import atomic, provenance
from raspine.dicom_results import equipment

_KINDS = {
    ComprehensiveSRStorage: equipment.REPORT,
    GrayscaleSoftcopyPresentationStateStorage: equipment.OVERLAY,
    SecondaryCaptureImageStorage: equipment.CAPTURE,
}
_PRIVATE, _PUBLIC = 0o600, 0o666


@dataclasses.dataclass(frozen=True, eq=False)
class Made:
    """What became of one input.

    Attributes:
      name: the input as given.
      objects: those of it, or why there are none.
      facts: further entries of its row in index.json.
    """

    name: str
    objects: Sequence[Dataset] | str
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class ObjectFolder:
    """Writes objects one after the other.

    Args:
      place: the folder.
      private: whether the files are readable by their owner alone.
    """

    def __init__(self, place: pathlib.Path, private: bool) -> None:
        self._place, self._mode = place, _PRIVATE if private else _PUBLIC
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, objects: Sequence[Dataset], facts: Mapping[str, Any]) -> None:
        """Writes the objects of one input."""
        number = len(self.rows) + 1
        written = [self._write(number, one) for one in objects]
        self.rows.append({"input": name, **facts, "objects": written})

    def close(self, refused: Mapping[str, str]) -> None:
        """Writes index.json and refused.csv.

        Args:
          refused: why, by the name of the input.
        """
        facts = {**provenance.describe(), "use": equipment.RESEARCH_USE, "inputs": self.rows}
        atomic.write_json(self._place / "index.json", facts)
        prediction.write_refused(self._place, refused)

    def _write(self, number: int, one: Dataset) -> dict[str, str]:
        kind = _KINDS[one.SOPClassUID]
        file = f"{number:05d}_{kind}.dcm"
        descriptor = os.open(self._place / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode)
        with open(descriptor, "wb") as stream:
            one.save_as(stream, enforce_file_format=True)
        return {
            "file": file,
            "kind": kind,
            "sop_instance_uid": one.SOPInstanceUID,
            "series_instance_uid": one.SeriesInstanceUID,
        }

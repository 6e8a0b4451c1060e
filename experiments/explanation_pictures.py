"""The pictures of explained studies, and what explanations.json says of each."""

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorboard.plugins.image import metadata

from raspine import drawing, risk, study_records
from raspine.explanation import examples, explained, gradcam, methods, overlay, sheet

_COLOURS = {"positive": "#ff8a7a", "negative": "#8fd3ff"}
_RANDOM = "red: of a network with freshly drawn weights, not of the one that gave the risk"
_ACROSS = 2  # examples side by side on the sheet
_IN_A_ROW = 6  # slices of an example on the sheet
Explained = tuple[examples.Example, study_records.StudyRecord]


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """Draws the maps of some studies.

    Attributes:
      model: gave the risks.
      networks: explain the trained network, then those with freshly drawn weights.
      sign: 1 or -1.
    """

    model: risk.RiskModel
    networks: Sequence[gradcam.Explainer]
    sign: int

    def draw(self, folder: pathlib.Path, shown: Sequence[Explained], chosen: Sequence[str]) -> list[dict[str, Any]]:
        """Writes all pictures and returns what explanations.json says of the examples.

        Args:
          folder: to write into.
          shown: the examples with their records.
          chosen: methods, of `methods.METHODS`.
        """
        entries = []
        with tf.summary.create_file_writer(str(folder / "tensorboard")).as_default(step=0):
            for method in chosen:
                maps = self._maps([record for _, record in shown], method)
                entries += self._each(folder, shown, maps, method)
                end = "" if method == chosen[0] else f"_{method}"
                self._sheet(folder / f"figure6{end}.png", shown, [found[0] for found in maps], method)
                if len(self.networks) > 1:
                    drawn = [found[1] for found in maps]
                    self._sheet(folder / f"figure6{end}_randomised.png", shown, drawn, method, random=True)
        return entries

    def _maps(self, records: Sequence[study_records.StudyRecord], method: str) -> list[tuple[explained.Maps, ...]]:
        """Returns each study's map by each network."""
        inputs = explained.network_inputs(self.model, records)
        found = [explained.maps(network, inputs, method, self.sign) for network in self.networks]
        return list(zip(*found, strict=True))

    def _each(
        self, folder: pathlib.Path, shown: Sequence[Explained], maps: Sequence[Sequence[explained.Maps]], method: str
    ) -> list[dict[str, Any]]:
        entries = []
        for (example, record), found in zip(shown, maps, strict=True):
            name = f"{example.name}_{method}"
            picture = self._picture(example, record, found[0], method)
            drawing.write_png(folder / f"{name}.png", picture)
            _to_tensorboard(name.replace("+", "p"), picture, folder / f"{name}.png")
            entries.append(self._entry(example, record, found, method, f"{name}.png"))
        return entries

    def _picture(
        self,
        example: examples.Example,
        record: study_records.StudyRecord,
        found: explained.Maps,
        method: str,
        columns: int = 3,
        random: bool = False,
    ) -> drawing.Picture:
        lines = [f"{example.study}: {examples.TITLES[example.group]}"]
        lines += [f"flags: {', '.join(record.flags)}"] if record.flags else []
        lines += [_RANDOM] if random else []
        heading = f"Risk {example.risk:.2f}: {example.verdict}"
        title = methods.TITLES[method] + self._against(method)
        caption = overlay.Caption(heading, title, lines, _COLOURS[example.verdict])
        pixels = explained.seen(self.model, record).slices
        relative = gradcam.normalised(found[None])[0]
        return overlay.picture(pixels, relative, record.positions_mm, caption, record.spacing_mm, columns=columns)

    def _against(self, method: str) -> str:
        return " (against)" if self.sign == -1 and method not in methods.GRADIENTS else ""

    def _sheet(
        self,
        path: pathlib.Path,
        shown: Sequence[Explained],
        maps: Sequence[explained.Maps],
        method: str,
        random: bool = False,
    ) -> None:
        rows: list[list[drawing.Picture]] = []
        for _, members in itertools.groupby(zip(shown, maps, strict=True), lambda pair: pair[0][0].group):
            columns = min(self.model.settings.choice.count, _IN_A_ROW)
            pictures = [self._picture(*one, found, method, columns, random) for one, found in members]
            rows += [pictures[start : start + _ACROSS] for start in range(0, len(pictures), _ACROSS)]
        drawing.write_png(path, sheet.grid(rows))

    def _entry(
        self,
        example: examples.Example,
        record: study_records.StudyRecord,
        found: Sequence[explained.Maps],
        method: str,
        picture: str,
    ) -> dict[str, Any]:
        own, *others = found
        affine, count = explained.seen(self.model, record).affine, self.model.settings.choice.count
        return {
            "study": example.study,
            "outcome": None if example.outcome == study_records.UNKNOWN else example.outcome,
            "risk": example.risk,
            "verdict": example.verdict,
            "group": example.group,
            "method": method,
            "picture": picture,
            "empty": bool(gradcam.empty(own[None])[0]),
            "peak": explained.peak(own, affine, count),
            "randomised_correlation": [explained.likeness(own, other) for other in others],
        }


def _to_tensorboard(tag: str, picture: drawing.Picture, path: pathlib.Path) -> None:
    """Sends a picture as it stands in its file: `tf.summary.image` encodes once more, for longer than a map takes."""
    height, width = picture.shape[:2]
    parts = [str(width).encode(), str(height).encode(), path.read_bytes()]
    about = metadata.create_summary_metadata(display_name="", description="")
    tf.summary.write(tag, tf.constant(parts), metadata=about)

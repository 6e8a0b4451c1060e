r"""Writes a landmark model as a SavedModel for TensorFlow Serving: from grey values and spacing to points and mm.

    python -m experiments.export --model=run/best --output_dir=DIR

Leaves DIR/NAME/VERSION/, the version one above the highest there. Its signature `serving_default` takes `image`
(uint16 [batch, height, width], canonical grey values as displayed, white is 65535) and `pixel_spacing` (float32
[batch, 2], row and column in mm, NaN NaN where unknown) and gives `points_px`, `confidence`, each distance as
NAME_mm, and `verdict` (1 positive, 0 negative, -1 none). model.json in the folder names the landmarks and rules.
The exported model is run in a process of its own and compared with the model before the folder appears.

Exits with 0 when a version was written, 1 when the exported model does not agree (nothing is left), 2 when the flags
are wrong. Research use only.
"""

import os
from collections.abc import Sequence

from absl import flags

from experiments import models, thresholds
from raspine import landmarker, program
from raspine.serving import export

_MODEL = flags.DEFINE_string("model", None, "Model directory: best/ or last/ of a run.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of models; may exist.", required=True)
_NAME = flags.DEFINE_string("name", "", "Name of the model; the schema's by default.")
_THRESHOLDS = flags.DEFINE_list("thresholds", [], thresholds.HELP)


def main(argv: Sequence[str]) -> None:
    """Exports the model that the flags name."""
    if len(argv) > 1:
        raise program.UsageError(f"unexpected argument '{argv[1]}': everything is given by flags.")
    if _NAME.value and not export.NAME.fullmatch(_NAME.value):
        raise program.UsageError(f"--name is letters, digits, '_' and '-'. Received: '{_NAME.value}'.")
    if os.path.exists(_OUTPUT_DIR.value) and not os.path.isdir(_OUTPUT_DIR.value):
        raise program.UsageError("--output_dir is a file: name a folder.")
    if models.task(_MODEL.value) != landmarker.TASK:
        raise program.UsageError(
            "--model: only a landmark model is exported so far; this one gives the risk of deformity."
        )
    model = _with_thresholds(models.load(_MODEL.value))
    folder = export.write(model, _OUTPUT_DIR.value, _NAME.value or model.schema.name)
    print(f"exported and compared with the model: {folder}")


def _with_thresholds(model: landmarker.Landmarker) -> landmarker.Landmarker:
    return model.with_schema(thresholds.apply(model.schema, _THRESHOLDS.value))


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

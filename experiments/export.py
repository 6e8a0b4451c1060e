r"""Writes a model as a SavedModel for TensorFlow Serving: everything from pixels to the answer stands in its graph.

    python -m experiments.export --model=run/best --output_dir=models
    python -m experiments.export --model=risk/best --output_dir=models --name=neck --variant=float32 --variant=fast

Leaves models/NAME/VERSION/, the version one above the highest there; NAME is the schema's or `deformity`. Variants
other than float32 are models of their own, NAME_folded and NAME_fast: `folded` is faster on CPUs and moves a point by
up to 1e-4 of the film's side, `fast` computes in bfloat16, for CPUs with AMX and accelerators, and moves more; the
model card says how much on trial pictures.

A landmark model takes films with their pixel spacing and gives points, confidence, distances in mm and verdict; a risk
model takes slices and gives risk and verdict, and with the gradcam signatures the map. Each takes uint16 arrays
(serving_default, gradcam), grey PNGs of 8 or 16 bit (serve_png, gradcam_png) and records of data_prep (serve_example,
gradcam_example). `describe` answers with the model's card, assets/model.json.

Before a version appears it is loaded in a process without raspine (--loader=c: by TensorFlow's C++ loader, without
TensorFlow's Python) and must answer as the model does.

Exits with 0 when all variants were written, 1 when an exported model does not agree (nothing of it is left), 2 when the
flags are wrong. Research use only.
"""

import os
from collections.abc import Sequence

from absl import flags

from experiments import models, risk_threshold, thresholds
from raspine import landmarker, program, risk
from raspine.serving import export, fresh_process

_MODEL = flags.DEFINE_string("model", None, "Model directory: best/ or last/ of a run.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of models; may exist.", required=True)
_NAME = flags.DEFINE_string("name", "", "Name of the model on a server; the schema's, or `deformity`, by default.")
_VARIANTS = flags.DEFINE_multi_enum(
    "variant", [export.VARIANTS[0]], export.VARIANTS, "How it computes; give it again for a further one."
)
_LOADER = flags.DEFINE_enum(
    "loader", fresh_process.PYTHON, fresh_process.LOADERS, "What the exported model is loaded with when it is checked."
)
_THRESHOLDS = flags.DEFINE_list("thresholds", [], thresholds.HELP)
flags.adopt_module_key_flags(risk_threshold)


def main(argv: Sequence[str]) -> None:
    """Exports the model that the flags name."""
    program.check_flags_alone(argv)
    if _NAME.value and not export.NAME.fullmatch(_NAME.value):
        raise program.UsageError(f"--name is letters, digits, '_' and '-'. Received: '{_NAME.value}'.")
    if os.path.exists(_OUTPUT_DIR.value) and not os.path.isdir(_OUTPUT_DIR.value):
        raise program.UsageError("--output_dir is a file: name a folder.")
    risk_threshold.check()
    model = _model()
    name = _NAME.value or model.identity.name
    for variant in dict.fromkeys(_VARIANTS.value):
        called = name if variant == export.VARIANTS[0] else f"{name}_{variant}"
        written = export.write(model, _OUTPUT_DIR.value, called, variant, _LOADER.value)
        if not written.warmed:
            print("without warm-up requests: pip install 'raspine[serving]' brings what writes them.")
        print(f"exported and compared with the model: {written.folder}")


def _model() -> landmarker.Landmarker | risk.RiskModel:
    if models.task(_MODEL.value) == landmarker.TASK:
        if given := [name for name in risk_threshold.NAMES if flags.FLAGS[name].present]:
            raise program.UsageError(f"--{given[0]} is not for a model of {landmarker.TASK}.")
        film_model = models.load(_MODEL.value)
        return film_model.with_schema(thresholds.apply(film_model.schema, _THRESHOLDS.value))
    if _THRESHOLDS.value:
        raise program.UsageError(f"--thresholds is not for a model of {risk.TASK}.")
    model, fixed = models.load_risk(_MODEL.value), risk_threshold.fixed()
    return model.with_threshold(fixed[0]) if fixed else model


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

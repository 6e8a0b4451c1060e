"""Shows where in the slices a risk model's verdicts come from, and whether its maps mean anything.

    python -m experiments.explain --model=run/best --data=DIR --split=test --output_dir=DIR

Takes examples of true and false positives and negatives: of those called positive the highest risks, of the others
the lowest; or the studies of --studies. Red marks what speaks for the finding (with --sign=-1: against it).

Leaves in --output_dir: a picture for each example and method, say tp_1_S00012_gradcam.png; figure6.png with all
of them; explanations.json (risk, verdict and group of each, whether its map is empty, where in the patient its peak
is, in mm of DICOM's frame); and tensorboard/ with the same pictures.

A map that looks the same for a network with freshly drawn weights shows edges and not what was learnt. So the same
maps are made with such networks: figure6_randomised.png, and the correlation of both maps in explanations.json. Where
the sign is known, as in synthetic studies, --masks names a folder with a NIfTI mask for each study, S00001.nii.gz, on
any grid. The share of the maps' energy inside the widened mask, over all studies of the split whose mask has a voxel,
then stands in explanations.json beside that of the random networks and of a map that is the same everywhere; for each
label of the masks too, if they have several.

Exits with 0 when something was explained, 1 when there was nothing, 2 when the flags are wrong.
"""

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import flags
from tqdm import tqdm

from experiments import models, requests, risk_threshold, study_data
from raspine import atomic, drawing, program, provenance, risk, study_records
from raspine.evaluation import studies
from raspine.explanation import energy, examples, explained, gradcam, masks, overlay, sanity, sheet
from raspine.inputs import studies as shards
from raspine.training import deformity

_MODEL = flags.DEFINE_string("model", None, "Model directory of a risk model.", required=True)
_DATA = flags.DEFINE_string("data", None, "Data set of data_prep.mri.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "Which studies.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make.", required=True)
_METHOD = flags.DEFINE_enum("method", "gradcam", [*gradcam.METHODS, "both"], "Which maps.")
_SIGN = flags.DEFINE_enum("sign", "1", ["1", "-1"], "1: what speaks for the finding, -1: what speaks against it.")
_EXAMPLES = flags.DEFINE_integer("examples", 2, "Studies of each of TP, TN, FP and FN.", lower_bound=1)
_STUDIES = flags.DEFINE_list("studies", [], "Pseudonyms of the studies to explain instead, S00001,S00002.")
_MASKS = flags.DEFINE_string("masks", None, "Folder with NIfTI masks of the sign, S00001.nii.gz; 0 is background.")
_DILATE = flags.DEFINE_float("dilate_mm", 8.0, "How far around a mask counts as inside it.", 0, 100)
_SANITY = flags.DEFINE_bool("sanity", True, "Make the maps with freshly drawn weights too.")
_DRAWS = flags.DEFINE_integer("draws", 3, "Networks with freshly drawn weights.", lower_bound=1, upper_bound=100)
_SEED = flags.DEFINE_integer("seed", 0, "Of the freshly drawn weights.", lower_bound=0)
_BATCH = flags.DEFINE_integer("batch", 4, "Studies that go through the network together.", lower_bound=1)
flags.adopt_module_key_flags(risk_threshold)

_NAMES = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++"}
_COLOURS = {"positive": "#ff8a7a", "negative": "#8fd3ff"}
_RANDOM = "red: of a network with freshly drawn weights, not of the one that gave the risk"
_ACROSS = 2  # examples side by side on the sheet
_IN_A_ROW = 6  # slices of an example on the sheet
Explained = tuple[examples.Example, study_records.StudyRecord]


def main(argv: Sequence[str]) -> None:
    """Explains what the flags name."""
    files, fixed = _check_flags(argv)
    model = models.load_risk(_MODEL.value)
    data = study_data.open_for(model, _DATA.value)
    threshold, source = fixed or risk_threshold.own(model)
    with requests.shards_read():
        batches = study_data.batches(model, data, _SPLIT.value, _BATCH.value)
        found = studies.scored(model, batches, data.studies.get(_SPLIT.value), progress=True)
        chosen = _examples(found, threshold)
        measured = _signs_of(found, files)
        networks = _networks(model, found)
        shown = _records(chosen)
        with atomic.atomic_directory(_OUTPUT_DIR.value) as folder:
            entries = _explain(folder, model, networks, shown)
            facts = {
                "threshold": threshold,
                "threshold_source": source,
                "sign": int(_SIGN.value),
                "examples": entries,
                "energy": _energy(model, networks, measured) if measured else None,
                "randomised_networks": len(networks) - 1,
                "notes": study_data.notes(model, data),
                **_provenance(model, data),
            }
            atomic.write_json(folder / "explanations.json", facts)
    _say_end(facts)


def _check_flags(argv: Sequence[str]) -> tuple[dict[str, pathlib.Path], risk_threshold.Fixed | None]:
    """Returns the mask files by study, and the threshold that the flags fix."""
    if len(argv) > 1:
        raise program.UsageError(f"unexpected argument '{argv[1]}': everything is given by flags.")
    if atomic.has_content(_OUTPUT_DIR.value):
        raise program.UsageError("the folder of --output_dir exists and is not empty: name another or empty it.")
    if _STUDIES.value and flags.FLAGS["examples"].present:
        raise program.UsageError("--studies names the examples: leave out --examples.")
    if len(set(_STUDIES.value)) < len(_STUDIES.value):
        raise program.UsageError("--studies names a study twice.")
    if not _SANITY.value and flags.FLAGS["draws"].present:
        raise program.UsageError("--draws is for --sanity.")
    if flags.FLAGS["dilate_mm"].present and not _MASKS.value:
        raise program.UsageError("--dilate_mm is for --masks.")
    risk_threshold.check()
    try:
        files = masks.find(_MASKS.value) if _MASKS.value else {}
    except masks.MaskError as error:
        raise program.UsageError(f"--masks: {error}") from error
    if models.task(_MODEL.value) != risk.TASK:
        raise program.UsageError("--model: only a risk model is explained; this one finds landmarks.")
    return files, risk_threshold.fixed()


def _methods() -> tuple[str, ...]:
    return gradcam.METHODS if _METHOD.value == "both" else (_METHOD.value,)


def _examples(found: studies.Studies, threshold: float) -> list[examples.Example]:
    if not _STUDIES.value:
        chosen = examples.choose(found, threshold, _EXAMPLES.value)
        if not chosen:
            raise program.NothingDone("no study has a known outcome: name some with --studies.")
        return chosen
    try:
        return examples.named(found, threshold, _STUDIES.value)
    except KeyError as error:
        raise program.UsageError(f"--studies: the split {_SPLIT.value} has no study {error}.") from error


def _signs_of(found: studies.Studies, files: Mapping[str, pathlib.Path]) -> dict[str, pathlib.Path]:
    """Returns the masks of the split's studies."""
    measured = {name: files[name] for name in found.names if name in files}
    if files and not measured:
        raise program.UsageError(
            f"--masks: no study of the split {_SPLIT.value} has a mask: they are named after their pseudonyms, say "
            f"{found.names[0]}.nii.gz."
        )
    return measured


def _networks(model: risk.RiskModel, found: studies.Studies) -> list[gradcam.Explainer]:
    """Returns explainers of the trained network, then of those with freshly drawn weights."""
    made = [gradcam.Explainer(model.network, _BATCH.value)]
    if _SANITY.value:
        first = list(itertools.islice(_stored(found.names), _BATCH.value))
        typical = explained.network_inputs(model, first)
        for draw in range(_DRAWS.value):
            fresh = sanity.randomised(model.network, _SEED.value * 1000 + draw, typical)
            made.append(gradcam.Explainer(fresh, _BATCH.value))
    return made


def _stored(names: Sequence[str]) -> Any:
    return studies.records_of(shards.shards(_DATA.value, _SPLIT.value), set(names))


def _records(chosen: Sequence[examples.Example]) -> list[Explained]:
    records = {record.study: record for record in _stored([example.study for example in chosen])}
    return [(example, records[example.study]) for example in chosen]


def _explain(
    folder: pathlib.Path, model: risk.RiskModel, networks: Sequence[gradcam.Explainer], shown: Sequence[Explained]
) -> list[dict[str, Any]]:
    """Writes all pictures and returns what explanations.json says of the examples."""
    entries = []
    with tf.summary.create_file_writer(str(folder / "tensorboard")).as_default(step=0):
        for method in _methods():
            maps = [_maps(model, networks, record, method) for _, record in shown]
            for (example, record), found in zip(shown, maps, strict=True):
                name = f"{example.name}_{method}"
                picture = _picture(model, example, record, found[0], _NAMES[method])
                drawing.write_png(folder / f"{name}.png", picture)
                tf.summary.image(name.replace("+", "p"), picture[None])
                entries.append(_entry(model, example, record, found, method, f"{name}.png"))
            of_method = "" if method == _methods()[0] else f"_{method}"
            _sheet(folder / f"figure6{of_method}.png", model, shown, [found[0] for found in maps], _NAMES[method])
            if len(networks) > 1:
                path = folder / f"figure6{of_method}_randomised.png"
                _sheet(path, model, shown, [found[1] for found in maps], _NAMES[method], random=True)
    return entries


def _maps(
    model: risk.RiskModel, networks: Sequence[gradcam.Explainer], record: study_records.StudyRecord, method: str
) -> list[explained.Maps]:
    """Returns a study's map by each network."""
    inputs = explained.network_inputs(model, [record])
    return [explained.maps(network, inputs, method, int(_SIGN.value))[0] for network in networks]


def _picture(
    model: risk.RiskModel,
    example: examples.Example,
    record: study_records.StudyRecord,
    found: explained.Maps,
    title: str,
    columns: int = 3,
    random: bool = False,
) -> drawing.Picture:
    lines = [f"{example.study}: {examples.TITLES[example.group]}"]
    lines += [f"flags: {', '.join(record.flags)}"] if record.flags else []
    lines += [_RANDOM] if random else []
    against = " (against)" if _SIGN.value == "-1" else ""
    heading = f"Risk {example.risk:.2f}: {example.verdict}"
    caption = overlay.Caption(heading, title + against, lines, _COLOURS[example.verdict])
    pixels = explained.seen(model, record).slices
    relative = gradcam.normalised(found[None])[0]
    return overlay.picture(pixels, relative, record.positions_mm, caption, record.spacing_mm, columns=columns)


def _sheet(
    path: pathlib.Path,
    model: risk.RiskModel,
    shown: Sequence[Explained],
    maps: Sequence[explained.Maps],
    title: str,
    random: bool = False,
) -> None:
    rows: list[list[drawing.Picture]] = []
    for _, members in itertools.groupby(zip(shown, maps, strict=True), lambda pair: pair[0][0].group):
        columns = min(model.settings.choice.count, _IN_A_ROW)
        pictures = [_picture(model, *one, found, title, columns, random) for one, found in members]
        rows += [pictures[start : start + _ACROSS] for start in range(0, len(pictures), _ACROSS)]
    drawing.write_png(path, sheet.grid(rows))


def _entry(
    model: risk.RiskModel,
    example: examples.Example,
    record: study_records.StudyRecord,
    found: Sequence[explained.Maps],
    method: str,
    picture: str,
) -> dict[str, Any]:
    own, *others = found
    return {
        "study": example.study,
        "outcome": None if example.outcome == study_records.UNKNOWN else example.outcome,
        "risk": example.risk,
        "verdict": example.verdict,
        "group": example.group,
        "method": method,
        "picture": picture,
        "empty": bool(gradcam.empty(own[None])[0]),
        "peak": explained.peak(own, explained.seen(model, record).affine, model.settings.choice.count),
        "randomised_correlation": [explained.likeness(own, other) for other in others],
    }


def _energy(
    model: risk.RiskModel, networks: Sequence[gradcam.Explainer], files: Mapping[str, pathlib.Path]
) -> dict[str, Any]:
    """Returns the shares of energy at the sign, over all studies whose mask has a voxel."""
    trained, *randomised = networks
    meter = energy.Meter(model, trained, randomised, _methods(), int(_SIGN.value), _DILATE.value)
    batch: list[tuple[study_records.StudyRecord, energy.Labels]] = []
    with tqdm(total=len(files), desc="energy at the sign", unit="study", delay=2) as progress:

        def counted() -> Any:
            for record in _stored(list(files)):
                progress.update()
                yield record

        signs = iter(energy.with_masks(model, counted(), files))
        while batch := list(itertools.islice(signs, _BATCH.value)):
            meter.add([record for record, _ in batch], [mask for _, mask in batch])
    return meter.figures()


def _provenance(model: risk.RiskModel, data: deformity.Data) -> dict[str, Any]:
    return {
        "split": _SPLIT.value,
        "choice": data.choice.to_dict(),
        "data_hash": data.data_hash,
        "model": model.card,
        **provenance.describe(),
    }


def _say_end(facts: Mapping[str, Any]) -> None:
    entries, parts = facts["examples"], []
    if empty := sum(entry["empty"] for entry in entries):
        parts.append(f"{empty} empty")
    for method in _methods():
        figures = (facts["energy"] or {}).get(method)
        if figures and figures["trained"] is not None:
            ratio = f", {figures['ratio']:.1f} times a random network's" if figures["ratio"] else ""
            parts.append(f"{_NAMES[method]} energy at the sign {figures['trained']:.1%}{ratio}")
    print(f"{', '.join([f'{len(entries)} maps', *parts])}: {_OUTPUT_DIR.value}")


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

"""Shows where in the slices a risk model's verdicts come from, and whether its maps can be trusted.

    python -m experiments.explain --model=run/best --data=DIR --split=test --output_dir=DIR
    python -m experiments.explain ... --method=all --checks=all --masks=DIR --others=run2/best,run3/best

Takes examples of true and false positives and negatives: of those called positive the highest risks, of the others
the lowest; or the studies of --studies. Red marks what speaks for the finding (with --sign=-1: against it); Saliency
and SmoothGrad mark what the risk is sensitive to, in either direction.

Leaves in --output_dir: a picture for each example and method, say tp_1_S00012_gradcam.png; figure6.png with all
of them; explanations.json (risk, verdict and group of each, whether its map is empty, where in the patient its peak
is, in mm of DICOM's frame); and tensorboard/ with the same pictures.

A map that looks the same for a network with freshly drawn weights shows edges and not what was learnt. So the same
maps are made with such networks: figure6_randomised.png, and the correlation of both maps in explanations.json. Where
the sign is known, as in synthetic studies, --masks names a folder with a NIfTI mask for each study, S00001.nii.gz, on
any grid. The share of the maps' energy inside the widened mask, over all studies of the split whose mask has a voxel,
then stands in explanations.json beside that of the random networks and of a map that is the same everywhere; for each
label of the masks too, if they have several.

--checks asks how far each method can be trusted, on --check_studies drawn from the split: `randomisation` (weights
replaced from the logit down, stage by stage), `repeatability` (by the networks of --others, trained with other seeds;
without them by noise alone), `localisation` (energy and AUPRC at --masks, all studies that have one) and `insertion`
(insertion and deletion of pixels). Then explanations.json has `trust`: for each method its figures with intervals over
patients, a verdict and what it rests on, by the rule that stands beside it; trust.csv and trust.png show the same. The
verdict needs all checks, with --masks.

Exits with 0 when something was explained, 1 when there was nothing, 2 when the flags are wrong.
"""

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags
from tqdm import tqdm

from experiments import explanation_checks, explanation_pictures, models, requests, risk_threshold, study_data
from raspine import atomic, program, provenance, risk, study_records
from raspine.evaluation import studies
from raspine.explanation import energy, examples, gradcam, judging, masks, methods, trust, trust_chart
from raspine.inputs import studies as shards
from raspine.training import deformity

_MODEL = flags.DEFINE_string("model", None, "Model directory of a risk model.", required=True)
_DATA = flags.DEFINE_string("data", None, "Data set of data_prep.mri.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "Which studies.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make.", required=True)
_METHOD = flags.DEFINE_list(
    "method", ["gradcam"], f"Which maps: {', '.join(methods.METHODS)}; both stands for the first two, or all."
)
_SIGN = flags.DEFINE_enum("sign", "1", ["1", "-1"], "1: what speaks for the finding, -1: what speaks against it.")
_EXAMPLES = flags.DEFINE_integer("examples", 2, "Studies of each of TP, TN, FP and FN.", lower_bound=1)
_STUDIES = flags.DEFINE_list("studies", [], "Pseudonyms of the studies to explain instead, S00001,S00002.")
_MASKS = flags.DEFINE_string("masks", None, "Folder with NIfTI masks of the sign, S00001.nii.gz; 0 is background.")
_DILATE = flags.DEFINE_float("dilate_mm", 8.0, "How far around a mask counts as inside it.", 0, 100)
_SANITY = flags.DEFINE_bool("sanity", True, "Make the maps with freshly drawn weights too.")
_DRAWS = flags.DEFINE_integer("draws", 3, "Networks with freshly drawn weights.", lower_bound=1, upper_bound=100)
_CHECKS = flags.DEFINE_list("checks", [], f"How far the maps can be trusted: {', '.join(trust.CHECKS)}, or all.")
_CHECK_STUDIES = flags.DEFINE_integer(
    "check_studies", 32, "Studies of the split, drawn at random, for all checks but localisation.", lower_bound=2
)
_OTHERS = flags.DEFINE_list("others", [], "Model directories of other training seeds, for repeatability.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the freshly drawn weights, and of the checks.", lower_bound=0)
_BATCH = flags.DEFINE_integer("batch", 4, "Studies that go through the network together.", lower_bound=1)
flags.adopt_module_key_flags(risk_threshold)


def main(argv: Sequence[str]) -> None:
    """Explains what the flags name."""
    files, fixed = _check_flags(argv)
    asked = explanation_checks.names(_CHECKS.value)
    model = models.load_risk(_MODEL.value)
    others = explanation_checks.others(model, _OTHERS.value, _BATCH.value)
    data = study_data.open_for(model, _DATA.value)
    threshold, source = fixed or risk_threshold.own(model)
    with requests.shards_read():
        batches = study_data.batches(model, data, _SPLIT.value, _BATCH.value)
        found = studies.scored(model, batches, data.studies.get(_SPLIT.value), progress=True)
        chosen = _examples(found, threshold)
        measured = _signs_of(found, files)
        networks = _networks(model, found, asked)
        shown = _records(chosen)
        with atomic.atomic_directory(_OUTPUT_DIR.value) as folder:
            pictures = explanation_pictures.Pictures(model, networks.explainers, int(_SIGN.value))
            entries = pictures.draw(folder, shown, _methods())
            meter = _energy(model, networks.explainers, measured, asked) if measured else None
            facts = {
                "threshold": threshold,
                "threshold_source": source,
                "sign": int(_SIGN.value),
                "examples": entries,
                "energy": meter.figures() if meter else None,
                "randomised_networks": len(networks.explainers) - 1,
                "notes": study_data.notes(model, data),
                **_provenance(model, data),
            }
            if asked:
                setting = _setting(model, networks, others, found)
                facts |= _judge(folder, setting, asked, meter if "localisation" in asked else None)
            atomic.write_json(folder / "explanations.json", facts)
    _say_end(facts)


def _check_flags(argv: Sequence[str]) -> tuple[dict[str, pathlib.Path], risk_threshold.Fixed | None]:
    """Returns the mask files by study, and the threshold that the flags fix."""
    program.check_flags_alone(argv)
    program.check_new_folder(_OUTPUT_DIR.value)
    if _STUDIES.value and flags.FLAGS["examples"].present:
        raise program.UsageError("--studies names the examples: leave out --examples.")
    if len(set(_STUDIES.value)) < len(_STUDIES.value):
        raise program.UsageError("--studies names a study twice.")
    if not _SANITY.value and flags.FLAGS["draws"].present:
        raise program.UsageError("--draws is for --sanity.")
    _methods()
    _check_checks()
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


def _check_checks() -> None:
    asked = explanation_checks.names(_CHECKS.value)
    if asked and not _SANITY.value:
        raise program.UsageError("--checks compares with freshly drawn weights: leave out --nosanity.")
    if flags.FLAGS["check_studies"].present and not asked:
        raise program.UsageError("--check_studies is for --checks.")
    if _OTHERS.value and "repeatability" not in asked:
        raise program.UsageError("--others is for --checks=repeatability.")
    if "localisation" in _CHECKS.value and not _MASKS.value:
        raise program.UsageError("--checks=localisation needs --masks.")


def _methods() -> tuple[str, ...]:
    several = {"both": gradcam.METHODS, "all": methods.METHODS}
    named = [name for given in _METHOD.value for name in several.get(given, (given,))]
    if unknown := [name for name in named if name not in methods.METHODS]:
        known = ", ".join((*methods.METHODS, *several))
        raise program.UsageError(f"--method: one or more of {known}. Received: '{unknown[0]}'.")
    if not named:
        raise program.UsageError("--method names no method.")
    return tuple(dict.fromkeys(named))


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


def _networks(model: risk.RiskModel, found: studies.Studies, asked: Sequence[str]) -> explanation_checks.Networks:
    """Returns explainers of the trained network, then of those with freshly drawn weights."""
    first = list(itertools.islice(_stored(found.names), _BATCH.value)) if _SANITY.value else []
    draws = _DRAWS.value if _SANITY.value else 0
    return explanation_checks.networks(
        model, first, draws, _SEED.value, _BATCH.value, with_course="randomisation" in asked
    )


def _stored(names: Sequence[str]) -> Any:
    return studies.records_of(shards.shards(_DATA.value, _SPLIT.value), set(names))


def _records(chosen: Sequence[examples.Example]) -> list[explanation_pictures.Explained]:
    records = {record.study: record for record in _stored([example.study for example in chosen])}
    return [(example, records[example.study]) for example in chosen]


def _energy(
    model: risk.RiskModel,
    networks: Sequence[gradcam.Explainer],
    files: Mapping[str, pathlib.Path],
    asked: Sequence[str],
) -> energy.Meter:
    """Returns what was measured at the sign, over all studies whose mask has a voxel."""
    trained, *randomised = networks
    precision = "localisation" in asked
    meter = energy.Meter(model, trained, randomised, _methods(), int(_SIGN.value), _DILATE.value, precision)
    batch: list[tuple[study_records.StudyRecord, energy.Labels]] = []
    with tqdm(total=len(files), desc="energy at the sign", unit="study", delay=2) as progress:

        def counted() -> Any:
            for record in _stored(list(files)):
                progress.update()
                yield record

        signs = iter(energy.with_masks(model, counted(), files))
        while batch := list(itertools.islice(signs, _BATCH.value)):
            meter.add([record for record, _ in batch], [mask for _, mask in batch])
    return meter


def _setting(
    model: risk.RiskModel,
    networks: explanation_checks.Networks,
    others: Sequence[judging.Other],
    found: studies.Studies,
) -> judging.Setting:
    names = explanation_checks.sample(found, _CHECK_STUDIES.value, _SEED.value)
    trained, *randomised = networks.explainers
    records = list(_stored(names))
    return judging.Setting(
        model, trained, randomised, networks.course, others, records, int(_SIGN.value), _BATCH.value, _SEED.value
    )


def _judge(
    folder: pathlib.Path, setting: judging.Setting, asked: Sequence[str], meter: energy.Meter | None
) -> dict[str, Any]:
    """Writes trust.csv and trust.png and returns what explanations.json says of the checks."""
    judged = explanation_checks.judge(setting, _methods(), asked, meter)
    explanation_checks.write_table(folder, judged)
    title = f"How far the maps can be trusted: {len(setting.records)} studies of the split {_SPLIT.value}"
    trust_chart.draw(folder / "trust.png", judged, title)
    return explanation_checks.facts(judged, setting)


def _provenance(model: risk.RiskModel, data: deformity.Data) -> dict[str, Any]:
    return {
        "split": _SPLIT.value,
        "choice": data.choice.to_dict(),
        "data_hash": data.data_hash,
        "synthetic": data.synthetic,
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
            parts.append(f"{methods.TITLES[method]} energy at the sign {figures['trained']:.1%}{ratio}")
    for method, found in facts.get("trust", {}).items():
        print(f"{methods.TITLES[method]}: {found['verdict']}. {found['rests_on']}")
    print(f"{', '.join([f'{len(entries)} maps', *parts])}: {_OUTPUT_DIR.value}")


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()

"""All checks of several methods on some studies: the networks are run, the maps compared, the verdicts drawn."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from raspine import risk, study_records
from raspine.explanation import (
    cascade,
    explained,
    faithfulness,
    gradcam,
    localisation,
    methods,
    perturbation,
    randomisation,
    repeatability,
    similarity,
    trust,
)
from raspine.inputs import studies
from raspine.models import inference

Maps = NDArray[np.float32]
Floats = NDArray[np.float64]
Curves = list[perturbation.Curves | None]


@dataclasses.dataclass(frozen=True, eq=False)
class Other:
    """A network of another training run.

    Attributes:
      name: in words, for notes: its training seed.
      model: how records become its inputs.
      explainer: of its network.
    """

    name: str
    model: risk.RiskModel
    explainer: gradcam.Explainer


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What is judged, and with what.

    Attributes:
      model: the trained model.
      trained: explains its network.
      randomised: explain networks with freshly drawn weights.
      course: the network whose weights are replaced stage by stage; None leaves that out.
      others: networks of other training seeds.
      records: the studies, all in memory.
      sign: 1 or -1.
      batch_size: studies that pass a network together.
      seed: of noise and random orders.
    """

    model: risk.RiskModel
    trained: gradcam.Explainer
    randomised: Sequence[gradcam.Explainer]
    course: cascade.Cascade | None
    others: Sequence[Other]
    records: Sequence[study_records.StudyRecord]
    sign: int = 1
    batch_size: int = 4
    seed: int = 0

    @property
    def patients(self) -> list[str]:
        """Each study's patient."""
        return [record.patient for record in self.records]


@dataclasses.dataclass(eq=False)
class Judged:
    """A method's checks, and what is drawn of them.

    Attributes:
      checks: in the order of `trust.NAMES`.
      course: the rank correlation by stage, ready for JSON; empty when not asked for.
      curves: mean insertion and deletion, ready for JSON; None when not asked for.
    """

    checks: list[trust.Check] = dataclasses.field(default_factory=list)
    course: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    curves: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns `by_stage` and `curves`, ready for JSON."""
        return {"by_stage": self.course, "curves": self.curves}


class Judge:
    """Runs the checks.

    Args:
      setting: on what.
      chosen: methods, of `methods.METHODS`.
      asked: of `trust.CHECKS`; the rest is "not asked for".
      located: each method's figures at the masks; empty without masks.
    """

    def __init__(
        self,
        setting: Setting,
        chosen: Sequence[str],
        asked: Collection[str],
        located: Mapping[str, localisation.Located] | None = None,
    ) -> None:
        self._setting, self._chosen, self._asked, self._located = setting, tuple(chosen), asked, located or {}
        self._inputs = explained.network_inputs(setting.model, setting.records)
        self._progress: Any = None

    def judged(self, progress: bool = False) -> dict[str, Judged]:
        """Returns each method's checks.

        Args:
          progress: whether a bar is shown when it takes more than two seconds.
        """
        with tqdm(total=self._passes(), desc="checking the maps", delay=2, disable=not progress) as self._progress:
            own = {method: self._maps(self._setting.trained, method) for method in self._chosen}
            results = {method: Judged() for method in self._chosen}
            untrained = self._randomisation(own, results)
            self._repeatability(own, results)
            self._localisation(results)
            self._faithfulness(own, untrained, results)
        return results

    def _passes(self) -> int:
        networks = 1 + len(self._setting.randomised)
        networks += len(cascade.STAGES) - 1 if "randomisation" in self._asked and self._setting.course else 0
        networks += len(self._setting.others) or 1 if "repeatability" in self._asked else 0
        orders = 1 + 2 * len(self._chosen) if "insertion" in self._asked else 0
        return networks * len(self._chosen) + orders

    def _maps(self, explainer: gradcam.Explainer, method: str, inputs: Any = None, seed: int = 0) -> Maps:
        found = explained.maps(
            explainer, self._inputs if inputs is None else inputs, method, self._setting.sign, self._setting.seed + seed
        )
        self._progress.update()
        return found

    def _randomisation(self, own: Mapping[str, Maps], results: Mapping[str, Judged]) -> dict[str, Maps]:
        """Adds the check, and returns a randomised network's maps: of each study the first that is not empty."""
        untrained, alike = {}, {}
        for method, maps in own.items():
            first, columns = np.zeros_like(maps), []
            for explainer in self._setting.randomised:
                drawn = self._maps(explainer, method)
                columns.append(similarity.rank_correlations(maps, drawn))
                first = np.where(gradcam.empty(first).reshape(-1, *[1] * (maps.ndim - 1)), drawn, first)
            untrained[method], alike[method] = first, np.stack(columns, 1)
        if "randomisation" not in self._asked:
            _add(results, "randomisation", _NOT_ASKED)
            return untrained
        for method, course in self._courses(own).items():
            course[cascade.STAGES[-1]] = alike[method]
            results[method].course = randomisation.course(course, self._setting.patients)
            results[method].checks.append(randomisation.check(alike[method], self._setting.patients))
        return untrained

    def _courses(self, own: Mapping[str, Maps]) -> dict[str, dict[str, Floats]]:
        """Returns the rank correlations by stage; the last stage's are those of the randomised networks."""
        courses: dict[str, dict[str, Floats]] = {method: {} for method in own}
        if self._setting.course is None:
            return courses
        explainer = gradcam.Explainer(self._setting.course.network, self._setting.batch_size)
        for stage in cascade.STAGES[:-1]:
            self._setting.course.randomise(stage)
            for method, maps in own.items():
                courses[method][stage] = similarity.rank_correlations(maps, self._maps(explainer, method))
        return courses

    def _repeatability(self, own: Mapping[str, Maps], results: Mapping[str, Judged]) -> None:
        if "repeatability" not in self._asked:
            _add(results, "repeatability", _NOT_ASKED)
            return
        for method, maps in own.items():
            repeats, how = self._repeats(method)
            alike = np.stack([similarity.rank_correlations(maps, one) for one in repeats], 1)
            between = similarity.between_studies(maps)
            results[method].checks.append(repeatability.check(alike, between, self._setting.patients, how))

    def _repeats(self, method: str) -> tuple[list[Maps], str]:
        """Returns a method's maps once more, and in which way they were repeated."""
        records, others = self._setting.records, self._setting.others
        if others:
            names = ", ".join(other.name for other in others)
            theirs = (explained.network_inputs(other.model, records) for other in others)
            maps = [self._maps(one.explainer, method, given) for one, given in zip(others, theirs, strict=True)]
            return maps, f"by networks of other training runs, {len(others)} ({names})"
        if method == "smoothgrad":
            return [self._maps(self._setting.trained, method, seed=1)], "with another seed of SmoothGrad's noise alone"
        images, clinical = explained.parts(self._inputs)
        changed = tf.constant(repeatability.noisy(np.asarray(images), self._setting.seed))
        inputs = changed if clinical is None else {studies.IMAGE: changed, studies.CLINICAL: clinical}
        how = f"on studies with noise of {repeatability.NOISE:g} of their deviation, by the same network alone"
        return [self._maps(self._setting.trained, method, inputs)], how

    def _localisation(self, results: Mapping[str, Judged]) -> None:
        asked = "localisation" in self._asked
        for method, judged in results.items():
            if asked and method in self._located:
                judged.checks += localisation.checks(self._located[method])
            else:
                _add({method: judged}, "localisation", "there are no masks." if asked else _NOT_ASKED)

    def _faithfulness(
        self, own: Mapping[str, Maps], untrained: Mapping[str, Maps], results: Mapping[str, Judged]
    ) -> None:
        if "insertion" not in self._asked:
            _add(results, "insertion", _NOT_ASKED)
            return
        scores = list(self._scores())
        order = self._curves(np.zeros_like(next(iter(own.values()))), scores, keep_empty=True)
        for method, maps in own.items():
            trio = self._curves(maps, scores), order, self._curves(untrained[method], scores)
            results[method].checks += faithfulness.checks(*trio, self._setting.patients)
            results[method].curves = faithfulness.mean_curves(*trio)

    def _curves(self, maps: Maps, scores: Sequence[perturbation.Score], keep_empty: bool = False) -> Curves:
        images = np.asarray(explained.parts(self._inputs)[0])
        left_out = gradcam.empty(maps) & (not keep_empty)
        found: Curves = []
        for place, (image, score) in enumerate(zip(images, scores, strict=True)):
            places = perturbation.order(maps[place], self._setting.seed + place)
            found.append(None if left_out[place] else perturbation.curves(score, image, places))
        self._progress.update()
        return found

    def _scores(self) -> Iterator[perturbation.Score]:
        """Yields, for each study, what gives the probability of its changed images: of the finding, or against it."""
        network, sign = inference.fast(self._setting.model.network), self._setting.sign
        answer = tf.function(lambda inputs: network(inputs)[:, 0], reduce_retracing=True)
        shift = self._setting.model.settings.logit_shift
        clinical = explained.parts(self._inputs)[1]
        for place in range(len(self._setting.records)):
            own = None if clinical is None else clinical[place]

            def score(images: Maps, own: tf.Tensor | None = own) -> Floats:
                given = tf.constant(images)
                repeated = None if own is None else tf.repeat(own[None], len(images), 0)
                inputs = given if repeated is None else {studies.IMAGE: given, studies.CLINICAL: repeated}
                logits = answer(inputs).numpy().astype(np.float64) + shift
                return np.asarray(1 / (1 + np.exp(-sign * logits)), np.float64)

            yield score


_NOT_ASKED = "not asked for."


def _add(results: Mapping[str, Judged], check: str, why: str) -> None:
    """Adds, to all methods, what stands for a check that was not made."""
    for judged in results.values():
        judged.checks += [trust.not_made(name, why) for name in trust.CHECKS[check]]


def titles(judged: Mapping[str, Judged]) -> list[str]:
    """Returns a line for people for each method: its verdict."""
    return [f"{methods.TITLES[name]}: {trust.verdict(one.checks)}" for name, one in judged.items()]

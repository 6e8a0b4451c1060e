import pathlib

import numpy as np
import pytest
import study_models
from study_shards import COUNT

from raspine import risk


def slices(seed: int) -> np.ndarray:
    shape = (2, COUNT, study_models.SIDE, study_models.SIDE)
    return np.random.default_rng(seed).integers(0, 65536, shape, np.uint16)


@pytest.mark.parametrize("per_slice", [False, True])
def test_a_loaded_model_is_fast_and_the_logits_are_those_of_its_network(
    tmp_path: pathlib.Path, per_slice: bool
) -> None:
    folder = study_models.write(tmp_path / "model", per_slice, ("age",))
    loaded, plain = risk.load(folder), risk.load(folder, fast=False)
    assert (loaded.fast, plain.fast) == (True, False)
    images = plain.framed(slices(1))
    expected = plain.logits(images).numpy()
    np.testing.assert_allclose(loaded.logits(images), expected, atol=1e-4 * np.abs(expected).max())
    loaded.save(tmp_path / "again")
    again = risk.load(tmp_path / "again", fast=False)
    np.testing.assert_array_equal(again.logits(images), expected)


def test_only_a_fast_model_stays_when_its_network_is_trained_on(tmp_path: pathlib.Path) -> None:
    folder = study_models.write(tmp_path / "model")
    for fast in (False, True):
        model = risk.load(folder, fast)
        before = model.risk(slices(2))
        logit = model.network.get_layer("logit")
        logit.set_weights([weight + 1 for weight in logit.get_weights()])
        assert np.array_equal(model.risk(slices(2)), before) is fast


def test_what_answers_as_trained_is_made_once() -> None:
    """Export asks for it again and again; TensorFlow warns of graphs that are traced as often."""
    loaded = study_models.model().answering(fast=True)
    plain = loaded.as_trained()
    assert (plain.fast, plain.network) == (False, loaded.network)
    assert plain is loaded.as_trained() is plain.as_trained()


def test_an_unknown_precision_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="'half'"):
        risk.load(study_models.write(tmp_path / "model"), precision="half")

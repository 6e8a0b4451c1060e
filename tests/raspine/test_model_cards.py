"""A model.json that was changed by hand, or by somebody else, is refused in one line before the network is used."""

import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import study_models

from raspine import landmarker, model_directory, risk

Change = Callable[[dict[str, Any]], object]


def changed(source: pathlib.Path, folder: pathlib.Path, change: Change) -> pathlib.Path:
    shutil.copytree(source, folder)
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def first(**settings: object) -> Change:
    return lambda card: card["stages"][0].update(settings)


def with_landmarks(card: dict[str, Any]) -> None:
    for stage in card["stages"]:
        stage["schema"].update(landmarks=["a", "b"], distances=[], colours=[], ventral_to_dorsal=[])


LANDMARKER: dict[str, tuple[Change, str]] = {
    "a side without end": (first(height=10**30), "'height' is a whole number of 1 to 8192. Received: '1000"),
    "a side that is no number": (first(width="64"), "'width' is a whole number"),
    "a stride of 0": (first(stride=0), "'stride' is a whole number of 1 to 64. Received: '0'"),
    "another stride": (first(stride=2), "The network gives"),
    "another side": (first(height=32), "The network takes"),
    "NaN": (first(sigma=float("nan")), "'sigma' is 0.001 to 1000. Received: 'nan'"),
    "a codec with a line break": (first(codec="a\nb"), "Received: 'a'"),
    "fewer landmarks than channels": (with_landmarks, "The network gives [(None, 16, 16, 4)]"),
    "a setting that is none": (first(SECRET=1), "is damaged"),
    "no stages": (lambda card: card.update(stages=[]), "is damaged"),
    "a card that is none": (lambda card: card.update(card=[1]), "is damaged"),
    "another task": (lambda card: card.update(task="x" * 9999), "holds a xxx"),
}


@pytest.mark.parametrize("case", LANDMARKER)
def test_a_landmarker_s_card(model_directory: pathlib.Path, tmp_path: pathlib.Path, case: str) -> None:
    change, reason = LANDMARKER[case]
    with pytest.raises(landmarker.ModelDirectoryError) as caught:
        landmarker.load(changed(model_directory, tmp_path / "best", change), fast=False)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def settings(**values: object) -> Change:
    return lambda card: card["settings"].update(values)


RISK: dict[str, tuple[Change, str]] = {
    "a side without end": (settings(height=10**30), "'height' is a whole number of 1 to 8192"),
    "another side": (settings(width=64), "The network takes and gives"),
    "columns that the network does not take": (settings(columns=["age"], scale=[[50, 10]]), "The network takes"),
    "a deviation of 0": (settings(columns=["age"], scale=[[50, 0]]), "deviations above 0"),
    "a shift without end": (settings(logit_shift=float("inf")), "a finite number"),
    "no choice": (settings(choice={"count": 10**9}), "is damaged"),
    "a threshold of 2": (lambda card: card["card"]["validation"].update(val_threshold=2), "'val_threshold' is 0 to 1"),
    "a threshold of NaN": (
        lambda card: card["card"]["validation"].update(val_threshold=float("nan")),
        "'val_threshold' is 0 to 1",
    ),
    "a card that is none": (lambda card: card.update(card="x"), "is damaged"),
}


@pytest.fixture(scope="module")
def risk_directory(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return study_models.write(tmp_path_factory.mktemp("risk") / "best")


@pytest.fixture
def loaded_once(risk_directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a ResNet takes seconds; here only the card changes."""
    if not _NETWORKS:
        _NETWORKS.append(risk.load(risk_directory, fast=False).network)
    monkeypatch.setattr(model_directory.network_file, "load", lambda path: _NETWORKS[0])


_NETWORKS: list[Any] = []


@pytest.mark.usefixtures("loaded_once")
@pytest.mark.parametrize("case", RISK)
def test_a_risk_model_s_card(risk_directory: pathlib.Path, tmp_path: pathlib.Path, case: str) -> None:
    change, reason = RISK[case]
    with pytest.raises(risk.ModelDirectoryError) as caught:
        risk.load(changed(risk_directory, tmp_path / "best", change), fast=False)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500

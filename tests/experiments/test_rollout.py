import pathlib
import shutil
import stat
from collections.abc import Callable

import pytest

from experiments.serving import served_versions
from experiments.serving.served_versions import RolloutError, rolled_back, rolled_out

TEMPLATE = pathlib.Path(served_versions.__file__).parent / "config" / "models.config"
NAME = "atlantoaxial"


@pytest.fixture
def config(tmp_path: pathlib.Path) -> pathlib.Path:
    """The template beside four exported versions, and a folder that is no whole model."""
    for version in range(1, 5):
        place = tmp_path / "models" / NAME / str(version)
        place.mkdir(parents=True)
        (place / "saved_model.pb").write_bytes(b"")
    (tmp_path / "models" / NAME / "9").mkdir()
    path = tmp_path / "config" / "models.config"
    path.parent.mkdir()
    shutil.copy(TEMPLATE, path)
    path.chmod(0o640)
    return path


def test_a_version_is_tried_promoted_and_taken_back() -> None:
    now = rolled_out({}, 3, None)
    assert now == {"stable": 3}
    now = rolled_out(now, 3, 4)
    assert now == {"stable": 3, "canary": 4}
    now = rolled_out(now, 4, None)
    assert now == {"stable": 4, "previous": 3}
    assert rolled_back(now) == {"stable": 3}


def test_a_canary_is_taken_back_before_anything_else() -> None:
    now = {"stable": 4, "previous": 3, "canary": 5}
    assert rolled_back(now) == {"stable": 4, "previous": 3}
    assert rolled_out(now, 5, None) == {"stable": 5, "previous": 4}
    assert rolled_out(now, 5, 6) == {"stable": 5, "previous": 4, "canary": 6}


@pytest.mark.parametrize(
    ("now", "stable", "canary", "message"),
    [
        ({"stable": 3}, 4, None, "version 4 is not loaded: make it the canary first"),
        ({"stable": 3, "canary": 4}, None, 5, "version 4 is the canary: promote it or take it back"),
        ({"stable": 3}, None, 3, "version 3 is stable: a canary is another one"),
        ({}, None, 4, "no stable version yet"),
        ({}, 4, 4, "version 4 is stable"),
    ],
)
def test_a_label_in_use_moves_to_loaded_versions_alone(
    now: dict[str, int], stable: int | None, canary: int | None, message: str
) -> None:
    before = dict(now)
    with pytest.raises(RolloutError, match=message):
        rolled_out(now, stable, canary)
    assert now == before


def test_nothing_to_go_back_to() -> None:
    with pytest.raises(RolloutError, match="no canary to take back and no previous version"):
        rolled_back({"stable": 3})


def test_the_file_keeps_its_comments_mode_and_other_models(config: pathlib.Path) -> None:
    found = served_versions.read(config)
    served_versions.put(found, "deformity", {"stable": 2})
    served_versions.write(config, found)
    text = config.read_text()
    assert text.startswith(TEMPLATE.read_text().partition("model_config_list")[0])
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    again = served_versions.read(config)
    assert served_versions.labels(again, NAME) == {"stable": 1}
    assert served_versions.labels(again, "deformity") == {"stable": 2}
    assert served_versions.labels(again, "none") == {}
    added = again.model_config_list.config[1]
    assert (added.base_path, added.model_platform) == ("/models/deformity", "tensorflow")
    assert [path.name for path in config.parent.iterdir()] == ["models.config"]


def test_only_labelled_versions_are_loaded(config: pathlib.Path) -> None:
    found = served_versions.read(config)
    served_versions.put(found, NAME, {"stable": 4, "previous": 3})
    [model] = found.model_config_list.config
    assert list(model.model_version_policy.specific.versions) == [3, 4]


@pytest.mark.parametrize("text", ["model_config_list { config { colour: 1 } }", "custom_model_config {}", "\xff"])
def test_a_file_that_is_no_list_of_models_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "models.config").write_text(text, encoding="latin-1")
    with pytest.raises(RolloutError, match=r"models\.config' (is no|has no)"):
        served_versions.read(tmp_path / "models.config")


def test_the_program_changes_the_file_or_leaves_it(config: pathlib.Path, start_many: Callable) -> None:
    flags = [f"--config={config}", f"--model={NAME}"]
    lines = [
        [*flags],
        [*flags, "--canary=9"],
        [*flags, "--canary=2"],
        [*flags, "--stable=2"],
        [*flags, "--rollback"],
        [*flags, "--rollback"],
        [*flags[:1], "--model=deformity", "--stable=1"],
    ]
    results = start_many("experiments.rollout", lines)
    assert [status for status, _, _ in results] == [0, 1, 0, 0, 0, 1, 1]
    told = [(out or error).strip() for _, out, error in results]
    assert told[0] == f"{NAME}: stable 1 (as before in {config})"
    assert "no version 9 in" in told[1]
    assert told[1].endswith("There: 1, 2, 3, 4.")
    assert told[2] == f"{NAME}: stable 1, canary 2 (written to {config})"
    assert told[3] == f"{NAME}: stable 2, previous 1 (written to {config})"
    assert told[4] == f"{NAME}: stable 1 (written to {config})"
    assert "nothing" not in told[5]
    assert "There: none." in told[6]
    assert served_versions.labels(served_versions.read(config), NAME) == {"stable": 1}


WRONG = {
    "no file": ["--config={here}/none"],
    "letters, digits": ["--model=../a"],
    "goes without --stable": ["--rollback", "--stable=1"],
    "unexpected argument": ["stray"],
    "positive integer": ["--stable=0"],
}


def test_wrong_flags_end_with_2(config: pathlib.Path, start_many: Callable) -> None:
    before = config.read_bytes()
    flags = [f"--config={config}", f"--model={NAME}"]
    lines = [[*flags, *(text.format(here=config.parent) for text in given)] for given in WRONG.values()]
    for message, (status, _, error) in zip(WRONG, start_many("experiments.rollout", lines), strict=True):
        assert (status, message in error) == (2, True), error
        assert "Traceback" not in error
    assert config.read_bytes() == before

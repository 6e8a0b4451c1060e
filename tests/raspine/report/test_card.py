import json
import pathlib
import re

import pytest
import report_folders

from raspine.report import card, gather, markdown

TITLES = [
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations",
]  # fmt: skip


def read(run: pathlib.Path) -> gather.Run:
    return gather.read(gather.locate(run))


def answers(run: gather.Run) -> dict[tuple[str, str], str]:
    return {(part.title, name): answer for part in card.parts_of(run) for name, answer in part.rows}


@pytest.fixture(params=["films", "studies"])
def run(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> gather.Run:
    return read(getattr(report_folders, request.param)(tmp_path / "run"))


def test_it_has_the_nine_parts_and_answers_from_the_run(run: gather.Run) -> None:
    assert [part.title for part in card.parts_of(run)] == TITLES
    told = answers(run)
    assert "seed 7" in told["Model details", "Training"]
    assert "epoch 2" in told["Model details", "Training"]
    assert report_folders.HASH in told["Evaluation data", "Data hash"]
    assert "seed 3" in told["Training data", "Split"]
    assert "2 inputs refused" in told["Evaluation data", "Preparation"]
    assert "women" in told["Factors", "Groups evaluated"]
    assert told["Model details", "Licence"] == card.AUTHORS
    assert all(told.values())


def test_kind_and_threshold_fit_the_task(tmp_path: pathlib.Path) -> None:
    films, studies = (answers(read(getattr(report_folders, name)(tmp_path / name))) for name in ("films", "studies"))
    assert films["Model details", "Kind"].startswith("HRNet-W16")
    assert films["Metrics", "Threshold"] == "A film is positive when ADI > 3 mm or SAC ≤ 13 mm."
    assert studies["Model details", "Kind"].startswith("ResNet-26")
    assert studies["Metrics", "Threshold"].startswith("0.400; validation split")


def test_what_a_training_run_cannot_know_is_left_to_the_authors(tmp_path: pathlib.Path) -> None:
    told = answers(read(report_folders.training(tmp_path, "deformity")))
    for name in (("Evaluation data", "Cases"), ("Training data", "Split"), ("Quantitative analyses", "Overall")):
        assert told[name] == card.AUTHORS
    assert "not evaluated" in told["Caveats and recommendations", "Limits"]


def test_markdown_has_every_row(run: gather.Run) -> None:
    text = markdown.render(run)
    assert text.startswith("# Model card: ")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == TITLES
    assert sum(line.startswith("- **") for line in text.splitlines()) == len(answers(run))
    assert "Synthetic" not in text


def test_markdown_keeps_names_as_text(tmp_path: pathlib.Path) -> None:
    text = markdown.render(read(report_folders.studies(tmp_path / "run", hostile=True)))
    assert "<script>" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text
    assert markdown.plain("a\n# b <c> [d](e) `f` | g & h") == r"a \# b &lt;c&gt; \[d\](e) \`f\` \| g &amp; h"


def test_both_looks_of_a_refined_run_are_told(tmp_path: pathlib.Path) -> None:
    run = report_folders.films(tmp_path / "run")
    path = run / "summary.json"
    locator = {"recipe": {**report_folders.RECIPE, "epochs": 11, "height": 192, "seed": 9}, "start": None, "epoch": 8}
    model = {"task": "subluxation", "recipe": report_folders.RECIPE, "start": "ab", "locator": locator}
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": model}))
    told = answers(read(run))
    assert told["Model details", "Kind"].count("HRNet-W16 (small)") == 2
    assert "192 × 64 pixels, on the whole film" in told["Model details", "Kind"]
    assert "First look: 11 epochs" in told["Model details", "Training"]
    assert "Second look: 3 epochs" in told["Model details", "Training"]
    assert "epoch 8 kept" in told["Model details", "Training"]
    assert told["Model details", "Start"].startswith("First look: random weights.")


def test_figures_by_group_say_what_they_rest_on(run: gather.Run) -> None:
    unit = "films" if run.films else "studies"
    assert re.search(
        rf"women [^;]+\(n = \d+ {unit} of \d+ patients\)", answers(run)["Quantitative analyses", "By group"]
    )

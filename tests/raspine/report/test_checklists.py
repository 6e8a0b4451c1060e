import dataclasses
import pathlib

import pytest
import report_folders

from raspine.report import answers, checklists, gather, page

TRIPOD = [
    "1", "2", "3a", "3b", "3c", "4", "5a", "5b", "6a", "6b", "6c", "7", "8a", "8b", "8c", "9a", "9b", "9c", "10",
    "11", "12a", "12b", "12c", "12d", "12e", "12f", "12g", "13", "14", "15", "16", "17", "18a", "18b", "18c", "18d",
    "18e", "18f", "19", "20a", "20b", "20c", "21", "22", "23a", "23b", "24", "25", "26", "27a", "27b", "27c",
]  # fmt: skip


def filled(run: gather.Run, name: str) -> dict[str, checklists.Answered]:
    found = checklists.filled(checklists.load(name), answers.all_of(run))
    return {one.item.number: one for one in found}


@pytest.fixture(params=["films", "studies"])
def run(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> gather.Run:
    return gather.read(gather.locate(getattr(report_folders, request.param)(tmp_path / "run")))


def test_claim_has_its_44_items() -> None:
    claim = checklists.load("claim_2024")
    assert [item.number for item in claim.items] == [str(number) for number in range(1, 45)]
    assert "10.1148/ryai.240300" in claim.source


def test_tripod_ai_has_its_27_items_with_their_parts() -> None:
    tripod = checklists.load("tripod_ai_2024")
    assert [item.number for item in tripod.items] == TRIPOD
    assert "10.1136/bmj-2023-078378" in tripod.source


@pytest.mark.parametrize("name", checklists.NAMES)
def test_every_item_is_whole_and_asks_for_known_answers(name: str, run: gather.Run) -> None:
    sections = {section.name for section in page.sections(run)} | {"explanations", "localisation", "calibration"}
    for item in checklists.load(name).items:
        assert item.section
        assert item.topic[0].isupper()
        assert set(item.answers) <= set(answers.ANSWERS)
        assert item.page in {"", *sections}
        assert item.answers or not item.whole


def test_every_answer_is_asked_for() -> None:
    asked = {key for name in checklists.NAMES for item in checklists.load(name).items for key in item.answers}
    assert asked == set(answers.ANSWERS)


def test_the_run_answers_what_it_knows(run: gather.Run) -> None:
    claim, tripod = (filled(run, name) for name in checklists.NAMES)
    assert claim["23"].state == checklists.FILLED
    assert "python 3.11.7" in claim["23"].text
    assert claim["19"].text == "By patient, rule counts, seed 3."
    assert "passed" in claim["20"].text.lower()
    assert claim["33"].text.startswith("None")
    assert claim["44"].state == checklists.AUTHORS
    assert claim["44"].text == ""
    assert tripod["18f"].state == checklists.PARTLY
    assert tripod["12a"].state == checklists.FILLED
    assert tripod["18a"].state == checklists.AUTHORS
    assert sum(one.state == checklists.AUTHORS for one in claim.values()) < 20


def test_a_training_run_leaves_the_rest_to_the_authors(tmp_path: pathlib.Path) -> None:
    run = gather.read(gather.locate(report_folders.training(tmp_path, "subluxation")))
    claim = filled(run, "claim_2024")
    assert claim["25"].state == checklists.FILLED
    for number in ("20", "32", "35", "36", "37", "38", "39"):
        assert claim[number].state == checklists.AUTHORS


def test_facts_that_answer_nothing_are_left_to_the_authors(run: gather.Run) -> None:
    unrefused = dataclasses.replace(run, refused=[], data={**run.data, "refused": 0, "reasons": {}})
    claim, tripod = (filled(unrefused, name) for name in checklists.NAMES)
    for item in (claim["8"], tripod["6b"], tripod["27a"]):
        assert item.state == checklists.AUTHORS
    assert not any("Stated:" in one.text for one in (*claim.values(), *tripod.values()))
    assert tripod["16"].text == "Both are parts of one data set."


@pytest.mark.parametrize(
    ("annotators", "text"),
    [
        (["exact"], "Exact points of the phantom; nobody annotated."),
        (["anna"], "Landmarks of 1 annotator."),
        (["anna", "ben"], "Landmarks of 2 annotators, joined by mean."),
    ],
)
def test_the_reference_is_named(run: gather.Run, annotators: list[str], text: str) -> None:
    data = {**run.data, "options": {"annotators": annotators, "consensus": "mean"}}
    assert answers.all_of(dataclasses.replace(run, data=data))["reference"] == text

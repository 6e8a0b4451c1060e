import base64
import hashlib
import json
import pathlib
import re

import pytest
import report_folders

from raspine.report import blocks, checks, gather, glance, limits, page


def rendered(run: pathlib.Path, **places: pathlib.Path) -> str:
    return page.render(gather.read(gather.locate(run, **places)))


def read(run: pathlib.Path) -> gather.Run:
    return gather.read(gather.locate(run))


def section(html: str, name: str) -> str:
    return html.split(f'<section id="{name}"')[1].split("</section>")[0]


def found(run: pathlib.Path, **places: pathlib.Path) -> dict[str, checks.Check]:
    return {check.name: check for check in checks.all_of(gather.read(gather.locate(run, **places)))}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return report_folders.films(tmp_path_factory.mktemp("runs") / "films")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return report_folders.studies(tmp_path_factory.mktemp("runs") / "studies")


@pytest.fixture(scope="module")
def films_page(films: pathlib.Path) -> str:
    return rendered(films)


@pytest.fixture(scope="module")
def studies_page(studies: pathlib.Path) -> str:
    return rendered(studies)


def change(path: pathlib.Path, **values: object) -> None:
    known = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in {**known, **values}.items() if value is not ...}))


def test_the_page_refers_to_nothing_outside(films_page: str, studies_page: str) -> None:
    for html in (films_page, studies_page):
        assert not re.search(r"""(?:src|href|action|srcset|data)=["'](?!data:|#)""", html)
        style = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
        assert "url(" not in style
        assert "@import" not in style
        assert len(html) < 2_000_000


def test_the_policy_knows_the_script_by_its_hash(films_page: str) -> None:
    script = re.findall(r"<script>(.*?)</script>", films_page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert len(script) == 1
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in films_page


def test_the_same_run_gives_the_same_page(films: pathlib.Path, films_page: str) -> None:
    assert rendered(films) == films_page


def test_films_show_errors_agreement_and_raters(films: pathlib.Path, films_page: str) -> None:
    html = films_page
    summary = json.loads((films / "summary.json").read_text())
    first = section(html, "glance")
    assert f"{summary['mre_mm']:.2f} mm" in first
    assert "ADI &gt; 3 mm or SAC ≤ 13 mm" in first
    agreement = section(html, "agreement")
    for name in ("scatter_adi", "bland_altman_adi", "scatter_sac", "bland_altman_sac"):
        assert f'id="figure-{name}"' in agreement
    assert "ann and bob" in agreement
    assert "equivalent" in agreement
    assert 'id="figure-landmark_errors"' in section(html, "localisation")
    assert {"women", "men", "Siemens", "geometry"} <= set(re.findall(r">([\w ]+)</td>", section(html, "groups")))
    assert section(html, "cases").count("<img") == 3
    assert '<section id="calibration"' not in html
    assert '<section id="explanations"' not in html


def test_studies_show_discrimination_calibration_and_trust(studies: pathlib.Path, studies_page: str) -> None:
    html = studies_page
    summary = json.loads((studies / "summary.json").read_text())
    assert f"{summary['auc']:.2f}" in section(html, "glance")
    for name in ("roc", "precision_recall", "risks"):
        assert f'id="figure-{name}"' in section(html, "discrimination")
    for name in ("calibration", "decision_curve"):
        assert f'id="figure-{name}"' in section(html, "calibration")
    trust = section(html, "explanations")
    assert "supported" in trust
    assert "not supported" in trust
    assert "A check passes when." in trust
    assert "Cohen" in section(html, "agreement")
    assert '<section id="localisation"' not in html


def test_notes_of_the_evaluation_are_shown(tmp_path: pathlib.Path) -> None:
    run = report_folders.studies(tmp_path / "run")
    change(run / "summary.json", notes=["the AUC rests on few patients."])
    assert "the AUC rests on few patients." in section(rendered(run), "glance")


def test_a_picture_is_taken_from_the_explanations_folder_alone(studies_page: str) -> None:
    assert "S009" not in section(studies_page, "cases")


def test_pictures_are_encoded_anew(films_page: str) -> None:
    sources = re.findall(r'<img src="(.*?)"', films_page)
    assert sources
    assert all(source.startswith("data:image/webp;base64,") for source in sources)


def test_a_training_run_alone_says_what_gives_the_rest(tmp_path: pathlib.Path) -> None:
    html = rendered(report_folders.training(tmp_path / "run", "deformity"))
    assert "python -m experiments.evaluate" in section(html, "glance")
    assert 'id="figure-training' in section(html, "training")
    for name, command in (
        ("cohort", "data_prep"), ("discrimination", "experiments.evaluate"), ("calibration", "experiments.evaluate"),
        ("decisions", "experiments.evaluate"), ("agreement", "experiments.evaluate"), ("cases", "experiments.explain"),
        ("explanations", "experiments.explain"), ("cross-validation", "experiments.cross_validate"),
    ):  # fmt: skip
        assert command in section(html, name)


def test_every_missing_key_of_a_summary_is_survived(
    films: pathlib.Path, studies: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for kind, run in (("films", films), ("studies", studies)):
        table = (run / f"{kind}.csv").read_text()
        for number, kept in enumerate(({"n": 3}, {})):
            folder = tmp_path / f"{kind}{number}"
            folder.mkdir()
            (folder / "summary.json").write_text(json.dumps(kept))
            (folder / f"{kind}.csv").write_text(table)
            assert "</html>" in rendered(folder)


def test_columns_that_older_tables_lack_are_survived(studies: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "summary.json").write_text((studies / "summary.json").read_text())
    (tmp_path / "studies.csv").write_text(
        "study,patient,outcome,risk,verdict\nS1,P1,1,0.7,positive\nS2,P2,0,0.2,negative\n"
    )
    html = rendered(tmp_path)
    assert 'id="figure-roc"' in html
    assert "hold no view, age, sex or scanner" in section(html, "groups")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("demo.json", {"synthetic": True}),
        ("run/run.json", {"synthetic": True}),
        ("explained/explanations.json", {"synthetic": True}),
        ("records/dataset.json", {"synthetic": True}),
        ("records/dataset.json", {"options": {"annotators": ["exact"]}}),
        ("summary.json", {"synthetic": True}),
    ],
)
def test_a_synthetic_run_is_known_by_any_part(tmp_path: pathlib.Path, name: str, values: dict[str, object]) -> None:
    run = report_folders.studies(tmp_path / "run")
    assert read(run).synthetic is None
    if name == "demo.json":
        (run / name).write_text("{}")
    change(run / name, **values)
    assert read(run).synthetic is True


def test_a_synthetic_run_says_so_first(tmp_path: pathlib.Path) -> None:
    run = report_folders.studies(tmp_path / "run")
    assert "Synthetic data." not in rendered(run)
    change(run / "summary.json", synthetic=True)
    html = rendered(run)
    assert html.index("Synthetic data.") < html.index("<main")
    assert "say nothing about patients" in section(html, "limits")


def test_validation_figures_are_never_shown_as_test_figures(tmp_path: pathlib.Path) -> None:
    run = report_folders.studies(tmp_path / "run")
    assert "Not a test set" not in rendered(run)
    change(run / "summary.json", split="validation", threshold_chosen_on=report_folders.HASH)
    html = rendered(run)
    assert html.index("Not a test set.") < html.index("<main")
    first = section(html, "glance")
    assert "better than chance" not in first
    assert "its figures are too good" in first
    assert "test patients" not in html
    assert "chosen on the validation patients" in html
    told = limits.all_of(read(run))
    assert not [text for text in told if "the test set" in text.lower() or "test cases" in text]
    assert any(text.startswith("No test set was evaluated.") for text in told)
    checked = found(run)
    assert checked[checks.THRESHOLD].state == checks.FAILED
    assert checked["Figures come from cases that training never saw"].state == checks.FAILED


@pytest.mark.parametrize("split", ["validation", "train"])
def test_films_of_another_split_say_so_first(tmp_path: pathlib.Path, split: str) -> None:
    run = report_folders.films(tmp_path / "run")
    change(run / "summary.json", split=split)
    assert glance.verdict(read(run))[0].startswith(f"These are {'training' if split == 'train' else split} cases")


def test_a_threshold_of_another_data_set_is_no_fault_on_validation(tmp_path: pathlib.Path) -> None:
    run = report_folders.studies(tmp_path / "run")
    change(run / "summary.json", split="validation", threshold_chosen_on="cd" * 32)
    assert found(run)[checks.THRESHOLD].state == checks.PASSED


@pytest.mark.parametrize("flag", ["training", "explained", "data", "cross_validation"])
def test_a_part_of_another_task_is_refused(films: pathlib.Path, tmp_path: pathlib.Path, flag: str) -> None:
    other = {
        "training": lambda: report_folders.training(tmp_path, "deformity"),
        "explained": lambda: report_folders.explained(tmp_path / "explained"),
        "data": lambda: report_folders.data(tmp_path, "studies", ["P1"]),
        "cross_validation": lambda: report_folders.cross_validation(tmp_path),
    }[flag]()
    with pytest.raises(gather.Mismatched, match=f"^--{flag}: .* is of studies, and --run of films"):
        gather.read(gather.locate(films, **{flag: other}))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("records/dataset.json", {"data_hash": "cd" * 32}, "--data is of another data set"),
        ("explained/explanations.json", {"data_hash": "cd" * 32}, "--explained is of another data set"),
        ("run/run.json", {"data_hash": "cd" * 32}, "--training is not the evaluated model's: another data hash"),
        ("run/run.json", {"recipe": {"seed": 8}}, "another recipe"),
        ("run/run.json", {"start": "cd" * 32}, "another start"),
    ],
)
def test_parts_of_another_run_are_found(
    tmp_path: pathlib.Path, name: str, values: dict[str, object], said: str
) -> None:
    run = report_folders.studies(tmp_path / "run")
    card = {"task": "deformity", "data_hash": report_folders.HASH, "recipe": report_folders.RECIPE, "start": None}
    change(run / "summary.json", model=card)
    assert found(run)[checks.TOGETHER].state == checks.PASSED
    change(run / name, **values)
    check = found(run)[checks.TOGETHER]
    assert check.state == checks.FAILED
    assert said in check.found


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("studies.csv", "", "row 1, column 'study' is missing"),
        ("studies.csv", "study,outcome,risk\n", "row 2 is missing"),
        ("studies.csv", "study,outcome,risk\nS1,1,0.5\nS2,0,abc\n", "row 3, column 'risk': 'abc' is not a risk"),
        ("studies.csv", "study,outcome,risk\nS1,1,nan\n", "row 2, column 'risk'"),
        ("studies.csv", "study,outcome,risk\nS1,1,1.5\n", "row 2, column 'risk'"),
        ("studies.csv", "study,outcome,risk\nS1,maybe,0.5\n", "row 2, column 'outcome'"),
        ("studies.csv", "study,outcome,risk\nS1,1\n", "row 2, column 'risk': the row is cut short"),
        ("studies.csv", "study,outcome,risk\nS1,1,0.5,0,0\n", "row 2 has more cells"),
        ("raters.csv", "\x01\x02junk", "row 1, column 'image' is missing"),
        ("raters.csv", "image,distance,rater,mm\nF1,adi,model,far\n", "row 2, column 'mm': 'far' is not a number"),
        ("records/records.csv", "junk", "row 1, column 'id' is missing"),
        ("explained/explanations.json", "{}", "it has no 'examples'"),
        ("explained/explanations.json", '{"examples": 3}', "'examples' is not a list of objects"),
        ("explained/explanations.json", '{"examples": [3]}', "'examples' is not a list of objects"),
        ("explained/explanations.json", '{"examples": [], "trust": 3}', "'trust' is not an object"),
        ("explained/explanations.json", '{"examples": [], "trust": {"gradcam": 3}}', "'trust' is not an object"),
        ("explained/explanations.json", '{"examples": [], "energy": 3}', "'energy' is not an object"),
    ],
)
def test_a_damaged_table_is_named_with_row_and_column(tmp_path: pathlib.Path, name: str, text: str, said: str) -> None:
    run = report_folders.studies(tmp_path / "run")
    (run / name).write_text(text)
    with pytest.raises(gather.NotFound) as caught:
        read(run)
    assert f"{name}' is damaged: {said}" in str(caught.value)
    assert not isinstance(caught.value, gather.Mismatched)


@pytest.mark.parametrize("text", ["", "image,landmark\n"])
def test_films_without_a_row_are_damaged(tmp_path: pathlib.Path, text: str) -> None:
    run = report_folders.films(tmp_path / "run")
    (run / "films.csv").write_text(text)
    with pytest.raises(gather.NotFound, match=r"films\.csv' is damaged: row"):
        read(run)


def test_pictures_that_cannot_be_read_are_stated(tmp_path: pathlib.Path) -> None:
    run = report_folders.films(tmp_path / "run")
    assert "Pictures" not in found(run)
    for path in sorted((run / "overlays").iterdir())[:2]:
        path.write_bytes(path.read_bytes()[:-2000])
    check = found(run)["Pictures"]
    assert check.state == checks.TOLD
    assert check.found.startswith("2 pictures could not be read and are left out: best_1_")
    assert section(rendered(run), "cases").count("<img") == 1


LOCATOR = {"recipe": {**report_folders.RECIPE, "epochs": 11, "height": 192, "width_px": 160}, "start": None, "epoch": 8}


def test_both_looks_of_a_refined_run_are_shown(tmp_path: pathlib.Path) -> None:
    run = report_folders.films(tmp_path / "run")
    own = {"recipe": report_folders.RECIPE, "start": "cd" * 32, "epoch": 2}
    change(run / "summary.json", model={"task": "subluxation", **own, "locator": LOCATOR})
    change(run / "run" / "run.json", start="cd" * 32)
    html = section(rendered(run), "training")
    for text in ("First look", "192 × 160 pixels", "11 epochs", "epoch 8", "Second look", "64 × 64 pixels", "3 epochs"):
        assert text in html
    assert html.count("The recipe: everything") == 2


def test_the_first_page_says_how_model_and_consensus_agree(films: pathlib.Path) -> None:
    tiles = {tile.label: tile for tile in glance.key_figures(read(films))}
    pairs = json.loads((films / "summary.json").read_text())["agreement"]
    for name in ("adi", "sac"):
        pair = next(one for one in pairs if one["distance"] == name and one["first"] == "model")
        limits_tile, icc = tiles[f"{name.upper()}, limits of agreement"], tiles[f"{name.upper()}, ICC(A,1)"]
        ends = [pair["repeated"][end] for end in ("lower_limit", "upper_limit")]
        assert limits_tile.value == f"{ends[0]['value']:.2f} to {ends[1]['value']:.2f} mm".replace("-", "\u2212")
        assert f"{ends[1]['ci'][0]:.2f} to {ends[1]['ci'][1]:.2f}" in limits_tile.interval
        assert icc.value == f"{pair['icc_a1']['value']:.2f}"
        assert icc.interval
        assert icc.note.endswith("(Koo and Li 2016)")
        wide = max(abs(end["value"]) for end in ends) > pair["tost"]["margin"]
        assert limits_tile.note.startswith("wider than" if wide else ("within", "not shown"))
        assert (f"On single films the model's {name.upper()} differs" in glance.verdict(read(films))[0]) == wide


@pytest.mark.parametrize(
    ("bounds", "icc", "margin", "grade"),
    [
        ([[-0.9, -0.7], [0.7, 0.9]], [0.92, 0.98], "within the margin of ± 1.5 mm", "excellent (Koo"),
        ([[-1.6, -0.9], [0.9, 1.6]], [0.4, 0.8], "not shown to lie within", "poor to good (Koo"),
    ],
)
def test_the_words_beside_agreement_follow_their_rules(
    films: pathlib.Path, tmp_path: pathlib.Path, bounds: list[list[float]], icc: list[float], margin: str, grade: str
) -> None:
    low, high = ({"value": sum(ends) / 2, "ci": ends} for ends in bounds)
    pair = {"distance": "adi", "first": "model", "second": "consensus", "lower_limit": low, "upper_limit": high}
    for name in ("films.csv", "summary.json"):
        (tmp_path / name).write_text((films / name).read_text())
    change(tmp_path / "summary.json", agreement=[{**pair, "icc_a1": {"value": sum(icc) / 2, "ci": icc}}])
    run = read(tmp_path)
    tiles = {tile.label: tile for tile in glance.key_figures(run)}
    assert margin in tiles["ADI, limits of agreement"].note
    assert tiles["ADI, ICC(A,1)"].note.startswith(grade)
    assert "On single films" not in glance.verdict(run)[0]


def test_classes_are_counted_by_patients(tmp_path: pathlib.Path) -> None:
    header = "image,landmark,error_mm,patient,true_mm,predicted_mm,true_verdict,predicted_verdict\n"
    rows = [f"F{n},adi,0.1,P{n // 12},5,5.1,positive,positive\n" for n in range(12)]
    rows += [f"G{n},adi,0.1,P{n},2,2.1,negative,negative\n" for n in range(12)]
    (tmp_path / "films.csv").write_text(header + "".join(rows))
    cells = {"true_positive": 12, "false_negative": 0, "true_negative": 12, "false_positive": 0}
    (tmp_path / "summary.json").write_text(json.dumps({"n": 24, "split": "test", "verdict_confusion": cells}))
    check = found(tmp_path)["Both classes have at least 10 patients"]
    assert check.state == checks.FAILED
    told = "1 patient with a positive film and 12 with a negative one"
    assert check.found == f"{told} (12 positive and 12 negative films)."
    assert any(told in text for text in limits.all_of(read(tmp_path)))


def test_one_is_told_as_one(tmp_path: pathlib.Path) -> None:
    run = report_folders.films(tmp_path / "run")
    cells = {"true_positive": 0, "false_negative": 1, "true_negative": 23, "false_positive": 0}
    change(run / "summary.json", verdict_confusion=cells, diagnosis=None)
    assert "Of 1 positive film 1 was missed." in glance.verdict(read(run))[0]


def test_exact_points_are_no_annotators(tmp_path: pathlib.Path) -> None:
    run = report_folders.films(tmp_path / "run")
    assert "annotators' points" in glance.verdict(read(run))[0]
    change(run / "records" / "dataset.json", options={"annotators": ["exact"]})
    assert "from the exact points on average" in glance.verdict(read(run))[0]


def test_flags_name_what_stands_elsewhere(films: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for name in ("summary.json", "films.csv"):
        (tmp_path / name).write_text((films / name).read_text())
    assert "No training run was found" in rendered(tmp_path)
    html = rendered(tmp_path, training=films / "run", data=films / "records")
    assert "No training run was found" not in html
    assert 'id="figure-cohort_flow"' in html
    with pytest.raises(gather.NotFound, match="--data"):
        gather.locate(tmp_path, data=films)


def test_a_cross_validation_is_shown_and_is_no_evaluation(studies: pathlib.Path, tmp_path: pathlib.Path) -> None:
    folder = report_folders.cross_validation(tmp_path / "cv")
    assert gather.locate(folder).evaluation is None
    html = section(rendered(studies, cross_validation=folder), "cross-validation")
    assert "0.66" in html
    assert "0.50 to 0.80" in html
    assert 'id="figure-learning_curve"' in html
    assert "internal validation" in html


def test_nothing_to_report_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(gather.NotFound, match="neither an evaluation"):
        gather.locate(tmp_path)
    with pytest.raises(gather.NotFound, match="is not a folder"):
        gather.locate(tmp_path / "none")


@pytest.mark.parametrize("text", ["{", "[]", '{"n": ' + "[" * 100_000])
def test_a_damaged_file_is_named(tmp_path: pathlib.Path, text: str) -> None:
    run = report_folders.training(tmp_path / "run", "deformity")
    (run / "run.json").write_text(text)
    with pytest.raises(gather.NotFound, match=r"run\.json' is damaged"):
        gather.read(gather.locate(run))


def test_checks_pass_on_a_clean_run(films: pathlib.Path, studies: pathlib.Path) -> None:
    for run in (films, studies):
        states = {name: check.state for name, check in found(run).items()}
        assert checks.FAILED not in {state for name, state in states.items() if "at least" not in name}
        assert states["No patient is in two splits"] == checks.PASSED
        assert states["Data of training and evaluation"] == checks.PASSED


def test_a_leak_is_found(tmp_path: pathlib.Path) -> None:
    run = report_folders.films(tmp_path / "run")
    report_folders.data(run / "records", "films", ["P000", "P001"], leaking=True)
    check = found(run)["No patient is in two splits"]
    assert check.state == checks.FAILED
    assert "P000" in check.found
    assert "failed" in section(rendered(run), "checks")
    assert "Failed checks" in section(rendered(run), "limits")


def test_patients_who_trained_and_are_judged_are_found(tmp_path: pathlib.Path) -> None:
    run = report_folders.films(tmp_path / "run")
    report_folders.data(run / "records", "films", ["elsewhere"])
    path = run / "records" / "records.csv"
    path.write_text(path.read_text().replace("T000", "P003"))
    assert "trained the model: P003" in found(run)["No patient is in two splits"].found


@pytest.mark.parametrize(
    ("values", "name", "state"),
    [
        ({"split": "train"}, "Figures come from cases that training never saw", checks.FAILED),
        ({"split": ...}, "Figures come from cases that training never saw", checks.OPEN),
        ({"data_hash": "cd" * 32}, "Data of training and evaluation", checks.TOLD),
        ({"threshold_source": "best on the test split"}, checks.THRESHOLD, checks.FAILED),
        ({"threshold_source": "given"}, checks.THRESHOLD, checks.OPEN),
        ({"n": 7}, "Rows and summary are of one evaluation", checks.FAILED),
        ({"versions": {"raspine": "0.2.0"}}, "Versions of training and evaluation", checks.FAILED),
        ({"git_commit": "0123-dirty"}, "Code can be found again", checks.FAILED),
    ],
)
def test_a_fault_fails_its_check(tmp_path: pathlib.Path, values: dict[str, object], name: str, state: str) -> None:
    run = report_folders.studies(tmp_path / "run")
    change(run / "summary.json", **values)
    assert found(run)[name].state == state


def test_spacing_of_the_detector_fails(tmp_path: pathlib.Path) -> None:
    run = report_folders.films(tmp_path / "run")
    assert found(run)[checks.SPACING].state == checks.PASSED
    (run / "films.csv").write_text((run / "films.csv").read_text().replace("geometry", "detector_plane", 6))
    assert found(run)[checks.SPACING].state == checks.FAILED


def test_sections_of_a_page_are_named_once(films: pathlib.Path, studies: pathlib.Path) -> None:
    for run in (films, studies):
        sections = page.sections(gather.read(gather.locate(run)))
        names = [one.name for one in sections]
        assert len(names) == len(set(names))
        assert names[0] == "glance"
        assert all(isinstance(one, blocks.Section) and one.short for one in sections)

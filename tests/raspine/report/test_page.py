import base64
import hashlib
import json
import pathlib
import re

import pytest
import report_folders

from raspine.report import blocks, checks, gather, page


def rendered(run: pathlib.Path, **places: pathlib.Path) -> str:
    return page.render(gather.read(gather.locate(run, **places)))


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


def change(path: pathlib.Path, **values: object) -> None:
    known = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in {**known, **values}.items() if value is not ...}))


def test_the_page_refers_to_nothing_outside(films: pathlib.Path, studies: pathlib.Path) -> None:
    for html in map(rendered, (films, studies)):
        assert not re.search(r"""(?:src|href|action|srcset|data)=["'](?!data:|#)""", html)
        style = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
        assert "url(" not in style
        assert "@import" not in style
        assert len(html) < 2_000_000


def test_the_policy_knows_the_script_by_its_hash(films: pathlib.Path) -> None:
    html = rendered(films)
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert len(script) == 1
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html


def test_the_same_run_gives_the_same_page(films: pathlib.Path) -> None:
    assert rendered(films) == rendered(films)


def test_films_show_errors_agreement_and_raters(films: pathlib.Path) -> None:
    html = rendered(films)
    summary = json.loads((films / "summary.json").read_text())
    glance = section(html, "glance")
    assert f"{summary['mre_mm']:.2f} mm" in glance
    assert "ADI &gt; 3 mm or SAC ≤ 13 mm" in glance
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


def test_studies_show_discrimination_calibration_and_trust(studies: pathlib.Path) -> None:
    html = rendered(studies)
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


def test_a_picture_is_taken_from_the_explanations_folder_alone(studies: pathlib.Path) -> None:
    assert "S009" not in section(rendered(studies), "cases")


def test_pictures_are_encoded_anew(films: pathlib.Path) -> None:
    sources = re.findall(r'<img src="(.*?)"', rendered(films))
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
        ("dataset.json", {"synthetic": True}),
        ("dataset.json", {"options": {"annotators": ["exact"]}}),
        ("summary.json", {"synthetic": True}),
    ],
)
def test_a_synthetic_run_says_so_first(tmp_path: pathlib.Path, name: str, values: dict[str, object]) -> None:
    run = report_folders.studies(tmp_path / "run")
    assert "Synthetic data." not in rendered(run)
    path = run / "records" / name if name == "dataset.json" else run / name
    if not path.exists():
        path.write_text("{}")
    change(path, **values)
    html = rendered(run)
    assert html.index("Synthetic data.") < html.index("<main")
    assert "say nothing about patients" in section(html, "limits")


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

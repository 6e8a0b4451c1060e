import pathlib

import pacs_survival


def test_every_film_of_a_burst_has_one_report_however_often_the_worker_is_killed(
    tmp_path: pathlib.Path, model_directory: pathlib.Path
) -> None:
    found = pacs_survival.survive(tmp_path, 12, 2, model_directory)
    assert found == {
        "films": 12, "reports": 12, "overlays": 12, "films with one report": 12, "reports on other images": 0,
        "status": 0, "starts": 3,
    }  # fmt: skip

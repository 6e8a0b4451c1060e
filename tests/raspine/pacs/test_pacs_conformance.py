"""The conformance statement says what the code does. `python THIS_FILE` makes its tables anew."""

import datetime
import http.server
import pathlib
import re
import threading
import urllib.parse
from collections.abc import Callable

import pydicom
import pytest
import study_dicom
from pydicom.uid import UID, generate_uid

from raspine import landmarker, reading
from raspine.dicom import decode, film
from raspine.dicom_results import film_results
from raspine.pacs import conformance, storage
from raspine.pacs.archive import Address, Archive
from raspine.pacs.instances import Instance

PAGE = pathlib.Path(__file__).resolve().parents[3] / "experiments/serving/conformance.md"


def test_the_tables_of_the_page_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    assert conformance.renewed(page) == page, f"run: python {pathlib.Path(__file__).name}"
    assert set(re.findall(r"<!-- table: ([a-z ]+) -->", page)) == set(conformance.tables())
    assert all(uid in page for uid in (*storage.FILMS, *storage.SLICES, *storage.RESULTS, *storage.SYNTAXES))


def test_every_syntax_that_is_accepted_can_be_decoded() -> None:
    for syntax in storage.SYNTAXES:
        assert syntax in decode.NATIVE or syntax == "1.2.840.10008.1.2.5" or decode._kind(UID(syntax)), syntax.name


@pytest.mark.filterwarnings("ignore")
def test_the_archive_is_asked_for_nothing_but_what_the_page_says(tmp_path: pathlib.Path) -> None:
    seen: list[tuple[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.command, self.path.removeprefix("/web")))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b'[{"0020000D": {"Value": ["1.2"]}}]' if self.command == "GET" else b"{}"
            self.send_response(200)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        use_all(Archive(Address(f"http://127.0.0.1:{server.server_address[1]}/web")), tmp_path)
    finally:
        server.shutdown()
        server.server_close()
    allowed = {(method, resource): set(names.split(", ")) for _, method, resource, names in conformance.WEB}
    used = set()
    for method, path in seen:
        parts = urllib.parse.urlsplit(path)
        resource = re.sub(r"/instances/[0-9.]+", "/instances/{instance}", parts.path)
        resource = re.sub(r"/series/[0-9.]+", "/series/{series}", resource)
        resource = re.sub(r"/studies/[0-9.]+", "/studies/{study}", resource)
        assert set(urllib.parse.parse_qs(parts.query)) <= allowed[method, resource]
        used.add((method, resource))
    assert used == set(allowed)


def use_all(archive: Archive, folder: pathlib.Path) -> None:
    """Does everything with an archive that the worker does."""
    archive.ping()
    list(archive.studies(datetime.date(2026, 1, 1), 10))
    archive.instances("1.2", 10)
    archive.has("1.2", "1.2.3")
    with pytest.raises(Exception, match="archive"):
        archive.fetch(Instance("1.2", "1.3", "1.4", "1.5"), folder / "f")
    archive.store("1.2", [pydicom.dcmread(study_dicom.write(folder, "s", indices=[0])[0])])


def test_results_hold_what_the_page_says(
    model: landmarker.Landmarker, tmp_path: pathlib.Path, dicom_writer: Callable, film_pixels: Callable
) -> None:
    path = tmp_path / "film.dcm"
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    dicom_writer(path, film_pixels(91, 70, 1), PixelSpacing=[0.2, 0.3], **uids)
    found = film.read(path)
    (measured,) = reading.measure_films(model, [found])
    source = pydicom.dcmread(path)
    report, overlay = film_results.objects(source, found, measured, model.schema, model.identity)
    assert {report.SOPClassUID, overlay.SOPClassUID} < set(storage.RESULTS)
    said = dict(conformance.RESULTS)
    for result, number in ((report, 9801), (overlay, 9802)):
        assert f"`{result.Modality}`" in said["Modality (0008,0060)"]
        assert f"`{result.SpecificCharacterSet}`" in said["Specific Character Set (0008,0005)"]
        assert result.SOPInstanceUID.startswith("2.25.")
        assert result.StudyInstanceUID == source.StudyInstanceUID
        assert result.SeriesNumber == number
        assert str(number) in said["Series Number (0020,0011)"]
        assert result.SeriesDescription.startswith("AI result, research use")
        assert f"`{result.Manufacturer}`" == said["Manufacturer (0008,0070)"]
        assert result.DeviceSerialNumber == model.identity.digest
        assert result.PatientID == source.PatientID
    flags = f"`{report.CompletionFlag}`, `{report.VerificationFlag}`, `{report.PreliminaryFlag}`"
    assert said["Completion, Verification, Preliminary Flag"].startswith(flags)
    assert (
        f"TID {report.ContentTemplateSequence[0].TemplateIdentifier}" in said["Content Template Sequence (0040,A504)"]
    )
    assert f"`{overlay.ContentLabel}`" in said["Content Label (0070,0080)"]


if __name__ == "__main__":
    PAGE.write_text(conformance.renewed(PAGE.read_text()))

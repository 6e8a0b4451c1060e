"""The page in a real browser: what it loads, how it is reached by keyboard, what its script computes."""

import base64
import collections
import itertools
import json
import pathlib
from collections.abc import Iterator

import numpy as np
import pytest
import report_folders
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from raspine.evaluation import confusion, intervals
from raspine.report import gather, page

KINDS = ("films", "studies")
Pages = dict[str, str]


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for kind in KINDS:
        for hostile in (False, True):
            name = f"{kind}{'_hostile' if hostile else ''}"
            run = getattr(report_folders, kind)(folder / name, hostile)
            found[name] = write(folder / f"{name}.html", run)
    return found


def write(path: pathlib.Path, run: pathlib.Path) -> str:
    path.write_text(page.render(gather.read(gather.locate(run))), encoding="utf-8")
    return path.as_uri()


def errors(browser: webdriver.Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def text(element: WebElement, name: str) -> str:
    return element.get_attribute(name) or ""


def width(browser: webdriver.Chrome, pixels: int) -> None:
    size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": pixels < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("kind", KINDS)
def test_it_loads_nothing_and_complains_of_nothing(browser: webdriver.Chrome, pages: Pages, kind: str) -> None:
    browser.get_log("performance")
    browser.get(pages[kind])
    assert errors(browser) == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    wanted = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in wanted if not url.startswith("data:")] == [pages[kind]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pixels", [390, 1280])
def test_it_never_scrolls_sideways(browser: webdriver.Chrome, pages: Pages, kind: str, pixels: int) -> None:
    width(browser, pixels)
    browser.get(pages[kind])
    browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; });")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= pixels
    assert browser.execute_script("return innerWidth") == pixels


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_has_an_alternative(browser: webdriver.Chrome, pages: Pages, kind: str) -> None:
    browser.get(pages[kind])
    images = browser.find_elements(By.TAG_NAME, "img")
    assert images
    assert all(len(text(image, "alt")) > 20 for image in images)
    assert all(browser.execute_script("return arguments[0].naturalWidth", image) > 0 for image in images)
    described = browser.execute_script(
        "return [...document.querySelectorAll('svg')].map((svg) => [svg.getAttribute('role'), "
        "(svg.getAttribute('aria-labelledby') || '').split(' ')"
        ".map((id) => document.getElementById(id)?.textContent || '').join(' ')])"
    )
    assert len(described) >= 8
    assert all(role == "img" and len(told) > 20 for role, told in described)
    names = browser.execute_script("return [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert [name for name, count in collections.Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pixels", [390, 1280])
def test_every_section_is_reached_by_keyboard(browser: webdriver.Chrome, pages: Pages, kind: str, pixels: int) -> None:
    width(browser, pixels)
    browser.get(pages[kind])
    sections = browser.execute_script("return [...document.querySelectorAll('main > section')].map((one) => one.id)")
    assert len(sections) >= 15
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert text(browser.switch_to.active_element, "href").endswith("#main")
    reached: list[str] = []
    while len(reached) < len(sections):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        link = browser.switch_to.active_element
        target = text(link, "href").rpartition("#")[2]
        if target == "sections":
            continue
        outline = browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", link)
        assert outline == "solid"
        reached.append(target)
    assert reached == sections
    for name in sections:
        link = browser.find_element(By.CSS_SELECTOR, f"#sections a[href='#{name}']")
        link.send_keys(Keys.ENTER)
        assert browser.execute_script("return location.hash") == f"#{name}"
        assert browser.execute_script("return document.activeElement.id") == name


@pytest.mark.parametrize("kind", KINDS)
def test_headings_and_landmarks_are_in_order(browser: webdriver.Chrome, pages: Pages, kind: str) -> None:
    browser.get(pages[kind])
    levels = browser.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3,h4')].map((one) => +one.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for tag in ("header", "nav", "main", "footer"):
        assert len(browser.find_elements(By.CSS_SELECTOR, f"body {tag}")) == 1
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"


def test_the_slider_decides_as_the_evaluation_does(browser: webdriver.Chrome, pages: Pages) -> None:
    width(browser, 1280)
    browser.get(pages["studies"])
    risks, outcomes = report_folders.scores()
    slider = browser.find_element(By.ID, "threshold")

    def shown() -> dict[str, str]:
        return browser.execute_script(
            "const all = document.querySelectorAll('.explorer [data-out], .explorer [data-interval]');"
            "return Object.fromEntries([...all]"
            ".map((one) => [one.dataset.out || one.dataset.interval + '_ci', one.textContent]))"
        )

    def expected(threshold: float) -> dict[str, str]:
        cells = confusion.at(risks, outcomes, threshold)
        found = {name: str(count) for name, count in cells.to_dict().items()}
        for name in ("sensitivity", "specificity", "ppv", "npv"):
            part, whole = cells.shares[name]
            ends = intervals.wilson(part, whole)
            found[name] = f"{100 * part / whole:.1f} %" if whole else "–"
            found[f"{name}_ci"] = f"{100 * ends[0]:.0f} to {100 * ends[1]:.0f} %" if whole else "no such case"
        return found

    assert shown() == expected(report_folders.THRESHOLD)
    for threshold in (0.0, 0.123, 0.25, float(risks[4]), 0.5, 0.777, 1.0):
        browser.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            slider,
            threshold,
        )
        assert shown() == expected(threshold)
    assert "not the frozen threshold" in browser.find_element(By.ID, "explorer-note").text
    browser.find_element(By.ID, "frozen").send_keys(Keys.ENTER)
    assert shown() == expected(report_folders.THRESHOLD)
    slider.send_keys(Keys.ARROW_RIGHT)
    assert shown() == expected(report_folders.THRESHOLD + 0.001)


def test_the_large_view_opens_leafs_and_closes_by_keyboard(browser: webdriver.Chrome, pages: Pages) -> None:
    width(browser, 1280)
    browser.get(pages["studies"])
    viewer = browser.find_element(By.ID, "viewer")
    button = browser.find_elements(By.CSS_SELECTOR, ".enlarge")[0]
    assert not viewer.is_displayed()
    button.send_keys(Keys.ENTER)
    assert viewer.is_displayed()
    first = browser.find_element(By.ID, "viewer-title").text
    assert viewer.find_element(By.TAG_NAME, "img").get_attribute("alt")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert browser.find_element(By.ID, "viewer-title").text != first
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not viewer.is_displayed()
    assert browser.switch_to.active_element == button


def test_filters_show_the_wanted_cases(browser: webdriver.Chrome, pages: Pages) -> None:
    width(browser, 1280)
    browser.get(pages["studies"])

    def press(label: str) -> None:
        browser.find_element(By.XPATH, f"//*[@data-filter][normalize-space()='{label}']").send_keys(Keys.ENTER)

    def visible() -> list[tuple[str, str]]:
        figures = browser.find_elements(By.CSS_SELECTOR, ".picture")
        names = ("data-group", "data-series")
        return [(text(one, names[0]), text(one, names[1])) for one in figures if one.is_displayed()]

    assert [series for _, series in visible()] == ["Grad-CAM"] * 4  # one method at a time
    press("all methods")
    assert len(visible()) == 8
    press("missed")
    assert visible() == [("fn", "Grad-CAM"), ("fn", "Grad-CAM++")]
    press("Grad-CAM++")
    assert visible() == [("fn", "Grad-CAM++")]
    assert "1 of 8" in browser.find_element(By.CSS_SELECTOR, ".shown").text
    press("all")
    assert len(visible()) == 4


def test_tables_sort_by_number_and_back(browser: webdriver.Chrome, pages: Pages) -> None:
    browser.get(pages["films"])
    table = browser.find_element(By.CSS_SELECTOR, "#localisation table.sortable")
    headings = [heading.text for heading in table.find_elements(By.CSS_SELECTOR, "thead th")]
    column = headings.index("Mean, mm")
    button = table.find_elements(By.CSS_SELECTOR, "thead th button")[column]

    def values() -> list[float]:
        cells = table.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({column + 1})")
        return [float(text(cell, "data-order")) for cell in cells]

    before = values()
    button.send_keys(Keys.ENTER)
    assert values() == sorted(before)
    button.send_keys(Keys.ENTER)
    assert values() == sorted(before, reverse=True)
    heading = table.find_elements(By.CSS_SELECTOR, "thead th")[column]
    assert heading.get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_read_without_script(browser: webdriver.Chrome, pages: Pages, kind: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(pages[kind])
        assert not browser.find_element(By.TAG_NAME, "html").get_attribute("class")
        sections = browser.find_elements(By.CSS_SELECTOR, "main > section")
        assert len(sections) >= 15
        assert all(section.is_displayed() and section.find_element(By.TAG_NAME, "h2").text for section in sections)
        assert not any(one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, ".filters, .slider"))
        assert all(one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, ".picture"))
        assert browser.find_elements(By.CSS_SELECTOR, "button.sort") == []
        if kind == "studies":
            cells = confusion.at(*report_folders.scores(), report_folders.THRESHOLD)
            assert browser.find_element(By.CSS_SELECTOR, "[data-out=tp]").text == str(cells.tp)
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_code_stay_text(browser: webdriver.Chrome, pages: Pages, kind: str) -> None:
    width(browser, 390)
    browser.get(pages[f"{kind}_hostile"])
    assert browser.execute_script("return window.hacked") is None
    assert errors(browser) == []
    assert all(text(image, "src").startswith("data:image/") for image in browser.find_elements(By.TAG_NAME, "img"))
    assert "window.hacked=1" in text(browser.find_element(By.TAG_NAME, "main"), "textContent")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1


def test_the_page_lets_no_other_script_run_and_loads_nothing(browser: webdriver.Chrome, pages: Pages) -> None:
    browser.get(pages["films"])
    browser.execute_script(
        "const one = document.createElement('script'); one.textContent = 'window.hacked = 1';"
        "document.body.append(one);"
        "const two = new Image(); two.src = 'https://example.org/x.png'; document.body.append(two);"
    )
    assert browser.execute_script("return window.hacked") is None
    refused = " ".join(errors(browser))
    assert "Content Security Policy" in refused
    assert "example.org" in refused


def test_paper_has_no_navigation_and_everything_open(browser: webdriver.Chrome, pages: Pages) -> None:
    browser.get(pages["studies"])
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not browser.find_element(By.ID, "sections").is_displayed()
        assert not any(
            one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, ".enlarge, .slider, .filters")
        )
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert browser.execute_script("return document.querySelectorAll('details.folded:not([open])').length") == 0
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        assert browser.execute_script("return document.querySelectorAll('details.folded[open]').length") == 0
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert pdf.startswith(b"%PDF")
    sides = np.array([595.0, 842.0])  # A4 in points
    boxes = [part.split(b"]")[0].split() for part in pdf.split(b"/MediaBox [")[1:]]
    assert boxes
    assert all(np.allclose([float(end) for end in box[2:]], sides, atol=1.5) for box in boxes)

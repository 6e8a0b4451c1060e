"""Every chart as a browser shows it on a narrow and on a wide screen."""

import base64
import io
import json
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import chart_samples
import numpy as np
import pytest
from PIL import Image
from selenium import webdriver

WIDTHS = (390, 700)
_MEASURE = """
return [...document.querySelectorAll('svg.chart')].map(svg => {
  const edges = r => [r.left, r.top + scrollY, r.right, r.bottom + scrollY];
  const box = e => edges(e.getBoundingClientRect());
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  return {name: svg.getAttribute('aria-labelledby').split('-')[0], box: box(svg),
    points: [...svg.querySelectorAll('use')].map(box),
    texts: [...svg.querySelectorAll('text')].map(t => ({
      words: t.textContent, box: box(t), size: parseFloat(getComputedStyle(t).fontSize) * scale,
      fill: getComputedStyle(t).fill, turned: (t.getAttribute('transform') || '').includes('rotate(-45')}))};
});
"""


# Whether a point, or one that hides it, tells its name to a pointer at its middle.
_POINT_AT = """
const all = [...document.querySelectorAll('svg.chart')];
const svg = all.find(one => one.getAttribute('aria-labelledby').startsWith(arguments[0]));
svg.scrollIntoView();
return [...svg.querySelectorAll('use[data-patient]')].map(use => {
  const box = use.getBoundingClientRect();
  const hit = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
  return Boolean(hit && hit.querySelector(':scope > title') && hit.dataset.patient) ? 1 : 0;
});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def shown(browser: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], dict[str, Any]]:
    """What the browser made of each chart at each width: boxes of its texts and a picture."""
    page = tmp_path_factory.mktemp("charts") / "page.html"
    pictures = "".join(f"<figure>{draw().svg}</figure>" for draw in chart_samples.SAMPLES.values())
    rules = "body{margin:16px}figure{margin:0 0 24px}"
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>charts</title><style>{rules}</style>"
    page.write_text(head + pictures)
    return {(chart["name"], width): chart for width in WIDTHS for chart in _measure(browser, page, width)}


def _measure(browser: webdriver.Chrome, page: pathlib.Path, width: int) -> list[dict[str, Any]]:
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(page.as_uri())
    charts: list[dict[str, Any]] = json.loads(json.dumps(browser.execute_script(_MEASURE)))
    answer = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
    whole = Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB")
    for chart in charts:
        chart["picture"] = whole.crop(_rounded(chart["box"]))
    return charts


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", chart_samples.SAMPLES)
class TestChartOnScreen:
    def test_is_drawn_and_fits(self, shown: dict, name: str, width: int) -> None:
        chart = shown[name, width]
        left, _, right, _ = chart["box"]
        assert 300 < right - left <= width - 32
        dark = (np.asarray(chart["picture"]).min(2) < 200).mean()
        assert 0.005 < dark < 0.6

    def test_cuts_nothing_off(self, shown: dict, name: str, width: int) -> None:
        chart = shown[name, width]
        outer = chart["box"]
        texts = [(text["words"], text["box"]) for text in chart["texts"]]
        for words, box in [*texts, *(("a point", box) for box in chart["points"])]:
            assert box[0] >= outer[0] - 0.5, words
            assert box[1] >= outer[1] - 0.5, words
            assert box[2] <= outer[2] + 0.5, words
            assert box[3] <= outer[3] + 0.5, words

    def test_texts_do_not_overlap(self, shown: dict, name: str, width: int) -> None:
        texts = [text for text in shown[name, width]["texts"] if not text["turned"] and text["words"].strip()]
        for place, first in enumerate(texts):
            for second in texts[place + 1 :]:
                assert _overlap(first["box"], second["box"]) < 0.15, (first["words"], second["words"])

    def test_texts_are_large_and_dark_enough(self, shown: dict, name: str, width: int) -> None:
        chart = shown[name, width]
        for text in chart["texts"]:
            assert text["size"] >= 8.5, text["words"]
            assert _contrast(_colour(text["fill"]), _ground(chart, text["box"])) >= 4.5, text["words"]


@pytest.mark.parametrize("name", ["scatter", "bland_altman", "risks"])
def test_points_are_reached_by_the_pointer(shown: dict, browser: webdriver.Chrome, name: str) -> None:
    assert (name, WIDTHS[-1]) in shown  # the page is loaded
    found = browser.execute_script(_POINT_AT, f"{name}-title")
    assert len(found) > 300
    assert np.mean(found) > 0.6


def test_console_stays_empty(shown: dict, browser: webdriver.Chrome) -> None:
    # The log is read after the pages were loaded.
    assert len(shown) == len(WIDTHS) * len(chart_samples.SAMPLES)
    assert [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]] == []


def _rounded(box: Sequence[float]) -> tuple[int, int, int, int]:
    left, top, right, bottom = map(round, box)
    return left, top, right, bottom


def _overlap(first: list[float], second: list[float]) -> float:
    """The shared area as a share of the smaller text."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return max(0.0, across) * max(0.0, down) / smaller


def _colour(words: str) -> tuple[int, ...]:
    return tuple(int(part) for part in words[words.index("(") + 1 : -1].split(",")[:3])


def _ground(chart: dict[str, Any], box: list[float]) -> tuple[int, ...]:
    left, top = chart["box"][:2]
    edges = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    pixels = np.asarray(chart["picture"].crop(_rounded(edges))).reshape(-1, 3)
    return Counter(map(tuple, pixels.tolist())).most_common(1)[0][0]


def _contrast(first: tuple[int, ...], second: tuple[int, ...]) -> float:
    """Contrast as WCAG 2 defines it."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: tuple[int, ...]) -> float:
    parts = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

"""The main job in a real browser: from the sample's clusters to a classifier in a zip file."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.studio import PATIENCE, ROOT, browsing, serving, settled

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
SAMPLES = ROOT / "data" / "samples"


def open_page(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
    settled(page)


def points_drawn(page: Page, chart: str) -> int:
    """How many points the first line of a chart has."""
    script = "chart => chart.querySelector('.js-plotly-plot')?.data?.[0]?.x?.length ?? 0"
    return int(page.locator(f".st-key-{chart}").last.evaluate(script))


def test_from_the_sample_to_a_classifier(tmp_path: Path) -> None:
    with serving(tmp_path / "workspace", tmp_path / "server.log") as url, browsing() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))

        # the sample becomes clusters, while the page is left and the tab is loaded again
        page.goto(url)
        page.get_by_role("button", name="Try the bundled sample").click()
        page.get_by_test_id("stSidebar").get_by_text("Clustering").wait_for()
        open_page(page, "Clusters")
        page.reload()
        page.get_by_test_id("stSidebar").get_by_text("Clustering").wait_for()
        page.get_by_test_id("stSidebar").get_by_text("Clustering").wait_for(state="detached")
        page.get_by_text(re.compile(r"Showing [\d,]+ of [\d,]+ pairs")).wait_for()
        page.locator(".st-key-tree .slice").first.wait_for()
        page.get_by_role("radio", name="Tasks").click()
        page.get_by_role("button", name="Show me a task").click()
        page.locator(".gram-task img").nth(40).wait_for()

        # meta-training, its curve moving
        open_page(page, "Meta-train")
        page.get_by_role("spinbutton", name="Meta steps").fill("20")
        page.keyboard.press("Enter")
        settled(page)
        page.get_by_role("button", name="Start meta-training").click()
        page.locator(".st-key-chart-loss .js-plotly-plot").wait_for()
        lengths = {points_drawn(page, "chart-loss")}
        while not page.get_by_role("button", name="Tune a classifier from it").is_visible():
            lengths.add(points_drawn(page, "chart-loss"))
            page.wait_for_timeout(500)
        settled(page)
        lengths.add(points_drawn(page, "chart-loss"))
        assert max(lengths) == 20
        assert len(lengths) > 1, "the curve was seen to grow"

        # upload pictures of two classes, name a new one by its pictures
        page.get_by_role("button", name="Tune a classifier from it").click()
        settled(page)
        parts = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
        base, new = list(parts["base"].items())[:2], list(parts["new"].items())[:2]
        for place, (name, files) in enumerate(base):
            enter_class(page, place, name, files)
        for place, (name, files) in enumerate(new):
            page.get_by_role("button", name="Add a new class").click()
            settled(page)
            enter_class(page, 2 + place, name, files)
        page.get_by_role("spinbutton", name="Epochs").fill("20")
        page.keyboard.press("Enter")
        settled(page)
        page.get_by_role("button", name="Start the race").click()

        # both lines of the race, in both panels; what comes after it is there once
        page.get_by_role("button", name="Download classifier").nth(1).wait_for()
        settled(page)
        expect(page.get_by_text("A picture to try")).to_have_count(1, timeout=PATIENCE)
        expect(page.get_by_role("button", name="Download classifier")).to_have_count(2)
        names = page.locator(".st-key-race-chart").last.evaluate(
            "chart => chart.querySelector('.js-plotly-plot').data.map(line => line.name)"
        )
        assert sorted(names) == sorted(2 * ["zero-shot", "CoOp", "CoOp + GRAM"])
        assert page.locator(".gram-scores tbody tr").count() == 3

        # try it, take it away
        page.get_by_test_id("stFileUploader").last.locator("input[type=file]").set_input_files(
            SAMPLES / new[0][1][0]
        )
        page.locator(".st-key-ranking-gram .bars path").first.wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download classifier").nth(1).click()
        with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
            files = {Path(name).name for name in archive.namelist()}
            about = next(name for name in archive.namelist() if name.endswith("classifier.json"))
            classes = json.loads(archive.read(about))["class_names"]
        assert {"prompts.safetensors", "classifier.json"} <= files
        assert classes == [name for name, _ in base + new]

        # it is all still there after the server was killed
        open_page(page, "Runs")
        page.get_by_role("tab", name="Runs (3)").wait_for()
        assert problems == []
    with serving(tmp_path / "workspace", tmp_path / "server.log") as url, browsing() as page:
        page.goto(url)
        page.get_by_role("button", name="Tune a classifier").wait_for()
        assert page.get_by_text("check_circle").count() == 3


def enter_class(page: Page, place: int, name: str, files: list[str]) -> None:
    """Name and pictures of the class card at `place`."""
    page.get_by_placeholder("Name of the class").nth(place).fill(name)
    page.keyboard.press("Enter")
    settled(page)
    card = page.locator("[class*='st-key-class-']").nth(place)
    card.locator("input[type=file]").set_input_files([SAMPLES / file for file in files])
    card.locator(".gram-strip img").nth(len(files) - 1).wait_for()
    settled(page)

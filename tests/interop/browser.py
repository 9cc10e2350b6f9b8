"""A real Chromium, and axe-core, which judges whether everybody can use a page."""

import contextlib
import os
import pathlib
import shutil

from . import program

CHROMIUM = shutil.which("chromium")
AXE = pathlib.Path(os.environ.get("CALVE_AXE") or program.DEPS / "axe-core" / "axe.min.js")
# Kept as artefacts; looked at by people.
SCREENSHOTS = program.ROOT / "build" / "screenshots"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextlib.contextmanager
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def page_of(browser, url, width=1280, height=900, scheme="light", motion="no-preference", time_zone="Asia/Tokyo"):
    """A page whose console stays silent: errors of scripts, and of the content policy, fail the test."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion, timezone_id=time_zone, locale="en-GB")
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}") if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.said.append(f"uncaught: {error}"))
    page.goto(url)
    try:
        yield page
    finally:
        context.close()


def screenshot(page, name, whole=True):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)


def violations(page):
    """What axe-core finds wrong, a line each."""
    page.evaluate(AXE.read_text())  # not as a script tag: the page's policy forbids that, as it should
    found = page.evaluate("rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES)
    return [f"{rule['id']} ({rule['impact']}): {rule['help']}: {[node['html'][:150] + ' ' + node['failureSummary'][:300] for node in rule['nodes']][:4]}" for rule in found["violations"]]

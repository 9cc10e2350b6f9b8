"""The status page in a real Chromium: what it shows, what can be done with it, and that everybody can use it."""

import importlib.util
import re
import time

import pytest
from conftest import Cold, Hot, need

from . import browser, serve_client, servers
from .configuration import Configuration
from .serve_client import Client
from .test_serve import serving

LAYERS = {
    "bronze_trades_binance": ("bronze", []), "bronze_trades_kraken": ("bronze", []), "bronze_orders_that_are_gone": ("bronze", []),
    "silver_trades": ("silver", ["bronze_trades_binance", "bronze_trades_kraken"]),
    "silver_orders_normalised_and_enriched_with_a_name_that_is_much_longer_than_any_table_should_have": ("silver", ["bronze_orders_that_are_gone"]),
    "ohlcv_1m": ("gold", ["silver_trades"]), "ohlcv_1h": ("gold", ["silver_trades"]), "ohlcv_1d": ("gold", ["silver_trades"]),
}
GONE, LONG = "bronze_orders_that_are_gone", next(name for name in LAYERS if len(name) > 50)


class Place:
    def __init__(self, folder, server=None):
        self.cold = Cold(folder, "hadoop")
        self.hot = Hot(folder / "hot", self.cold)
        for name in set(LAYERS) - {GONE}:
            self.hot.execute(f"CREATE TABLE {name} (ts DateTime64(3, 'UTC'), n UInt32, price Decimal64(8)) ENGINE = MergeTree ORDER BY ts",
                             f"INSERT INTO {name} SELECT now64(3, 'UTC') - INTERVAL 2 DAY + INTERVAL number * 15 SECOND, number, number / 7 FROM numbers(11400)")
        self.token, self.token_file = serve_client.token_file(folder)

    def configure(self, server, **more):
        tables = [{"source": name, "layer": layer, "after": after} for name, (layer, after) in LAYERS.items()]
        return Configuration(self.hot, server.url).write(*tables, schedule={"every": "7d", "retry": {"wait_min": "1h", "wait_max": "1h", "put_aside_after": 50}}, serve={"token_file": str(self.token_file)}, **more)


@pytest.fixture(scope="module")
def place(built, tmp_path_factory):
    need(browser.CHROMIUM, "Chromium is not installed")
    need(browser.AXE.exists(), "axe-core is not there")
    need(importlib.util.find_spec("playwright"), "Playwright is not installed")
    place = Place(tmp_path_factory.mktemp("status-page"))
    with servers.over_libchdb(place.hot.directory) as server:
        place.server = server
        yield place


@pytest.fixture(scope="module")
def chromium(place):
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def served(place, chromium):
    """With cycles that have been: some more rows in each, one that failed as a whole, one of a table that fails."""
    with serving(place.configure(place.server)) as running:
        client = Client(running, place.token)
        client.wait_for_cycles(1)
        for n in range(2, 8):
            for name in ("bronze_trades_binance", "silver_trades", "ohlcv_1m"):
                place.server.query(f"INSERT INTO {name} SELECT now64(3, 'UTC') - INTERVAL 1 MILLISECOND, number, 1 FROM numbers({n * n * 37 % 400})")
            client.post("/api/v1/cycles")
            client.wait_for_cycles(n)
        yield client, running
        place.server.clear()
        if running.process.poll() is None:
            running.end()


def card(page, name):
    return page.locator(f'.card[data-table="{name}"]')


def ready(page):
    page.locator("#link[data-link=live]").wait_for()
    page.locator(".card").first.wait_for()
    return page


def test_what_it_shows(served, chromium):
    client, _ = served
    with browser.page_of(chromium, client.url) as page:
        ready(page)
        assert page.locator("#summary").inner_text() == "8 tables: 1 failed, 1 held up, 6 fresh"
        assert page.title() == "(1) calve"
        assert [column.inner_text().lower() for column in page.locator(".column h3").all()] == ["bronze", "silver", "gold"]
        assert re.fullmatch(r"fresh · under 1 min behind", card(page, "silver_trades").locator(".words").inner_text())
        assert card(page, GONE).locator(".words").inner_text() == "failed"
        assert page.locator(".edge").count() == 6
        # The error, with what to do, once.
        error = page.locator("#errors-list li")
        assert error.count() == 1 and GONE in error.inner_text() and error.locator(".remedy").inner_text()
        # Cycles: bars and the same as a table, with a text for who sees no bars.
        assert page.locator(".chart").count() == 3 and page.locator(".chart").first.locator(".bar").count() == 7
        assert "7 cycles" in page.locator(".chart").first.get_attribute("aria-label")
        page.locator("#history-details summary").click()
        assert page.locator("#history-rows tr").count() == 7 and page.locator("#history-rows tr").last.locator("td").nth(3).inner_text() == "6"
        # Times are UTC, with the reader's own as the tooltip.
        begun = page.locator("#history-rows time").first
        assert page.locator("#since").inner_text().endswith(" UTC") and re.fullmatch(r"[\d:]{8}", begun.inner_text()) and "local time" in begun.get_attribute("title")
        assert page.locator("#version").inner_text() and page.locator("#config-file").inner_text().endswith("calve.yaml")
        assert "next cycle in" in page.locator("#next").inner_text()
        page.locator("#history-details summary").click()
        browser.screenshot(page, "light")
        # For docs/images/status-page.png.
        page.evaluate("scrollTo(0, 0)")
        browser.screenshot(page, "status-page", whole=False)
        # A table's own part, by its address as well.
        card(page, "silver_trades").click()
        assert page.url.endswith("#table=silver_trades") and page.locator("#detail-name").inner_text() == "silver_trades"
        page.locator("#snapshots tr").first.wait_for()
        assert page.locator("#snapshots tr").count() == 7 and "append" in page.locator("#snapshots").inner_text()
        assert page.locator(".edge.near").count() == 5
        browser.screenshot(page, "light-detail")
        page.goto(f"{client.url}/#table={LONG}")
        ready(page)
        assert page.locator("#detail-name").inner_text() == LONG and "it comes after" in page.locator("#detail-facts").inner_text()
        page.locator("#filter").fill("gold")
        assert page.locator(".card:visible").count() == 3 and page.locator("#filter-count").inner_text() == "3 of 8"
        page.locator("#filter").fill("failed")
        assert page.locator(".card:visible").count() == 1
        assert page.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(served, chromium, scheme):
    client, _ = served
    with browser.page_of(chromium, client.url, scheme=scheme, motion="reduce") as page:
        ready(page)
        assert browser.violations(page) == []
        card(page, GONE).click()
        page.locator("#history-details summary").click()
        assert browser.violations(page) == []
        page.locator("#token-open").click()
        assert browser.violations(page) == []
        page.locator("#token-cancel").click()
        browser.screenshot(page, f"{scheme}-table-that-fails")
        assert page.evaluate("getComputedStyle(document.querySelector('.card .mark')).animationName") == "none"
    # A phone: nothing is wider than the screen.
    with browser.page_of(chromium, client.url, width=360, height=740, scheme=scheme) as page:
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator(".edge").count() == 0 and "after bronze_trades_binance" in page.locator("#columns").inner_text()
        browser.screenshot(page, f"phone-{scheme}")
        card(page, "silver_trades").click()
        page.locator("#snapshots tr").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        browser.screenshot(page, f"phone-{scheme}-detail", whole=False)
        assert browser.violations(page) == []


def test_actions(served, chromium, place):
    client, _ = served
    with browser.page_of(chromium, client.url) as page:
        ready(page)
        # It asks for the token; a wrong one is told as such, a right one goes on with what was asked for.
        page.locator("#run-now").click()
        page.locator("#token").fill("not-the-token-at-all")
        page.locator("#token").press("Enter")
        page.locator("#token-error", has_text="The token is wrong").wait_for()
        browser.screenshot(page, "wrong-token", whole=False)
        assert page.locator("#token-dialog").is_visible()
        page.locator("#token").fill(place.token)
        page.locator("#token-use").click()
        page.locator("#told-text", has_text="A cycle begins.").wait_for()
        assert page.locator("#token-open").inner_text() == "Token is set"
        assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
        client.wait_for_cycles(8)
        page.locator(".chart").first.locator(".bar").nth(7).wait_for(state="attached")
        # Pause and resume.
        card(page, "ohlcv_1d").click()
        page.locator("#pause", has_text="Pause").click()
        page.locator("#told-text", has_text="ohlcv_1d is paused").wait_for()
        page.locator("#pause", has_text="Resume").wait_for()
        assert card(page, "ohlcv_1d").locator(".words").inner_text().startswith("paused")
        browser.screenshot(page, "paused")
        page.locator("#pause").click()
        page.locator("#told-text", has_text="is resumed").wait_for()
        page.locator("#pause", has_text="Pause").wait_for()
        # Verify: a difference with what to do about it, and then none.
        place.server.query("INSERT INTO ohlcv_1d SELECT now64(3, 'UTC') - INTERVAL 1 HOUR, 4711, 1")
        page.locator("#verify-range").select_option(label="the last 7 days")
        page.locator("#verify").click()
        page.locator("#detail-verify.error", has_text="DIFFERENCES").wait_for()
        assert "1 missing" in page.locator("#detail-verify").inner_text() and "--repair" in page.locator("#detail-verify").inner_text()
        assert "verify found differences" in page.locator("#errors-list").inner_text()
        browser.screenshot(page, "verify-found-a-difference")
        card(page, "silver_trades").click()
        page.locator("#verify").click()
        page.locator("#detail-verify", has_text="no difference").wait_for()
        assert page.said == ["error: Failed to load resource: the server responded with a status of 401 (Unauthorized)"], "the wrong token"


def test_progress_of_what_runs(served, chromium, place):
    client, _ = served
    place.server.query("INSERT INTO bronze_trades_kraken SELECT now64(3, 'UTC') - INTERVAL 1 MILLISECOND, number, rand() FROM numbers(400000)")
    place.server.fault("slow", match="SELECT.*FROM.*bronze_trades_kraken.*FORMAT Native", times=50, piece_bytes=20_000, delay_ms=12)
    with browser.page_of(chromium, client.url) as page:
        ready(page)
        client.post("/api/v1/cycles")
        row = page.locator("#running-list li", has_text="bronze_trades_kraken")
        row.locator(".words", has_text=re.compile(r"[1-9][\d,]* of 4\d\d,\d\d\d rows · [\d,]+ rows/s .* \d+ % · .* left")).wait_for()
        assert card(page, "bronze_trades_kraken").get_attribute("data-state") == "running" and row.locator("progress").get_attribute("value")
        assert "cycle runs (on-demand)" in page.locator("#next").inner_text()
        browser.screenshot(page, "running")
        assert browser.violations(page) == []
        # A second request follows the cycle that runs.
        assert client.post("/api/v1/cycles").json["begins"] == "when-this-one-ends"
        place.server.clear()
        page.locator("#running-list li").first.wait_for(state="detached", timeout=40_000)
        client.wait("both", lambda status: not status["server"]["cycle"] and not status["server"]["run_requested"])


def test_with_the_keyboard_alone(served, chromium, place):
    client, _ = served
    with browser.page_of(chromium, client.url) as page:
        ready(page)
        page.evaluate(f"sessionStorage.setItem('calve-token', '{place.token}')")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip" and page.locator(".skip").bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        seen, where = [], ""
        for _ in range(30):
            page.keyboard.press("Tab")
            where = page.evaluate("document.activeElement.dataset.table ?? document.activeElement.id ?? document.activeElement.tagName")
            seen.append(where)
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", f"{where} shows no focus"
            if where == "silver_trades":
                break
        assert "filter" in seen and where == "silver_trades"
        page.keyboard.press("Enter")
        page.locator("#detail").wait_for()
        assert page.evaluate("document.activeElement.id") == "detail", "it goes where the table is told of"
        reached = []
        while "pause" not in reached and len(reached) < 10:
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id"))
        page.keyboard.press("Enter")
        page.locator("#pause", has_text="Resume").wait_for()
        assert page.evaluate("document.activeElement.id") == "pause"
        page.keyboard.press("Space")
        page.locator("#pause", has_text="Pause").wait_for()
        page.keyboard.press("Escape")
        page.locator("#detail").wait_for(state="hidden")
        assert page.evaluate("document.activeElement.dataset.table") == "silver_trades", "and back to where it was"


def test_two_hundred_tables_and_a_server_that_goes(place, chromium, tmp_path):
    cold = Cold(tmp_path, "hadoop")
    hot = Hot(place.hot.directory, cold)
    place.server.query("CREATE TABLE tiny ENGINE = MergeTree ORDER BY ts AS SELECT now64(3, 'UTC') AS ts")
    tables = [{"source": "tiny", "name": f"table_{n:03}", "target": f"cold.table_{n:03}", "layer": "bronze" if n < 120 else "gold"} for n in range(200)]
    # A port that it can come back at.
    config = Configuration(hot, place.server.url).write(*tables, schedule={"every": "7d"}, limits={"tables": 8})
    with serving(config) as running:
        client = Client(running)
        with browser.page_of(chromium, client.url) as page:
            ready(page)
            client.wait("200 tables", lambda status: status["cycles"], seconds=60)
            page.locator("#summary", has_text="200 tables: 200 fresh").wait_for()
            assert page.locator(".card").count() == 200 and page.locator(".edge").count() == 0, "80 times 120 lines would be a wall"
            began = time.monotonic()
            page.locator("#filter").fill("table_15")
            assert page.locator(".card:visible").count() == 10 and time.monotonic() - began < 2
            card(page, "table_150").click()
            page.locator("#filter").fill("")
            assert page.locator(".edge").count() == 120
            browser.screenshot(page, "two-hundred-tables")
            # No token is configured.
            page.locator("#run-now").click()
            page.locator("#told-remedy", has_text="serve.token_file").wait_for()
            page.locator("#told-close").click()
            # The server goes, which is said, and comes back.
            running.end()
            page.locator("#lost", has_text="is lost").wait_for()
            assert page.locator("#link-text").inner_text() == "reconnecting" and "as of" in page.locator("#lost").inner_text()
            browser.screenshot(page, "connection-lost", whole=False)
            with serving(config, "--listen", f"127.0.0.1:{client.port}") as again:
                page.locator("#link[data-link=live]").wait_for(timeout=30_000)
                page.locator("#lost").wait_for(state="hidden")
                # What the journal knows of the process before it.
                assert page.evaluate("document.querySelector('.chart') !== null")
                again.end()


def test_before_anything_has_been(place, chromium, tmp_path):
    """No cycle has ended, and none can begin."""
    config = Configuration(Hot(place.hot.directory, Cold(tmp_path, "hadoop")), place.server.url).write("ohlcv_1d", "ohlcv_1h", schedule={"every": "7d"})
    config.write("ohlcv_1d", "ohlcv_1h", source={"password_file": str(tmp_path / "none")})
    with serving(config) as running:
        client = Client(running)
        with browser.page_of(chromium, client.url) as page:
            ready(page)
            assert page.locator("#summary").inner_text() == "2 tables: 2 not looked at yet"
            page.locator("#errors-list", has_text="The last cycle failed as a whole").wait_for()
            assert page.locator("#errors-list .remedy").first.inner_text() or page.locator("#errors-list .what").first.inner_text()
            assert browser.violations(page) == []
            browser.screenshot(page, "nothing-yet")

"""A real browser: Debian's chromium, driven by Playwright, with a fresh profile for each test.

Pictures are kept where `WORKBENCH_SCREENSHOTS` says, otherwise in the test's temporary folder.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.lab import Desk, Lab, lab_running
from tests.server.seeding import Seeded, make_settings, seed

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")


def find_chromium() -> str:
    """The browser's path: `CHROMIUM`, or the first one on the machine."""
    asked = os.environ.get("CHROMIUM")
    for name in [asked] if asked else _CANDIDATES:
        if found := shutil.which(name):
            return found
    pytest.skip("no chromium on this machine; install Debian's package `chromium` or set CHROMIUM to one")


@pytest.fixture(scope="package")  # other folders have tests with event loops of their own
def browser() -> Iterator[Browser]:
    """The browser of this run."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile."""
    made = browser.new_context(viewport={"width": 1400, "height": 900})
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty page."""
    return context.new_page()


@pytest.fixture
def picture(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Page, str], Path]:
    """Take a picture of a page, for a person to look at."""
    folder = Path(os.environ.get("WORKBENCH_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path=path)
        return path

    return take


@pytest.fixture(scope="module")
def lab_home(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """A home with accounts, releases and a deployment in it."""
    return seed(make_settings(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def desk(lab_home: Seeded) -> Iterator[Desk]:
    """Stands in for the gateway and the supervisor."""
    with Desk(lab_home.settings).serving() as serving:
        yield serving


@pytest.fixture(scope="module")
def lab_server(lab_home: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab over the seeded home."""
    with lab_running(lab_home.settings, tmp_path_factory.mktemp("lab")) as lab:
        yield lab

"""A page of headless Chromium that is logged in to Label Studio, for the browser tests and the pictures in docs/."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

WAIT_MS = 60_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """The program, as `make chromium` finds or installs it."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser_of(chromium: str) -> Iterator[Browser]:
    """A headless browser; each context of it is another person."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


def log_in(page: Page, origin: str, email: str, password: str) -> None:
    """Log in to the Label Studio at `origin`."""
    page.goto(f"{origin}/user/login/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", password)
    page.click("button[type=submit], [aria-label='Log In']")
    page.wait_for_url(re.compile(r"/(projects|$)"))


@contextmanager
def label_studio_page(
    chromium: str, origin: str, email: str, password: str, *, width: int, height: int
) -> Iterator[Page]:
    """A page of `width` x `height` pixels, logged in to the Label Studio at `origin`."""
    with browser_of(chromium) as browser:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(WAIT_MS)
        log_in(page, origin, email, password)
        yield page

"""One browser for all tests that look at a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.lab_kit import start_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with start_browser() as started:
        yield started

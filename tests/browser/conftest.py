"""One browser for all tests that look at a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.lab_kit import start_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a JupyterLab stay in one process; the others go to whoever is free."""
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with start_browser() as started:
        yield started

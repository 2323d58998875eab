from __future__ import annotations

import pytest

from mlops_nb import plugins
from mlops_nb.errors import PluginError


def test_miss_lists_the_names() -> None:
    with pytest.raises(PluginError, match='no executor is called "locl"; did you mean "local"'):
        plugins.find("executor", "locl")


def test_every_built_in_can_be_imported() -> None:
    for kind, found in plugins.BUILT_IN.items():
        for name in found:
            assert plugins.find(kind, name) is not None


def test_missing_dependency_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BUILT_IN, "tracker", {"gone": "no_such_package.tracker:Tracker"})
    with pytest.raises(PluginError, match=r"pip install \"mlops-nb\[gone\]\""):
        plugins.find("tracker", "gone")

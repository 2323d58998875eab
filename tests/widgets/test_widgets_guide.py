"""The guide's own panel works as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "widgets.md"


def test_the_guides_panel_shows_who_holds_which_alias(project, monkeypatch):
    monkeypatch.chdir(project)
    first, own = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(first, names)
    exec(own, names)
    panel = names["Holders"]()  # type: ignore[operator]
    panel.wait(60)
    assert panel.failure is None
    assert "champion: v1<br>challenger: v3" in str(panel.picture()) or (
        "challenger: v3<br>champion: v1" in str(panel.picture())
    )
    panel.close()

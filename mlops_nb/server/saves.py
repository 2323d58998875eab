"""Notices when something is saved that a pipeline depends on, and when a run begins elsewhere."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Saves"]

_SETTLED = 0.15
"""Seconds without a further save before it is told."""
_MOST_FOLDERS = 32
_SUFFIXES = frozenset(
    (".yaml", ".yml", ".toml", ".ipynb", ".py", ".md", ".rmd", ".r", ".jl", ".sql", ".sh")
)


class Saves:
    """Watches folders of projects by the system's own notices; nothing is polled.

    Parameters
    ----------
    saved
        Called with the project's path and the saved files, relative to the project.
    began
        Called with the project's path and the id of a run whose folder has appeared.
    log
        Where it is said that a folder cannot be watched.
    """

    def __init__(
        self,
        saved: Callable[[str, tuple[str, ...]], None],
        began: Callable[[str, str], None],
        log: logging.Logger,
    ) -> None:
        self._saved = saved
        self._began = began
        self._log = log
        self._observer: Any = None
        self._watched: dict[str, set[Path]] = {}
        self._sources: dict[str, tuple[str, ...]] = {}
        self._waiting: dict[str, set[str]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def watch(self, project: str, root: Path, sources: Iterable[str]) -> None:
        """Watch a project's folder, those of its sources, and that of its runs.

        Parameters
        ----------
        project
            The project's path relative to the server's root.
        root
            Its folder, absolute.
        sources
            Paths of sources relative to it.
        """
        state = root / ".mlops"
        self._sources[project] = tuple(sources)
        wanted = dict.fromkeys(
            [root, state, state / "runs", *((root / path).parent for path in sources)]
        )
        folders = [one for one in wanted if one.is_dir()][:_MOST_FOLDERS]
        known = self._watched.setdefault(project, set())
        new = [folder for folder in folders if folder not in known]
        if not new:
            return
        known.update(new)
        loop = asyncio.get_running_loop()
        async with self._lock:
            # Its import and its start take a moment that requests should not wait for.
            await asyncio.to_thread(self._schedule, loop, project, root, new)

    def close(self) -> None:
        """Watch nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(5)
            self._observer = None

    def _schedule(
        self, loop: asyncio.AbstractEventLoop, project: str, root: Path, folders: list[Path]
    ) -> None:
        from watchdog.events import (
            DirCreatedEvent,
            DirMovedEvent,
            FileSystemEvent,
            FileSystemEventHandler,
        )
        from watchdog.observers import Observer

        if self._observer is None:
            self._observer = Observer()
            self._observer.daemon = True
            self._observer.start()
        told = self._told

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                if event.event_type in ("opened", "closed_no_write"):
                    return
                made = isinstance(event, DirCreatedEvent | DirMovedEvent)
                for path in {str(event.src_path), str(event.dest_path)} - {""}:
                    if not loop.is_closed():
                        loop.call_soon_threadsafe(told, project, root, Path(path), made)

        for folder in folders:
            try:
                self._observer.schedule(Handler(), str(folder), recursive=False)
            except OSError as error:
                self._log.warning("mlops-nb cannot watch %s: %s", folder, error)

    def _told(self, project: str, root: Path, path: Path, made: bool) -> None:
        """Sort a notice: a run that began, or a file that was saved."""
        state = root / ".mlops"
        if path.parent == state / "runs":
            if made and not path.name.startswith("."):
                self._began(project, path.name)
            return
        if path in (state, state / "runs") and made:
            self._rewatch(project, root)
        if path.parent == state or path.name.startswith(".") or path.name.endswith("~"):
            return
        if path.suffix.lower() not in _SUFFIXES or not path.is_relative_to(root):
            return
        self._waiting.setdefault(project, set()).add(path.relative_to(root).as_posix())
        if project in self._timers:
            self._timers[project].cancel()
        loop = asyncio.get_running_loop()
        self._timers[project] = loop.call_later(_SETTLED, self._settle, project)

    def _rewatch(self, project: str, root: Path) -> None:
        """Watch folders that have just appeared, and see what is in them already."""
        from mlops_nb.api.tail import run_ids

        watching = self.watch(project, root, self._sources.get(project, ()))
        task = asyncio.get_running_loop().create_task(watching)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(
            lambda _: [self._began(project, run) for run in run_ids(root / ".mlops")[:1]]
        )

    def _settle(self, project: str) -> None:
        self._timers.pop(project, None)
        paths = tuple(sorted(self._waiting.pop(project, ())))
        if paths:
            self._saved(project, paths)

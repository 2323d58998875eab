"""Long work off the kernel's main thread, one job of a panel at a time, and how a failure reads."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, TypeVar

from mlops_nb.errors import MlopsNbError
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Failure", "Work"]

T = TypeVar("T")


class Failure(Record, frozen=True, kw_only=True):
    """What went wrong, where, and how to mend it."""

    what: str
    where: str = ""
    how: str = ""
    trace: str = ""
    """For errors that nobody foresaw."""

    @staticmethod
    def of(error: BaseException) -> Failure:
        """Return how an error reads."""
        if isinstance(error, MlopsNbError):
            return Failure(what=error.message, where=error.where, how=error.fix)
        return Failure(
            what=f"{type(error).__name__}: {error}",
            how="this was not foreseen; the details below say where it happened",
            trace="".join(traceback.format_exception(error)).strip(),
        )


class Work:
    """Runs jobs in threads of their own, one at a time.

    Parameters
    ----------
    failed
        Called with what a job failed of and its label.
    changed
        Called when a job begins (with its label) and after the last has ended (with nothing).
    """

    def __init__(
        self, failed: Callable[[Failure, str], None], changed: Callable[[str], None]
    ) -> None:
        self._failed = failed
        self._changed = changed
        self._guard = threading.Lock()
        self._busy = False
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a job goes on."""
        with self._guard:
            return self._busy

    def start(
        self, label: str, job: Callable[[], T], then: Callable[[T], None] | None = None
    ) -> bool:
        """Begin a job; return whether it was begun: not while another one goes on.

        Parameters
        ----------
        label
            What the job does, for people: ``asking the gates``.
        job
            The work; it touches no widget.
        then
            Called in the same thread with what the job returned; it shows the result.
        """

        def run() -> None:
            try:
                result = job()
                if then is not None:
                    then(result)
            except Exception as error:  # noqa: BLE001 - the border: a thread's error is seen by nobody else
                self._failed(Failure.of(error), label)
            finally:
                with self._guard:
                    self._busy = False
                self._changed("")

        thread = threading.Thread(target=run, name=f"mlops-nb: {label}", daemon=True)
        with self._guard:
            if self._busy:
                return False
            self._busy, self._thread = True, thread
        self._changed(label)
        thread.start()
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing goes on, at most so many seconds; return whether that was reached."""
        with self._guard:
            thread = self._thread
        # The thread, not the flag: what it shows last must have been shown.
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            return not thread.is_alive()
        return True

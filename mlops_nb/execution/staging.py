"""Where a task writes before its products are known to be whole.

A task never writes into its final place. Its products are redirected below
``.mlops/runs/<id>/staging/<task>/``, where they keep their relative paths, so that files written
beside a declared product are found as well. `mlops_nb.execution.commit` moves them in.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import ExecutionError
from mlops_nb.files import file_name, write_whole
from mlops_nb.pipeline.files import resolve

if TYPE_CHECKING:
    from mlops_nb.model import Task

__all__ = ["STAGING", "Stage"]

STAGING = "staging"


class Stage:
    """The staging folder of one task in one run.

    Parameters
    ----------
    root
        The project's folder.
    run_dir
        The run's folder.
    task
        The task; products that are no files are left alone.
    """

    def __init__(self, root: Path, run_dir: Path, task: Task) -> None:
        self.root = Path(root).resolve()
        self.task = task
        self.folder = run_dir.resolve() / STAGING / file_name(task.name)
        self.inside = self.folder / "root"
        """Stands for the project's folder."""
        self.outside = self.folder / "outside"
        """Stands for the file system's root, for products outside the project."""
        self._finals: dict[str, Path] = {}
        self.products = {
            product.path: str(self.place(product.path))
            for product in task.products
            if product.is_file
        }
        """The staged absolute path of each declared product, by its path in the specification."""

    def final(self, product: str) -> Path:
        """Return a product's absolute final path."""
        if product not in self._finals:
            self._finals[product] = resolve(self.root, product)
        return self._finals[product]

    def place(self, product: str) -> Path:
        """Return a product's absolute path in the staging folder."""
        final = self.final(product)
        if final.is_relative_to(self.root):
            return self.inside / final.relative_to(self.root)
        return self.outside / final.relative_to(final.anchor)

    def make(self) -> None:
        """Make the folder, empty, with those that the products will stand in.

        Raises
        ------
        ExecutionError
            The folder cannot be written.
        """
        try:
            self.clear()
            self.inside.mkdir(parents=True)
            for path in self.products.values():
                Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExecutionError(
                f"cannot be staged: {error}",
                where=f'task "{self.task.name}"',
                fix="check that the project's folder can be written to and that its disk has room",
            ) from error

    def clear(self) -> None:
        """Delete the folder with all that is in it."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def landings(self) -> list[tuple[Path, Path]]:
        """Return what stands in the folder and where it belongs: staged path, final path.

        Declared products come whole, also as folders; everything else file by file.
        """
        declared = {Path(path): self.final(final) for final, path in self.products.items()}
        found = [(path, final) for path, final in declared.items() if os.path.lexists(path)]
        whole = {str(path) for path, _ in found}
        for base, target in ((self.inside, self.root), (self.outside, Path(self.root.anchor))):
            for folder, folders, files in os.walk(base):
                folders[:] = [name for name in folders if os.path.join(folder, name) not in whole]  # noqa: PTH118
                for name in files:
                    staged = os.path.join(folder, name)  # noqa: PTH118
                    if staged not in whole:
                        found.append((Path(staged), target / os.path.relpath(staged, base)))
        return sorted(found)

    def named(self) -> dict[str, Path]:
        """Return the final path of each product and of what was written beside them, by name.

        A name is a declared product's path in the specification, or a path relative to the
        project (absolute outside of it); `place` takes each of them.
        """
        names = {self.final(product): product for product in self.products}
        found = {path: final for path, final in names.items() if os.path.lexists(path)}
        for _, final in self.landings():
            inside = final.is_relative_to(self.root)
            name = final.relative_to(self.root).as_posix() if inside else str(final)
            found[final] = names.get(final, name)
        return {name: final for final, name in found.items()}

    def missing(self) -> list[str]:
        """Return the declared products that were not written here."""
        return [final for final, path in self.products.items() if not os.path.lexists(path)]

    def shown_paths(self) -> list[tuple[str, str]]:
        """Return each staged path with the final one to show in its place, the longest first."""
        pairs = [(staged, str(self.final(path))) for path, staged in self.products.items()]
        pairs += [(str(self.inside), str(self.root)), (str(self.outside), "")]
        return sorted(pairs, key=lambda pair: -len(pair[0]))

    def mend(self, notebook: Path) -> None:
        """Replace staged paths by final ones in an executed notebook, its outputs among it.

        Parameters
        ----------
        notebook
            An ``.ipynb`` file; replaced in one step.

        Raises
        ------
        ExecutionError
            The file cannot be read or written.
        """
        try:
            data = notebook.read_bytes()
            mended = data
            for staged, shown in self.shown_paths():
                for old, new in _spellings(staged, shown):
                    mended = mended.replace(old, new)
            if mended != data:
                write_whole(notebook, mended)
        except OSError as error:
            raise ExecutionError(f"cannot be written: {error}", where=str(notebook)) from error

    def mend_text(self, text: str) -> str:
        """Replace staged paths by final ones in a message."""
        for staged, shown in self.shown_paths():
            text = text.replace(staged, shown)
        return text


def _spellings(old: str, new: str) -> list[tuple[bytes, bytes]]:
    """Return both texts as they may stand within JSON's quotes."""
    pairs = [
        tuple(json.dumps(text, ensure_ascii=to_ascii)[1:-1].encode() for text in (old, new))
        for to_ascii in (False, True)
    ]
    return [(pair[0], pair[1]) for pair in dict.fromkeys(pairs)]

"""Brings the rest of a project beside frozen sources: data, products, ``.mlops`` itself.

A run in such a folder works on the project's own state and data. `link_rest` lets it leave its
products in the project; `link_apart` gives it products of its own, so that it needs nobody's turn.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.scheduling.sources import NEVER, is_new_source, source_files, untracked_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["bring_home", "copy_sources", "link_apart", "link_rest"]


def link_rest(root: Path, state: Path, frozen: Path, products: Sequence[str]) -> None:
    """Link what is not frozen into a frozen folder; links that are there stay.

    Without products only what lies beside the specification is linked: enough to read it.

    Parameters
    ----------
    root, state
        The project's folder and its state folder.
    frozen
        The frozen folder.
    products
        The pipeline's product files, relative to the project: never the frozen ones.

    Raises
    ------
    ScheduleError
        The disk refuses.
    """
    untracked = untracked_files(root)
    try:
        _link(frozen / ".mlops", state)
        for product in products:
            _give_way(root, frozen, product)
        _merge(root, frozen, untracked, root, deep=bool(products))
    except OSError as error:
        raise ScheduleError(f"cannot be made ready: {error}", where=str(frozen)) from error


def _give_way(root: Path, frozen: Path, product: str) -> None:
    """Let a product's place in the frozen folder be the project's own."""
    parts = Path(product).parts
    if Path(product).is_absolute() or ".." in parts:
        return
    for depth in range(1, len(parts)):
        inside = frozen.joinpath(*parts[:depth])
        if inside.is_symlink():
            return
        if not inside.exists():
            outside = root.joinpath(*parts[:depth])
            outside.mkdir(parents=True, exist_ok=True)
            _link(inside, outside)
            return
    for name in (parts[-1], f".{parts[-1]}.metadata"):
        inside, outside = frozen.joinpath(*parts).with_name(name), (root / product).with_name(name)
        if inside.is_file() and not inside.is_symlink():
            inside.unlink()
        if outside.exists():
            _link(inside, outside)


def bring_home(root: Path, frozen: Path, products: Iterable[str]) -> None:
    """Move products that were made beside frozen sources to the project."""
    for product in products:
        for name in (Path(product).name, f".{Path(product).name}.metadata"):
            inside = (frozen / product).with_name(name)
            outside = (root / product).with_name(name)
            if inside.parent.resolve() == outside.parent.resolve() or inside.is_symlink():
                continue
            if inside.exists():
                outside.parent.mkdir(parents=True, exist_ok=True)
                if inside.is_dir() and outside.is_dir():
                    shutil.rmtree(outside)
                os.replace(inside, outside)  # noqa: PTH105 - says what it does
                _link(inside, outside)


def _merge(
    real: Path, frozen: Path, untracked: frozenset[str], root: Path, *, deep: bool = True
) -> None:
    for path in real.iterdir():
        if path.name in NEVER or (path.is_dir() and not deep):
            continue
        inside = frozen / path.name
        if inside.is_symlink():
            continue
        if inside.is_dir() and path.is_dir():
            _merge(path, inside, untracked, root)
        elif not inside.exists():
            if path.is_dir() and _holds_sources(path):
                # Its sources were not there when it was frozen; its data may be asked for.
                inside.mkdir()
                _merge(path, inside, untracked, root)
            elif not is_new_source(path, untracked, root):
                _link(inside, path)


def _holds_sources(folder: Path) -> bool:
    return next(source_files(folder), None) is not None


def _link(place: Path, target: Path) -> None:
    if place.is_symlink():
        if os.readlink(place) == str(target):  # noqa: PTH115 - as text
            return
        place.unlink()
    place.symlink_to(target)


def copy_sources(frozen: Path, place: Path) -> None:
    """Copy frozen sources into a new folder, without what runs have linked beside them.

    Raises
    ------
    ScheduleError
        The disk refuses.
    """
    try:
        for folder, folders, files in os.walk(frozen):
            here = Path(folder)
            folders[:] = [
                name for name in folders if name not in NEVER and not (here / name).is_symlink()
            ]
            inside = place / here.relative_to(frozen)
            inside.mkdir(parents=True, exist_ok=True)
            for name in files:
                # A run in the frozen folder may just take a product out of it.
                if not (here / name).is_symlink():
                    with suppress(FileNotFoundError):
                        shutil.copy2(here / name, inside / name)
    except OSError as error:
        raise ScheduleError(f"cannot be made ready: {error}", where=str(place)) from error


def link_apart(root: Path, place: Path, products: Sequence[str]) -> None:
    """Give a folder of sources the project's data by links, and its products as they are now.

    The products, with what lies beside them, are the folder's own afterwards: whoever replaces them
    here or there changes nothing of the other. Nobody may change them meanwhile.

    Parameters
    ----------
    root
        The project's folder.
    place
        The folder; `link_rest` without products was called for it.
    products
        The pipeline's product files, relative to the project.

    Raises
    ------
    ScheduleError
        The disk refuses.
    """
    untracked = untracked_files(root)
    made = {os.path.normpath(product) for product in products}
    made |= {os.path.normpath(Path(one).with_name(_sidecar(one))) for one in made}
    try:
        for folder in sorted({Path(product).parent for product in products}):
            _own(root, place, folder, made, untracked, deep=folder != Path())
        for product in products:
            if (root / product).is_dir():
                _own(root, place, Path(product), made, untracked, whole=True)
        _merge(root, place, untracked, root)
    except OSError as error:
        raise ScheduleError(f"cannot be made ready: {error}", where=str(place)) from error


def _own(
    root: Path,
    place: Path,
    folder: Path,
    made: set[str],
    untracked: frozenset[str],
    *,
    deep: bool = True,
    whole: bool = False,
) -> None:
    """Give a folder what lies in the project's, sources aside; all of it where it is a product."""
    (place / folder).mkdir(parents=True, exist_ok=True)
    for product in made:
        # What was frozen of a product is no product.
        if Path(product).parent == folder and (place / product).is_file():
            (place / product).unlink()
    for path in (root / folder).iterdir() if (root / folder).is_dir() else ():
        name = folder / path.name
        inside = place / name
        if path.name in NEVER or (path.is_symlink() and path.is_dir()):
            continue
        if path.is_dir():
            if deep:
                _own(root, place, name, made, untracked, whole=whole)
            continue
        if not path.is_file():
            continue
        is_product = whole or os.path.normpath(name) in made
        if inside.is_symlink():
            inside.unlink()
        if is_product or not (inside.exists() or is_new_source(path, untracked, root)):
            _copy(path, inside)


def _copy(path: Path, inside: Path) -> None:
    """Let a file be in two places, of which each is replaced for itself."""
    inside.unlink(missing_ok=True)
    try:
        inside.hardlink_to(path.resolve())
    except OSError:
        # Another file system, or one without links.
        shutil.copy2(path, inside)


def _sidecar(product: str) -> str:
    return f".{Path(product).name}.metadata"

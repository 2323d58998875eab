from __future__ import annotations

import os
import time

import pytest

from mlops_nb.notebooks.imports import Import, imports_in
from mlops_nb.pipeline import digests as digests_module
from mlops_nb.pipeline.digests import Digests, digest_of
from mlops_nb.pipeline.functions import reachable_source, signature
from mlops_nb.pipeline.modules import Modules


@pytest.fixture
def plain(lab):
    lab.spec("tasks: []\n")
    return lab


def settled(path):
    """Wait until the clock has moved on from the file's last change."""
    while time.time_ns() - path.stat().st_ctime_ns <= 2 * digests_module._GRAIN_NS:
        time.sleep(0.01)


def hashed(lab, *paths):
    look = Digests(lab.project)
    found = [look.of(path) for path in paths]
    look.save()
    return found, look.hashed_bytes


def test_a_file_is_hashed_once_while_it_stays(plain):
    path = plain.write("a.txt", "hello")
    settled(path)
    first, read = hashed(plain, path)
    assert read == 5
    assert hashed(plain, path) == (first, 0)
    os.utime(path, (1.5, 1.5))
    settled(path)
    assert hashed(plain, path) == (first, 5), "another clock: hashed again, found the same"
    assert hashed(plain, path) == (first, 0)


def test_a_file_written_in_the_same_tick_is_not_trusted(plain):
    path = plain.write("a.txt", "one")
    status = path.stat()
    (first,), _ = hashed(plain, path)
    # Same size, same time, same inode: only the content tells.
    with path.open("r+") as file:
        file.write("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (second,), read = hashed(plain, path)
    assert first != second
    assert read == 3


def test_folders_and_what_they_leave_out(plain):
    plain.write("d/a", "1")
    plain.write("d/sub/b", "2")
    (first,), _ = hashed(plain, plain.root / "d")
    plain.write("d/.a.metadata", "{}")
    plain.write("d/__pycache__/x.pyc", "")
    assert hashed(plain, plain.root / "d")[0] == [first]
    look = Digests(plain.project)
    assert look.of(plain.root / "d") == first
    plain.write("d/sub/b", "3")
    assert look.of(plain.root / "d") == first, "one look sees one state"
    look.forget(plain.root / "d")
    assert look.of(plain.root / "d") != first
    (plain.root / "d/sub/b").rename(plain.root / "d/sub/c")
    assert hashed(plain, plain.root / "d")[0] != [first]


def test_what_is_not_there_and_what_cannot_be_kept(plain):
    assert Digests(plain.project).of(plain.root / "nothing") == ""
    assert Digests(plain.project).of("/dev/null") == ""
    path = plain.write("a.txt", "x")
    settled(path)
    plain.write(".mlops/cache/files.json", "{broken")
    assert hashed(plain, path)[1] == 1
    assert hashed(plain, path)[1] == 0


def test_borders_of_parts_count():
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("a") == digest_of(b"a")


MODULE = """
import os
from x import y

CONSTANT = compute()

def compute():
    return deep()

def deep():
    return 1

def one(product, n: int = 3, *, names=("a", "b"), upstream=None, free):
    return helper(n)

def helper(n):
    return Thing().go(n)

class Thing:
    def go(self, n):
        return getattr(os, "by_name")

def by_name():
    pass

def other(product):
    unrelated()

def unrelated():
    pass
"""


def test_what_a_function_reaches():
    kept = reachable_source(MODULE, "one")
    for name in ("compute", "deep", "one", "helper", "Thing", "by_name", "import os", "CONSTANT"):
        assert name in kept
    assert "unrelated" not in kept
    assert "def other" not in kept
    assert "unrelated" in reachable_source(MODULE, "other")
    assert reachable_source(MODULE, "missing") == MODULE
    assert reachable_source("def broken(", "broken") == "def broken("


def test_signatures_declare_parameters():
    found = {parameter.name: parameter for parameter in signature(MODULE, "one")}
    assert (found["n"].type, found["n"].default) == ("int", 3)
    assert (found["names"].type, found["names"].default) == ("tuple[str, str]", ["a", "b"])
    assert not found["free"].literal
    assert set(found) == {"n", "names", "free"}
    assert signature(MODULE, "nothing") == ()


def test_imports_are_followed_through_packages(plain):
    plain.write("src/pkg/__init__.py", "from .a import x\n")
    plain.write("src/pkg/a.py", "from . import b\nfrom ..other import c\nx = 1\n")
    plain.write("src/pkg/b.py", "import pandas.core\nimport pkg.deep.er\n")
    plain.write("src/pkg/deep/er.py", "import json\n")
    plain.write("src/other/__init__.py", "")
    plain.write("src/other/c.py", "import numpy\n")
    plain.write("notebooks/beside.py", "import top\n")
    plain.write("top.py", "import beside\n")
    modules = Modules(plain.root, Digests(plain.project))
    reached = modules.reach(imports_in("import pkg\nimport beside"), plain.root / "notebooks")
    shown = {os.path.relpath(file, plain.root) for file in reached.files}
    assert shown == {
        "src/pkg/__init__.py",
        "src/pkg/a.py",
        "src/pkg/b.py",
        "src/pkg/deep/er.py",
        "src/other/__init__.py",
        "src/other/c.py",
        "notebooks/beside.py",
        "top.py",
    }
    # "top" stands in the root, from where "beside" cannot be seen.
    assert {"pandas.core", "numpy", "json", "beside"} == reached.outside
    assert modules.locate("pkg.a") == plain.root / "src/pkg/a.py"
    assert modules.locate("pkg") == plain.root / "src/pkg/__init__.py"
    assert modules.locate("nowhere") is None
    assert "pkg.missing" not in modules.reach((Import(module="pkg.missing"),), plain.root).outside


def test_a_module_that_is_not_python_counts_by_its_text(plain):
    plain.write("odd.py", "def broken(\n")
    modules = Modules(plain.root, Digests(plain.project))
    assert modules.reach(imports_in("import odd"), plain.root).files == {str(plain.root / "odd.py")}

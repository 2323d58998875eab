from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from mlops_nb.processes import Owner, is_alive, me
from mlops_nb.runs.facts import environment_versions, gather_facts, git_state


def git(folder, *arguments):
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@x", *arguments],
        check=True,
        capture_output=True,
    )


def test_git_state_follows_commits_changes_and_untracked_files(tmp_path):
    assert git_state(tmp_path).commit == ""
    git(tmp_path, "init", "-b", "trunk")
    (tmp_path / "a.py").write_text("1")
    (tmp_path / ".gitignore").write_text("out/\n")
    unborn = git_state(tmp_path)
    assert (unborn.commit, unborn.branch) == ("", "trunk")
    assert unborn.diff
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = git_state(tmp_path)
    assert len(clean.commit) == 40
    assert (clean.diff, clean.changed) == ("", ())
    project = tmp_path / "project"
    (project / ".mlops").mkdir(parents=True)
    (project / ".mlops" / "x").write_text("state")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "product").write_text("ignored")
    assert git_state(project) == clean
    (tmp_path / "a.py").write_text("2")
    edited = git_state(project)
    assert edited.changed == ("a.py",)
    (project / "näme with space.py").write_text("new")
    more = git_state(project)
    assert more.changed == ("a.py", "project/näme with space.py")
    (project / "näme with space.py").write_text("newer")
    digests = [unborn.diff, edited.diff, more.diff, git_state(project).diff]
    assert len(set(digests)) == 4
    (project / "näme with space.py").write_text("new")
    assert git_state(project) == more
    git(tmp_path, "mv", "a.py", "b.py")
    assert "b.py" in git_state(project).changed


def test_facts_say_who_where_and_with_what(tmp_path):
    facts = gather_facts(root=tmp_path, pipeline="p", parameters={"x": 1}, targets=["t"])
    assert facts.pid == os.getpid()
    assert facts.environment["msgspec"]
    assert list(environment_versions()) == sorted(environment_versions())
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert (facts.parameters, facts.targets, facts.git_commit) == ({"x": 1}, ("t",), "")


def test_an_owner_is_alive_only_as_itself():
    owner = me()
    assert is_alive(owner) is True
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    dead = Owner(host=owner.host, boot_id=owner.boot_id, pid=child.pid, started=owner.started)
    child.wait()
    assert is_alive(dead) is False
    other = Owner(host="elsewhere", boot_id="", pid=1, started=0.0)
    assert is_alive(other) is None


def test_a_number_of_another_container_says_nothing():
    there = msgspec.structs.replace(me(), pids="pid:[1]", pid=2**22 - 3)
    assert is_alive(there) is None
    assert is_alive(msgspec.structs.replace(there, boot_id="before")) is False
    # Records of an earlier version do not say where the number counts.
    assert is_alive(msgspec.structs.replace(me(), pids="")) is True

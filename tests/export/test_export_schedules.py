"""Schedules written for other schedulers: names, times, resources, and what must not be in them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml
from export_samples import task

from mlops_nb.api import export as pipelines
from mlops_nb.api import schedule_export as api
from mlops_nb.cron import from_sunday
from mlops_nb.errors import ScheduleError
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.kubernetes import pipeline_pod
from mlops_nb.export.schedules import TARGETS, render_schedules
from mlops_nb.export.schedules.place import Place
from mlops_nb.model import FileState, Pipeline, Schedule, ScheduleEntry, TaskPolicy
from mlops_nb.scheduling.fields import cover
from mlops_nb.scheduling.when import read_trigger

PLACE = Place(python="/usr/bin/python", root="/p", spec="/p/pipeline.yaml", user="ada")
PIPELINE = Pipeline(
    name="a-very-long-name-of-a-project-that-is-cut",
    root="/p",
    spec="pipeline.yaml",
    tasks=(task("load"), task("train", "load", policy=TaskPolicy(memory_mb=8000, cpu=4.0))),
)
ALIKE = ("nightly-report-of-sales-eu", "nightly-report-of-sales-us", "a.b", "a-b", "A_b", "drift")


def entry(when: str, zone: str = "UTC", name: str = "nightly") -> ScheduleEntry:
    trigger = read_trigger(Schedule(name=name, when=when, timezone=zone))
    fields, utc = cover(trigger, zone), cover(trigger, "UTC")
    return ScheduleEntry(
        name=name, id=name, short_id=name, words="x", fields=fields, utc=utc, machine=utc
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.yaml").write_text(
        "tasks:\n  - source: tasks.make\n    product: products/out.txt\n"
    )
    (tmp_path / "tasks.py").write_text(
        "from pathlib import Path\n\n\ndef make(product):\n    Path(product).write_text('x')\n"
    )
    tables = "".join(
        f'[tool.mlops-nb.schedules."{name}"]\nwhen = "0 6 * * 7"\ntimezone = "Europe/Berlin"\n'
        for name in ALIKE
    )
    (tmp_path / "pyproject.toml").write_text(f'[tool.mlops-nb]\nname = "p"\n{tables}')
    return tmp_path


@pytest.mark.parametrize("target", ["systemd", "windows-task", "github", "kubernetes", "argo"])
def test_no_schedule_overwrites_another(project: Path, target: str) -> None:
    files = api.render(project, target)
    per = 2 if target == "systemd" else 1
    assert len(files) == per * len(ALIKE)
    # Alone, a schedule has the same file as among others.
    one = api.render(project, target, ["a-b"])
    assert all(files[name] == text for name, text in one.items())
    assert not set(one) & set(api.render(project, target, ["a.b"]))


def test_names_in_a_cluster_are_short_and_meet_nothing_else() -> None:
    for target in ("kubernetes", "argo"):
        given = msgspec.structs.replace(entry("0 6 * * *"), short_id="x" * 20)
        (text,) = render_schedules(target, [given], PLACE, PIPELINE, {}).values()
        name = yaml.safe_load(text)["metadata"]["name"]
        assert len(name) <= 52
        assert name.endswith("-s-" + "x" * 20)


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 6 * * 7", "0 6 * * 0"),
        ("0 6 * * 5-7", "0 6 * * 5,6,0"),
        ("0 6 * * 0,7", "0 6 * * 0"),
        ("0 6 * * fri-7", "0 6 * * 5,6,0"),
        ("0 6 * * 1-7/2", "0 6 * * 1,3,5,0"),
        ("7 7 7 7 mon-fri", "7 7 7 7 mon-fri"),
    ],
)
def test_sunday_is_zero(cron: str, said: str) -> None:
    assert from_sunday(cron) == said
    assert entry(cron, "Europe/Berlin").fields.text == said


def test_a_fire_too_many_is_told_from_a_late_one() -> None:
    for when, within in (("every 90 minutes", 1740), ("every 45 minutes", 840)):
        (text,) = render_schedules("github", [entry(when)], PLACE, PIPELINE, {}).values()
        assert f"--occurrence latest --within {within}" in text
    halves = entry("0,30 6 * * *", "Europe/Berlin")
    (text,) = render_schedules("github", [halves], PLACE, PIPELINE, {}).values()
    assert "--within 1740" in text
    (text,) = render_schedules("gitlab", [halves], PLACE, PIPELINE, {}).values()
    assert "--within" not in text


def test_what_a_fresh_store_would_run_twice_needs_a_shared_one() -> None:
    often = entry("every 7 minutes")
    for target in ("github", "gitlab", "argo"):
        with pytest.raises(ScheduleError, match="run the same occurrence twice"):
            render_schedules(target, [often], PLACE, PIPELINE, {})
        shared = msgspec.structs.replace(PLACE, shared=True)
        (text,) = render_schedules(target, [often], shared, PIPELINE, {}).values()
        assert "--within" not in text
    for target in ("cron", "systemd", "kubernetes"):
        assert render_schedules(target, [often], PLACE, PIPELINE, {})


def test_argo_gives_a_schedule_what_its_tasks_need_and_no_token() -> None:
    (text,) = render_schedules("argo", [entry("0 6 * * *")], PLACE, PIPELINE, {}).values()
    spec = yaml.safe_load(text)["spec"]["workflowSpec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["executor"]["serviceAccountName"]
    (template,) = spec["templates"]
    assert template["container"]["resources"]["limits"] == {"memory": "8000Mi"}
    assert template["container"]["resources"]["requests"]["cpu"] == "4000m"
    assert int(template["activeDeadlineSeconds"]) >= 3600
    assert template["retryStrategy"]["retryPolicy"] == "OnError"


def test_the_project_is_not_searched_for_modules() -> None:
    for target in TARGETS:
        for name, text in render_schedules(
            target, [entry("0 6 * * *")], PLACE, PIPELINE, {}
        ).items():
            assert "-P -m mlops_nb" in text or name.endswith(".timer"), name


def test_entries_of_a_machine_know_the_store_but_no_password() -> None:
    store = "postgresql://me@host/db"
    place = msgspec.structs.replace(PLACE, store=store, shared=True)
    text = "".join(render_schedules("cron", [entry("0 6 * * *")], place, PIPELINE, {}).values())
    assert f"\nMLOPS_NB_SCHEDULE_STORE={store}\n" in text
    text = "".join(render_schedules("systemd", [entry("0 6 * * *")], place, PIPELINE, {}).values())
    assert f"\nEnvironment=MLOPS_NB_SCHEDULE_STORE={store}\n" in text
    assert "# User=ada" in text
    place = msgspec.structs.replace(PLACE, store="postgresql://me:pw@host/db")
    for target in ("cron", "systemd"):
        with pytest.raises(ScheduleError, match="holds a password"):
            render_schedules(target, [entry("0 6 * * *")], place, PIPELINE, {})


def test_files_of_removed_schedules_are_left_over(project: Path) -> None:
    for target in ("github", "systemd", "kubernetes"):
        api.write(project, target)
        assert not api.preview(project, target).stale
    settings = project / "pyproject.toml"
    table = '[tool.mlops-nb.schedules."drift"]\nwhen = "0 6 * * 7"\ntimezone = "Europe/Berlin"\n'
    settings.write_text(settings.read_text().replace(table, ""))
    for target in ("github", "systemd", "kubernetes"):
        assert not api.preview(project, target, ["a.b"]).stale
        found = api.preview(project, target)
        gone = {file.path for file in found.files if file.state is FileState.LEFT_OVER}
        assert gone and all("drift" in path for path in gone)
        api.write(project, target)
        assert not any((project / path).exists() for path in gone)


def test_sources_that_are_gone_leave_the_volume(tmp_path: Path) -> None:
    app, work = tmp_path / "app", tmp_path / "work"
    app.mkdir()
    work.mkdir()
    pod = pipeline_pod(plan_work(PIPELINE, {}), "true")
    (script,) = pod["spec"]["containers"][0]["args"]
    script = re.sub(
        r"/(tmp|app|work)\b", lambda found: f"{tmp_path}/{found[1]}", script.replace("$$(", "$(")
    )
    (tmp_path / "tmp").mkdir()
    for names in (("a b.py", "old.py"), ("a b.py", "new.py")):
        for file in app.iterdir():
            file.unlink()
        for name in names:
            (app / name).write_text(name)
        (work / "product.csv").write_text("kept")
        subprocess.run(["sh", "-ec", script], check=True)
    found = {path.name for path in work.iterdir()}
    assert found == {".mlops", "a b.py", "new.py", "product.csv"}


def test_what_the_files_cannot_say_is_told(project: Path) -> None:
    settings = project / "pyproject.toml"
    text = settings.read_text()

    def notes(target: str, group: str | None = None) -> str:
        return "\n".join(pipelines.preview_target(project, target, group=group).notes)

    settings.write_text(f'{text}[tool.mlops-nb.export]\nschedule = "0 6 * * 7"\n')
    assert "--group" not in notes("github")
    assert 'group = "by-level"' in notes("github", "by-level")
    assert "in UTC" not in notes("github")
    zone = 'timezone = "Europe/Berlin"\n'
    settings.write_text(f'{text}[tool.mlops-nb.export]\nschedule = "0 6 * * 7"\n{zone}')
    assert "in UTC" not in notes("github")
    found = pipelines.render_target(project, "github")[".github/workflows/p.yml"]
    assert "cron: 0 4 * * 0" in found and "cron: 0 5 * * 0" in found
    settings.write_text(f'{text}[tool.mlops-nb.export]\nschedule = "0 0 1 * *"\n{zone}')
    assert "reads 0 0 1 * * in UTC, not in Europe/Berlin" in notes("github")
    assert "reads 0 0 1 * *" not in notes("gitlab")

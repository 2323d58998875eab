"""Schedules written for other schedulers: names, times, resources, and what must not be in them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
import yaml
from export_samples import HOSTILE, load_yaml, record_commands, task
from test_export_containers import kubernetes_value

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

TASK = "http://schemas.microsoft.com/windows/2004/02/mit/task"
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


RUN = ["run", "--schedule", "nightly", "--occurrence"]
WHO = {"env": {"A": ""}, "secrets": ["DB_PASSWORD"]}


@pytest.mark.parametrize("target", ["github", "gitlab", "kubernetes", "argo"])
def test_hostile_projects_and_values_do_no_harm(target: str, tmp_path: Path) -> None:
    scripts, nightly = [], entry("0 6 * * *")
    for name in HOSTILE:
        pipeline = msgspec.structs.replace(PIPELINE, name=name)
        settings = WHO | {"env": {"A": name}}
        files = render_schedules(target, [nightly], PLACE, pipeline, settings)
        (path, text), *_ = files.items()
        assert re.fullmatch(r"[A-Za-z0-9./_-]+", path)
        body = load_yaml(text)
        if target == "github":
            value = body["env"]["A"].replace("${{ '${{' }}", "${{")
            scripts.append(body["jobs"]["run"]["steps"][-2]["run"])
            assert "${{" not in body["name"]
        elif target == "gitlab":
            job = body["mlops-nb-schedule-nightly"]
            value = job["variables"]["A"].replace("$$", "$")
            scripts.append(job["script"][-1])
        else:
            spec = body["spec"].get("workflowSpec") or body["spec"]["jobTemplate"]["spec"]
            pod = spec["templates"][0] if target == "argo" else spec["template"]["spec"]
            container = pod["container"] if target == "argo" else pod["containers"][0]
            value = next(one["value"] for one in container["env"] if one["name"] == "A")
            if target == "argo":
                value = value.replace("{{='{' + '{'}}", "{{")
            value = kubernetes_value(value, {"HOME": "EXPANDED", "touch PWNED": "EXPANDED"})
            script = kubernetes_value(container["args"][0], {})
            scripts.append(script.split("\n")[-1])
        assert value == name
    commands = record_commands(scripts, tmp_path)
    assert len(commands) == len(HOSTILE)
    assert all(words[:4] == ["python", "-P", "-m", "mlops_nb"] for words in commands)
    assert all(words[4:8] == RUN for words in commands)


def unit_words(line: str) -> list[str]:
    """Read a command line as systemd does, without its variables and specifiers."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    words = [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in found]
    return [word.replace("$$", "$").replace("%%", "%") for word in words]


@pytest.mark.parametrize("target", ["cron", "systemd", "windows-task"])
def test_hostile_paths_reach_the_command_or_are_refused(target: str, tmp_path: Path) -> None:
    wanted, scripts, refused, nightly = [], [], 0, entry("0 6 * * *")
    for name in HOSTILE:
        place = Place(python="python", root=f"/p/{name}", spec=f"/p/{name}/pipeline.yaml")
        try:
            files = render_schedules(target, [nightly], place, PIPELINE, {})
        except ScheduleError as error:
            assert not name.isprintable(), name
            assert "cannot stand in" in str(error)
            refused += 1
            continue
        words = ["python", "-P", "-m", "mlops_nb", "--project", place.spec, *RUN, "due"]
        (text,) = (text for path, text in files.items() if not path.endswith(".timer"))
        if target == "cron":
            lines = [one for one in text.split("\n") if one and one[0] not in "#S"]
            assert len(lines) == 1
            scripts.append(lines[0].removeprefix("0 6 * * * ").replace("\\%", "%"))
            wanted.append(words)
        elif target == "systemd":
            (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
            assert unit_words(line) == words
            known = ("#", "[", "Description=", "Type=", "WorkingDirectory=", "ExecStart=")
            assert all(one.startswith(known) for one in text.split("\n") if one)
        else:
            program = next(ElementTree.fromstring(text).iter(f"{{{TASK}}}Exec"))
            given = {one.tag.rpartition("}")[2]: one.text for one in program}
            assert given["Command"] == "python"
            assert given["Arguments"] == subprocess.list2cmdline(words[1:])
            assert given["WorkingDirectory"] == place.root
    assert 0 < refused < len(HOSTILE) / 10
    if scripts:
        assert record_commands(scripts, tmp_path) == wanted


def test_schedules_have_the_variables_of_the_settings_and_keep_reports() -> None:
    settings = {"env": {"REGION": "eu"}, "cache": "s3://bucket/it"}
    env = {"REGION": "eu", "MLOPS_NB_CACHE": "s3://bucket/it"}
    (text,) = render_schedules("github", [entry("0 6 * * *")], PLACE, PIPELINE, settings).values()
    body = yaml.safe_load(text)
    assert body["env"] == env
    last = body["jobs"]["run"]["steps"][-1]
    assert (last["if"], last["with"]["path"]) == ("always()", ".mlops/runs")
    (text,) = render_schedules("gitlab", [entry("0 6 * * *")], PLACE, PIPELINE, settings).values()
    assert yaml.safe_load(text)["mlops-nb-schedule-nightly"]["variables"] == env


def test_files_of_removed_schedules_are_left_over(project: Path) -> None:
    for target in ("github", "systemd", "kubernetes", "windows-task"):
        api.write(project, target)
        assert not api.preview(project, target).stale
    settings = project / "pyproject.toml"
    table = '[tool.mlops-nb.schedules."drift"]\nwhen = "0 6 * * 7"\ntimezone = "Europe/Berlin"\n'
    settings.write_text(settings.read_text().replace(table, ""))
    for target in ("github", "systemd", "kubernetes", "windows-task"):
        assert not api.preview(project, target, ["a.b"]).stale
        found = api.preview(project, target)
        gone = {file.path for file in found.files if file.state is FileState.LEFT_OVER}
        assert gone and all("drift" in path for path in gone)
        # What somebody else wrote beside them is not ours.
        for other in {(project / path).parent for path in gone}:
            (other / "drift-of-mine.xml").write_text('<?xml version="1.0"?>\n<Task>drift</Task>\n')
        api.write(project, target)
        assert not any((project / path).exists() for path in gone)
        assert all((project / path).with_name("drift-of-mine.xml").exists() for path in gone)


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

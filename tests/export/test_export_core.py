from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from export_samples import HOSTILE, hostile, record_commands, small, task, tasks_run, wide
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_nb import export
from mlops_nb.errors import ConfigError, ParameterError, PipelineError, PluginError, ProjectError
from mlops_nb.export.grouping import ancestors, group_tasks
from mlops_nb.export.handing import MOST, hand_on
from mlops_nb.export.inputs import given_parameters, read_inputs
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.naming import env_names, identifier, label, safe_names, title
from mlops_nb.export.quoting import dump_yaml, groovy
from mlops_nb.export.secrecy import looks_secret
from mlops_nb.export.settings import ExportSettings, is_plain_cron
from mlops_nb.model import ExportFile, FileState, Pipeline, Product


def test_names_are_safe_and_never_meet() -> None:
    names = safe_names(HOSTILE)
    assert len(set(names.values())) == len(set(HOSTILE)) >= 60
    for name in names.values():
        assert name[0].isalpha()
        assert len(name) <= 40
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert not name.endswith("-")
    assert len({identifier(name) for name in names.values()}) == len(names)
    assert all(identifier(name).isidentifier() for name in names.values())


def test_a_plain_name_stays_as_it_is() -> None:
    assert safe_names(["train-a", "load_data", "Fit model"]) == {
        "train-a": "train-a",
        "load_data": "load-data",
        "Fit model": "fit-model",
    }


def test_names_do_not_depend_on_their_order() -> None:
    assert safe_names(HOSTILE) == safe_names(list(reversed(HOSTILE)))


@given(st.lists(st.text(max_size=60), unique=True, max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_names_give_different_safe_names(names: list[str]) -> None:
    safe = safe_names(names)
    assert len(set(safe.values())) == len(names)
    assert len(set(env_names(names).values())) == len(names)
    assert all(title(name).isprintable() and "\n" not in title(name) for name in names)


def test_label_falls_back() -> None:
    assert label("🚀") == "task"
    assert label("3d") == "task-3d"


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_yaml_and_groovy_keep_any_text(text: str) -> None:
    import yaml

    assert yaml.safe_load(dump_yaml({"a": text, "b": [text + "\nx"]})) == {
        "a": text,
        "b": [text + "\nx"],
    }
    literal = groovy(text)
    assert literal.isascii() and literal.isprintable() and literal[0] == literal[-1] == "'"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=30)
    | st.sampled_from(
        ["a\nb\n", "a\n  b", "x\n\ny", "yes", "1e3", "- a", "a: b", "a\u2028b\nc", "x\n\u2029"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_any_data_becomes_yaml_and_back(data: object) -> None:
    import yaml

    assert yaml.safe_load(dump_yaml(data)) == data
    assert list(yaml.safe_load_all(dump_yaml(data, data))) == [data, data]


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "apiKey",
        "API_KEY",
        "aws_secret",
        "token",
        "privateKey",
        "secret_key",
        "SECRET_KEY",
        "encryption_key",
        "account_key",
        "passwords",
        "tokens",
        "db_password_prod",
        "dbpassword",
        "PGPASSWORD",
        "auth",
        "SLACK_WEBHOOK_URL",
        "SECRET_KEY_BASE",
        "token2",
        "AUTH_HEADER",
        "ssh-key",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "max_new_tokens",
        "tokenizer",
        "secretary",
        "depth",
        "pass_rate",
        "token_pattern",
        "secret_name",
        "token_count",
        "author",
        "authority",
        "key",
        "monkey",
        "password_column",
    ],
)
def test_other_names_are_not_secrets(name: str) -> None:
    assert not looks_secret(name)


def test_numbers_count_tokens_and_are_no_secrets() -> None:
    assert not looks_secret("tokens", number=True)
    assert looks_secret("password", number=True)
    pipeline = Pipeline(
        name="p",
        root="/p",
        spec="pipeline.yaml",
        tasks=(task("t", params={"tokens": 5, "db_password_prod": "pw1", "join_key": "pw2"}),),
    )
    inputs = read_inputs(pipeline, ExportSettings())
    assert [(one.name, one.default) for one in inputs] == [("join_key", ""), ("tokens", "5")]
    assert "pw1" not in (text := "".join(export.render("github", pipeline, {}).values()))
    assert "pw2" not in text


def test_a_secret_never_reaches_a_file() -> None:
    for target in export.targets():
        text = "".join(export.render(target, small(), {"secrets": ["DB_PASSWORD"]}).values())
        assert "s3cret-value" not in text, target
        assert "hunter2" not in text, target
        assert "api_key" not in text, target


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"grup": "auto"}, 'did you mean "group"'),
        ({"group": "some"}, "Invalid enum value"),
        ({"schedule": "every day"}, "not a cron expression"),
        ({"schedule": "0 4 * * *; rm"}, "not a cron expression"),
        ({"schedule": "99 4 * * *"}, "not a cron expression"),
        ({"schedule": "0 4 L * *"}, "not a cron expression that every system reads"),
        ({"schedule": "0 4 * * MON#2"}, "not a cron expression"),
        ({"env": {"API_TOKEN": "x"}}, "looks like a secret"),
        ({"env": {"SECRET_KEY": "x"}}, "looks like a secret"),
        ({"env": {"DATABASE_URL": "postgresql://me:pw@host/db"}}, "looks like a secret"),
        ({"secrets": ["a b"]}, "cannot name an environment variable"),
        ({"python": "3.12; x"}, "not a version of Python"),
        ({"parameters": ["mounth"]}, 'did you mean "month"'),
        ({"cache": "s3://bucket/a b"}, "cannot be used"),
        ({"cache": "relative/folder"}, "cannot be used"),
        ({"cache": "s3://key:pw@bucket/x"}, "looks like a secret"),
        ({"cache": "s3://bucket/x", "cache-volume": "claim"}, "is not a folder for the volume"),
    ],
)
def test_wrong_settings_are_told(table: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_work(small(), table).inputs  # noqa: B018


def test_names_of_days_and_months_are_plain_cron() -> None:
    assert is_plain_cron("30 4 1,15 JAN-mar MON-fri")
    assert is_plain_cron("*/15 0-6 * * 1")
    assert not is_plain_cron("")


def test_what_cannot_travel_is_told() -> None:
    outside = Pipeline(
        name="x",
        root="/p",
        spec="pipeline.yaml",
        tasks=(task("a", products=(Product(path="/tmp/x"),)),),
    )
    with pytest.raises(PipelineError, match="outside the project"):
        plan_work(outside, {})
    with pytest.raises(PipelineError, match="no tasks"):
        plan_work(Pipeline(name="x", root="/p", spec="pipeline.yaml"), {})
    with pytest.raises(PipelineError, match="NUL"):
        plan_work(Pipeline(name="x", root="/p", spec="s", tasks=(task("a\0b"),)), {})


def test_jobs_have_the_shape_of_the_dag() -> None:
    jobs = {job.id: job for job in plan_work(small(), {}).jobs}
    assert list(jobs) == ["ingest", "clean", "train-a", "train-b", "evaluate"]
    assert jobs["evaluate"].needs == ("train-a", "train-b")
    assert jobs["evaluate"].ancestors == ("ingest", "clean", "train-a", "train-b")
    assert jobs["train-a"].minutes == 31  # twice 600 s, a second between them, and the set-up
    assert jobs["clean"].minutes == 60
    assert (jobs["train-a"].cpu, jobs["train-a"].memory_mb) == (2, 2048)


def test_by_level_groups_what_can_run_at_once() -> None:
    jobs = plan_work(small(), {"group": "by-level"}).jobs
    assert [job.tasks for job in jobs] == [
        ("ingest",),
        ("clean",),
        ("train_a", "train b"),
        ("evaluate",),
    ]
    assert [job.id for job in jobs] == ["level-1", "level-2", "level-3", "level-4"]
    assert [job.minutes for job in jobs] == [60, 60, 91, 60]  # 31 for one, 60 for the one without


def test_auto_joins_tiny_tasks_only() -> None:
    durations = {"ingest": 2, "clean": 3, "train_a": 500, "train b": 1, "evaluate": 2}
    jobs = plan_work(small(), {"group": "auto", "durations": durations}).jobs
    assert [job.tasks for job in jobs] == [
        ("ingest", "clean", "train b"),
        ("train_a",),
        ("evaluate",),
    ]
    assert plan_work(small(), {"group": "auto"}).jobs == plan_work(small(), {}).jobs


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=30),
    st.lists(st.floats(0, 100), min_size=30, max_size=30),
    st.sampled_from(["none", "auto", "by-level"]),
)
@settings(max_examples=150, deadline=None)
def test_groups_never_wait_in_a_circle(edges: list, seconds: list, how: str) -> None:
    tasks = tuple(
        task(str(number), *sorted({str(up % number) for up in ups} if number else ()))
        for number, ups in enumerate(edges)
    )
    pipeline = Pipeline(name="x", root="/p", spec="s", tasks=tasks)
    durations = {str(number): value for number, value in enumerate(seconds)}
    groups = group_tasks(pipeline, how, durations, 60)
    assert sorted(name for group in groups for name in group) == sorted(pipeline.names())
    done: set[str] = set()
    for group in groups:
        for name in group:
            assert set(pipeline[name].upstream) <= done | set(group)
        done |= set(group)
    assert all(
        max(above, default=-1) < number for number, above in enumerate(ancestors(pipeline, groups))
    )


def test_commands_hand_over_every_name_unharmed(tmp_path: Path) -> None:
    work = plan_work(hostile(), {})
    commands = record_commands([work.script(job) for job in work.jobs], tmp_path)
    assert tasks_run(commands) == list(HOSTILE)
    packed = [words for words in commands if "pack" in words]
    assert [words[-1] for words in packed] == list(HOSTILE)


def test_parameters_of_any_name_and_value_come_from_the_environment() -> None:
    inputs = plan_work(hostile(), {}).inputs
    assert {one.name for one in inputs} >= {name for name in HOSTILE if not looks_secret(name)}
    value = "a 'b' $(touch PWNED)\n`x`"
    found = given_parameters(hostile(), {}, {one.env: value for one in inputs})
    assert found == dict.fromkeys([one.name for one in inputs], value)


def test_an_empty_parameter_leaves_the_pipelines_own() -> None:
    work = plan_work(small(), {})
    assert [one.name for one in work.inputs] == ["max_depth", "month", "source"]
    assert work.inputs[2].default == ""
    assert work.run(work.jobs[0]) == "mlops-nb run --params-from-env ingest"
    environment = {"PARAM_MONTH": "4", "PARAM_MAX_DEPTH": "", "HOME": "/x"}
    assert given_parameters(small(), {}, environment) == {"month": "4"}
    assert given_parameters(small(), {"parameters": ["month"]}, environment) == {"month": "4"}


def test_a_parameter_that_would_be_ignored_is_told() -> None:
    with pytest.raises(ParameterError, match='did you mean "PARAM_MONTH"'):
        given_parameters(small(), {}, {"PARAM_MONTHS": "4"})
    with pytest.raises(ParameterError, match="PARAM_MONTH is set"):
        given_parameters(small(), {"parameters": ["max_depth"]}, {"PARAM_MONTH": "4"})


def test_every_target_renders_the_same_twice_and_says_how_it_was_made() -> None:
    for target in export.targets():
        first = export.render(target, small(), {"schedule": "30 4 * * *"})
        assert first == export.render(target, small(), {"schedule": "30 4 * * *"})
        for path, text in first.items():
            head = text[:400]
            assert f"mlops-nb export {target}" in head, path
            assert text.endswith("\n") and not text.endswith("\n\n"), path


def test_unknown_target() -> None:
    with pytest.raises(PluginError, match='did you mean "github"'):
        export.render("gitub", small(), {})


HEAD = "# Made from pipeline.yaml by mlops-nb. Do not edit: change it\n# and run: mlops-nb export demo\n"


def paths(files: tuple[ExportFile, ...]) -> list[str]:
    return [file.path for file in files]


def test_write_diff_and_check(tmp_path: Path) -> None:
    files = {"a/b.yml": "x: 1\n", "c": "two\n"}
    preview = export.compare("demo", files, tmp_path)
    assert preview.stale
    assert [file.state for file in preview.files] == [FileState.MISSING, FileState.MISSING]
    assert "+++ b/a/b.yml\n@@ -0,0 +1 @@\n+x: 1\n" in preview.diff
    assert not list(tmp_path.iterdir())
    assert paths(export.write("demo", files, tmp_path)) == ["a/b.yml", "c"]
    assert export.write("demo", files, tmp_path) == ()
    preview = export.compare("demo", files, tmp_path)
    assert not preview.stale
    assert preview.diff == ""
    (tmp_path / "a/b.yml").write_text("x: 2\n")
    preview = export.compare("demo", files, tmp_path)
    assert [file.state for file in preview.files] == [FileState.STALE, FileState.SAME]
    assert "-x: 2" in preview.diff and "+x: 1" in preview.diff and "a/b.yml" in preview.diff
    (tmp_path / "a/b.yml").write_bytes(b"x: 1\r\n")
    assert "line endings" in export.compare("demo", files, tmp_path).diff
    assert paths(export.write("demo", files, tmp_path)) == ["a/b.yml"]


def test_a_file_of_an_earlier_export_is_stale_and_removed(tmp_path: Path) -> None:
    both = {"k/job.yaml": HEAD + "a\n", "k/cron.yaml": HEAD + "b\n"}
    export.write("demo", both, tmp_path)
    others = {
        "k/mine.yaml": "c\n",
        "k/other.yaml": HEAD.replace("pipeline.yaml", "other.yaml"),
        "k/target.yaml": HEAD.replace("export demo", "export demo2"),
        "elsewhere/job.yaml": HEAD,
    }
    for name, text in others.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    del both["k/cron.yaml"]
    preview = export.compare("demo", both, tmp_path)
    assert preview.stale
    assert {file.path: file.state for file in preview.files} == {
        "k/cron.yaml": FileState.LEFT_OVER,
        "k/job.yaml": FileState.SAME,
    }
    assert "+++ /dev/null" in preview.diff and "-b" in preview.diff
    assert paths(export.write("demo", both, tmp_path)) == ["k/cron.yaml"]
    assert not (tmp_path / "k/cron.yaml").exists()
    assert all((tmp_path / name).read_text() == text for name, text in others.items())
    assert not export.compare("demo", both, tmp_path).stale


def test_every_target_finds_what_it_has_left(tmp_path: Path) -> None:
    settings = {"schedule": "30 4 * * *", "install": ["true"]}
    for target in export.targets():
        root = tmp_path / target
        root.mkdir()
        export.write(target, export.render(target, small(), settings), root)
        renamed = msgspec.structs.replace(small(), name="Renamed")
        after = export.render(target, renamed, settings | {"schedule": "", "drift-schedule": ""})
        export.write(target, after, root)
        left = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
        assert left == set(after), target


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "link/x"])
def test_nothing_is_written_outside(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(ProjectError, match="outside"):
        export.write("demo", {path: "x"}, root)
    assert not (tmp_path / "x").exists()


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    with pytest.raises(ProjectError, match="cannot be read"):
        export.write("demo", {"c": "two\n"}, tmp_path)
    with pytest.raises(ProjectError, match="cannot be read"):
        export.compare("demo", {"c": "two\n"}, tmp_path)
    (tmp_path / "d").write_text("a file")
    with pytest.raises(ProjectError, match="cannot be"):
        export.write("demo", {"d/e": "two\n"}, tmp_path)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "c", tmp_path / "d"]


def test_targets_are_described() -> None:
    for name in export.targets():
        one = export.describe(name)
        assert one.name == name
        assert one.title[0].isupper()
        assert one.description.endswith(".") and len(one.description) <= 90


def test_rendering_loads_nothing_heavy() -> None:
    code = (
        "import sys, mlops_nb.export as e; [e.render.__name__ for t in e.targets()];"
        "[__import__('mlops_nb.plugins').plugins.find('exporter', t) for t in e.targets()];"
        "heavy = {'ploomber', 'pandas', 'numpy', 'mlflow', 'nbformat', 'kfp', 'kubernetes'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_two_hundred_tasks_are_rendered_at_once() -> None:
    import time

    pipeline = wide()
    for target in export.targets():
        export.render(target, small(), {})
        start = time.process_time()
        export.render(target, pipeline, {})
        assert time.process_time() - start < 3, target


def deep(count: int, upwards: int = 3) -> Pipeline:
    """A chain in which each task comes after the last few."""
    tasks = tuple(
        task(f"t{number}", *(f"t{up}" for up in range(max(0, number - upwards), number)))
        for number in range(count)
    )
    return Pipeline(name="deep", root="/p", spec="pipeline.yaml", tasks=tasks)


@pytest.mark.parametrize(("target", "limit"), [("argo", 1.2e6), ("kubeflow", 2.5e6)])
@pytest.mark.parametrize("pipeline", [lambda: deep(200), lambda: deep(200, 1), wide])
def test_a_deep_pipeline_fits_into_a_clusters_store_with_a_job_for_each_task(
    pipeline, target: str, limit: float
) -> None:
    for path, text in export.render(target, pipeline(), {}).items():
        assert len(text.encode()) < limit
        if path == "argo/workflow.yaml":
            assert text.count("\n  - name: run-") == 200
        elif path == "kubeflow/pipeline.py":
            assert text.count("@dsl.component(") == 200


@given(
    st.lists(st.lists(st.integers(0, 60), max_size=5), min_size=1, max_size=60), st.integers(0, 9)
)
@settings(max_examples=150, deadline=None)
def test_what_stands_above_arrives_whatever_is_passed_on(edges: list, most: int) -> None:
    above: list[set[int]] = []
    for number, ups in enumerate(edges):
        mine = {up % number for up in ups} if number else set()
        above.append(mine.union(*(above[up] for up in mine)))
    own, passed = hand_on(above, most)
    for number, ancestors_ in enumerate(above):
        arrives = set(own[number]).union(*(above[up] for up in passed[number]))
        assert arrives == ancestors_
        assert set(passed[number]) <= set(own[number])


def test_few_bundles_are_named_and_little_is_stored_twice() -> None:
    jobs = plan_work(deep(200, 1), {}, pass_on=True).jobs
    assert max(len(job.given) + len(job.passed) for job in jobs) <= MOST + 1
    stored = sum(1 + len(job.ancestors) * job.passes for job in jobs)
    assert stored < 6 * len(jobs)  # 100 times as much if each job passed everything on
    small_ones = plan_work(small(), {}, pass_on=True).jobs
    assert all(job.given == job.ancestors and not job.passes for job in small_ones)

"""Runs through REST: started, followed, stopped, found again."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import faces_kit as kit
import psutil
import pytest
from server_kit import Server, small_project

from mlops_nb.processes import process_started
from tests.processes_kit import living_children

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(server: Server) -> str:
    """The name of a small project that tests share: Ploomber's first load takes seconds."""
    small_project(server.root / "shared")
    return "shared"


@pytest.fixture
def own(server: Server, request: pytest.FixtureRequest) -> str:
    """The name of a small project of this test's own."""
    small_project(server.root / request.node.name)
    return request.node.name


def run_to_end(server: Server, project: str, body: dict | None = None) -> tuple[str, list[dict]]:
    """Start a run and listen to its end; return its id and the events."""
    with server.listening() as listener:
        started = server.post("/runs", body or {}, status=202, project=project)
        assert started["started"]
        while True:
            event = listener.until("run.settled", "run.refused", "run.lost")
            if event["run"] == started["run"]:
                assert event["kind"] == "run.settled"
                break
    told = [one for one in listener.seen if one["run"] == started["run"] and one["seq"]]
    return started["run"], told


def test_run_to_the_end_with_events(server: Server, own: str) -> None:
    before = server.get("/pipeline", project=own)
    assert before["project"] == own
    assert [task["action"] for task in before["tasks"]] == ["run", "run"]
    assert before["tasks"][1]["upstream"] == ["make"]
    assert before["last"] is None
    run, events = run_to_end(server, own, {"parameters": {"size": "4"}})
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["kind"] == "run.started"
    assert {event["project"] for event in events} == {own}
    cells = [e for e in events if e["kind"] == "task.cell" and e["task"] == "make"]
    assert cells[-1]["data"]["done"] == cells[-1]["data"]["cells"]

    shown = server.get(f"/runs/{run}", project=own)
    assert shown["summary"]["status"] == "succeeded"
    assert shown["summary"]["metrics"] == {"use.total": 6.0}
    assert shown["facts"]["environment"] == {}
    make, use = shown["tasks"]
    assert make["cells_done"] == make["cells_total"] == 4
    page = server.ask("GET", f"/files/{use['report']}", project=own)
    assert "as asked" not in page.text
    assert page.headers["Content-Type"].startswith("text/html")
    notebook = server.get(f"/files/{make['notebook']}", project=own)
    assert notebook["nbformat"] == 4
    assert server.ask("GET", f"/files/{shown['report']}", project=own).status_code == 200
    assert "succeeded" in server.get(f"/runs/{run}/log", project=own)["text"]

    after = server.get("/pipeline", project=own)
    assert after["last"]["id"] == run
    assert after["tasks"][0]["last"]["run"] == run
    assert after["tasks"][0]["expected_seconds"] > 0
    assert after["critical_path"] == ["make", "use"]
    assert after["tasks"][0]["products"][1]["exists"]
    # With another parameter than before, it would run again; with the same, nothing would.
    assert after["tasks"][0]["why"].startswith("parameter size 4")
    plan = server.post("/pipeline/plan", {"parameters": {"size": 4}}, project=own)
    assert plan["is_noop"]
    again = server.post("/runs", {"parameters": {"size": 4}}, project=own, status=202)
    assert not again["started"]
    assert again["run"] == ""

    since = server.get(f"/runs/{run}/events", project=own, since=3)
    assert [event["seq"] for event in since["events"]] == list(range(4, len(events) + 1))
    assert since["last_seq"] == len(events)
    cost = server.get(f"/runs/{run}/profile", project=own)
    assert cost["critical_path"] == ["make", "use"]

    rerun = server.post(f"/runs/{run}/rerun", {"force": True}, project=own, status=202)
    assert rerun["started"]
    with server.listening() as listener:
        wait_for(server, own, rerun["run"])
    diff = server.get(f"/runs/{run}/diff/{rerun['run']}", project=own)
    assert not [change for change in diff["changes"] if change["kind"] in ("parameter", "metric")]
    assert listener is not None
    history = server.get("/runs", project=own, limit=1)
    assert history["total"] == 2
    older = server.get("/runs", project=own, before=history["before"])
    assert [one["id"] for one in older["runs"]] == [run]
    assert server.ask("DELETE", f"/runs/{run}", project=own).status_code == 204
    server.get(f"/runs/{run}", project=own, status=404)


def wait_for(server: Server, project: str, run: str) -> dict:
    """Wait for a run's end by asking."""
    while True:
        response = server.ask("GET", f"/runs/{run}", project=project)
        if response.status_code == 200 and response.json()["summary"]["status"] != "running":
            return response.json()
        time.sleep(0.2)


def test_failed_run_names_its_cell_and_is_resumed(server: Server, own: str) -> None:
    run, events = run_to_end(server, own, {"parameters": {"mode": "bad"}})
    assert events[-1]["data"]["status"] == "failed"
    shown = server.get(f"/runs/{run}", project=own)
    assert shown["summary"]["failed"] == ["make"]
    assert shown["tasks"][0]["error"]["cell"] == 1
    assert shown["tasks"][0]["error"]["message"] == "as asked"
    assert shown["tasks"][1]["status"] == "blocked"
    assert server.get("/pipeline", project=own)["tasks"][0]["last"]["error"]["name"]
    source = server.root / own / "notebooks" / "make.ipynb"
    source.write_text(source.read_text().replace("raise ValueError('as asked')", "pass"))
    resumed = server.post(f"/runs/{run}/resume", status=202, project=own)
    done = wait_for(server, own, resumed["run"])
    assert done["summary"]["status"] == "succeeded"
    assert done["summary"]["resumed_from"] == run
    refused = server.post(f"/runs/{resumed['run']}/resume", status=422, project=own)
    assert "succeeded" in refused["error"]["message"]


def test_run_survives_the_server_and_is_found_and_cancelled(server: Server, project: str) -> None:
    with server.listening() as listener:
        body = {"parameters": {"mode": "slow"}}
        run = server.post("/runs", body, status=202, project=project)["run"]
        while listener.until("task.cell")["data"]["index"] < 2:
            pass
    owner = server.get(f"/runs/{run}", project=project)["facts"]["pid"]
    busy = server.post("/runs", {"force": True}, status=409, project=project)
    assert run in busy["error"]["message"]
    assert busy["error"]["kind"] == "BusyError"

    server.stop(signal.SIGKILL)
    assert process_started(owner) is not None
    server.start()
    found = server.get("/runs", project=project)
    assert found["active"] == [run]
    with server.listening() as listener:
        server.get("/pipeline", project=project)
        stopping = server.post(f"/runs/{run}/cancel", status=202, project=project)
        assert stopping["id"] == run
        last = listener.until("run.finished")
    assert last["data"]["status"] == "cancelled"
    shown = wait_for(server, project, run)
    assert shown["summary"]["status"] == "cancelled"
    gone = server.post(f"/runs/{run}/cancel", status=409, project=project)
    assert "cancelled" in gone["error"]["message"]


def test_lost_run_is_told(server: Server, project: str) -> None:
    with server.listening() as listener:
        body = {"parameters": {"mode": "slow"}}
        run = server.post("/runs", body, status=202, project=project)["run"]
        listener.until("task.cell")
        os.kill(server.get(f"/runs/{run}", project=project)["facts"]["pid"], signal.SIGKILL)
        assert listener.until("run.lost")["run"] == run
    assert server.get(f"/runs/{run}", project=project)["summary"]["status"] == "lost"


def test_run_that_comes_to_nothing_is_told(server: Server, project: str) -> None:
    from mlops_nb.config import find_project
    from mlops_nb.execution.lock import project_lock

    folder = server.root / project
    # Held without a word of who holds it: only the new process finds out.
    with server.listening() as listener, project_lock(find_project(folder), "somebody"):
        (folder / ".mlops" / "lock.json").unlink()
        run = server.post("/runs", {"force": True}, status=202, project=project)["run"]
        event = listener.until("run.refused")
    assert event["run"] == run
    assert "another run is going on" in event["data"]["message"]
    said = server.get(f"/runs/{run}/log", project=project)["text"]
    assert "another run is going on" in said
    server.get(f"/runs/{run}", project=project, status=404)


def test_run_from_a_terminal_is_followed(server: Server, own: str) -> None:
    from mlops_nb.api import execute

    folder = server.root / own
    with server.listening() as listener:
        server.get("/pipeline", project=own)
        server.await_watch(folder / "notebooks")  # the last that it watches
        execute.run(execute.prepare(folder, targets=["make"]), cold=True)
        first = listener.until("run.finished")
        outcome = execute.run(execute.prepare(folder), cold=True)
        while first["run"] != outcome.run.id:
            first = listener.until("run.finished")


def test_saving_a_notebook_is_told(server: Server, own: str) -> None:
    server.get("/pipeline", project=own)
    folder = server.root / own
    with server.listening() as listener:
        server.await_watch(folder / "notebooks")
        kit.write_notebook(folder / "notebooks" / "use.ipynb", "upstream = None\nproduct = None")
        told = listener.until("pipeline.changed")
        assert told["data"]["paths"] == ["notebooks/use.ipynb"]
        (folder / "notebooks" / ".~use.ipynb").write_text("{}")
        (folder / "notebooks" / "data.parquet").write_text("")
        (folder / "pipeline.yaml").write_text((folder / "pipeline.yaml").read_text() + "\n")
        assert listener.until("pipeline.changed")["data"]["paths"] == ["pipeline.yaml"]


def test_plan_says_what_is_wrong_with_parameters(server: Server, project: str) -> None:
    for body, said in (
        ({"parameters": {"siz": 4}}, 'did you mean "size"'),
        ({"parameters": {"size": "many"}}, "size"),
        ({"targets": ["mak"]}, 'did you mean "make"'),
        ({"start_from": ["nothing"]}, "nothing"),
    ):
        for path in ("/pipeline/plan", "/runs"):
            refused = server.post(path, body, status=422, project=project)["error"]
            assert said in " ".join((refused["message"], refused["where"], refused["fix"]))


def test_broken_pipeline_says_where(server: Server, own: str) -> None:
    spec = server.root / own / "pipeline.yaml"
    spec.write_text("tasks: [\n")
    refused = server.get("/pipeline", project=own, status=422)["error"]
    assert refused["kind"] == "PipelineError"
    assert "pipeline.yaml" in refused["where"]


def test_killed_worker_is_renewed(server: Server, own: str) -> None:
    def workers() -> list[psutil.Process]:
        return living_children(server.process.pid, where=server.root / own)

    server.get("/runs", project=own)
    (first,) = workers()
    first.kill()
    server.get("/runs", project=own)
    (second,) = workers()
    assert second.pid != first.pid
    # What changes something is not done twice: the answer says that it may not have been done.
    server.get("/export", project=own)
    (planner,) = [worker for worker in workers() if worker.pid != second.pid]
    planner.suspend()
    threading.Timer(0.5, planner.kill).start()
    refused = server.post("/export/github", {}, status=503, project=own)["error"]
    assert refused["kind"] == "Unavailable"
    assert server.post("/export/github", {}, project=own)["files"]


def test_projects_side_by_side(server: Server, project: str) -> None:
    found = {one["path"] for one in server.get("/projects")["projects"]}
    assert {project, "one", "deep/two words"} <= found
    other = server.get("/runs", project="deep/two words")
    assert other["total"] == 0
    missing = server.get("/runs", project="deep/two", status=404)["error"]
    assert "deep/two words" in missing["fix"]


def test_notebook_becomes_a_task(server: Server, own: str) -> None:
    folder = server.root / own
    kit.write_notebook(
        folder / "notebooks" / "3_look.ipynb", "upstream = None\nproduct = None", "1"
    )
    path = f"{own}/notebooks/3_look.ipynb"
    before = server.get("/membership", path=path)
    assert before["project"]["path"] == own
    assert before["role"] == "none"
    body = {"source": "notebooks/3_look.ipynb", "upstream": ["use"]}
    added = server.post("/pipeline/tasks", body, status=201, project=own)
    assert added["task"] == "look"
    assert server.get("/membership", path=path)["tasks"] == ["look"]
    assert server.get("/pipeline", project=own)["tasks"][2]["upstream"] == ["use"]
    assert "# The second one." in (folder / "pipeline.yaml").read_text()
    refused = server.post("/pipeline/tasks", body, status=422, project=own)["error"]
    assert "look" in refused["message"]
    body = {"source": "../outside/secret.txt"}
    server.post("/pipeline/tasks", body, status=422, project=own)


def test_new_project(server: Server) -> None:
    made = server.post("/projects", {"path": "new/fresh"}, status=201)
    assert made["project"] == {"path": "new/fresh", "name": "fresh", "spec": "pipeline.yaml"}
    assert (server.root / "new" / "fresh" / "pipeline.yaml").is_file()
    assert json.dumps(made["files"]).count("ipynb") == 3
    server.post("/projects", {"path": "new/fresh"}, status=422)
    server.post("/projects", {"path": "../outside/x"}, status=403)


def test_exports_show_what_they_would_write(server: Server, own: str) -> None:
    targets = server.get("/export", project=own)["targets"]
    assert {"github", "gitlab", "argo"} <= {one["name"] for one in targets}
    preview = server.get("/export/gitlab", project=own)
    assert {one["state"] for one in preview["files"]} == {"missing"}
    assert preview["files"][0]["diff"].startswith("--- /dev/null")
    written = server.post("/export/gitlab", {}, project=own)
    assert {one["path"] for one in written["files"]} == {one["path"] for one in preview["files"]}
    first = server.root / own / preview["files"][0]["path"]
    first.write_text(first.read_text() + "# by hand\n")
    after = server.get("/export/gitlab", project=own)
    assert after["files"][0]["state"] == "stale"
    assert "-# by hand" in after["files"][0]["diff"]
    server.get("/export/gitlob", project=own, status=404)


def test_server_process_stays_light(server: Server, project: str) -> None:
    """No heavy package is in the server's own process, whatever was asked before."""
    server.get("/pipeline", project=project)
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("the system does not tell what a process has loaded")
    loaded = maps.read_text()
    for package in ("numpy", "pandas", "pyarrow", "sklearn", "scipy", "sqlalchemy"):
        assert f"/{package}/" not in loaded

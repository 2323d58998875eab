"""Who may ask, and what nobody gets."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from server_kit import TOKEN, Server

from mlops_nb.server.answers import Refusal
from mlops_nb.server.places import find_projects, inside, project_folder, servable
from mlops_nb.server.routes import PREFIX, ROUTES

pytestmark = pytest.mark.slow


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.port}{PREFIX}{path}"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_without_a_token(server: Server, route) -> None:
    path = route.path.replace("{", "").replace("}", "")
    response = httpx.request(route.method, url(server, path))
    assert response.status_code in (401, 403)
    assert "error" in response.json()


def test_nobody_with_a_wrong_token(server: Server) -> None:
    headers = {"Authorization": "token wrong"}
    response = httpx.get(url(server, "/projects"), headers=headers)
    assert response.status_code in (401, 403)


def test_a_cookie_alone_cannot_write(server: Server) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as browser:
        browser.get("/tree", params={"token": TOKEN})
        assert browser.get(f"{PREFIX}/projects").status_code == 200
        body = {"path": "forged"}
        refused = browser.post(f"{PREFIX}/projects", json=body)
        assert refused.status_code == 403
        assert "_xsrf" in refused.json()["error"]["message"]
        assert not (server.root / "forged").exists()
        browser.get("/login")
        xsrf = browser.cookies["_xsrf"]
        allowed = browser.post(f"{PREFIX}/projects", json=body, headers={"X-XSRFToken": xsrf})
        assert allowed.status_code == 201


def test_foreign_origin_cannot_read(server: Server) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as browser:
        browser.get("/tree", params={"token": TOKEN})
        headers = {"Origin": "http://elsewhere.example"}
        response = browser.get(f"{PREFIX}/projects", headers=headers)
        assert response.status_code in (403, 404)
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "project",
    [
        "..",
        "../outside",
        "one/../../outside",
        "/etc",
        "%2e%2e",
        "linked",
        "one\\..",
        "\0",
        "a" * 3000,
    ],
)
def test_project_never_leads_outside(server: Server, project: str) -> None:
    link = server.root / "linked"
    if not link.is_symlink():
        link.symlink_to(server.root.parent / "outside")
    response = server.ask("GET", "/pipeline", project=project)
    assert response.status_code in (400, 403, 404), response.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("pipeline.yaml", 200),
        ("notebooks/make.ipynb", 200),
        ("../../outside/secret.txt", 403),
        ("..%2F..%2F..%2Foutside%2Fsecret.txt", 403),
        ("notebooks/../../../outside/secret.txt", 403),
        ("leak.txt", 403),
        (".git/config", 403),
        (".mlops/ledger.db", 403),
        (".env", 403),
        ("nothing.html", 404),
        ("notebooks", 404),
        ("%00", 400),
        ("%ff", 400),
    ],
)
def test_files_stay_inside(server: Server, path: str, status: int) -> None:
    project = server.root / "one"
    if not (project / "leak.txt").is_symlink():
        (project / "leak.txt").symlink_to(server.root.parent / "outside" / "secret.txt")
        (project / ".git").mkdir()
        (project / ".git" / "config").write_text("hush hush")
        (project / ".env").write_text("hush hush")
        (project / ".mlops").mkdir(exist_ok=True)
        (project / ".mlops" / "ledger.db").write_text("hush hush")
    # A client of its own: httpx would tidy the path up.
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"token {TOKEN}"}
    connection.request("GET", f"{PREFIX}/files/{path}?project=one", headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == status, body
    assert b"hush hush" not in body


def test_pages_run_their_scripts_away_from_the_server(server: Server) -> None:
    folder = server.root / "one" / ".mlops" / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.html").write_text("<script>fetch('/api')</script>")
    response = server.ask("GET", "/files/.mlops/reports/page.html", project="one")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.headers["Content-Security-Policy"].startswith("sandbox")
    assert "allow-same-origin" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("POST", "/runs", b"{", "application/json", 400),
        ("POST", "/runs", b"[]", "application/json", 400),
        ("POST", "/runs", b'{"target": ["use"]}', "application/json", 400),
        ("POST", "/runs", b'{"targets": "use"}', "application/json", 400),
        ("POST", "/runs", b'{"jobs": -1}', "application/json", 400),
        ("POST", "/runs", b'{"timeout": 1e400}', "application/json", 400),
        ("POST", "/runs", b"\xff\xfe", "application/json", 400),
        ("POST", "/runs", b'{"targets": ["\\ud800"]}', "application/json", 400),
        ("POST", "/runs", b"targets=use", "application/x-www-form-urlencoded", 415),
        ("POST", "/runs", b'{"targets": [""]}', "application/json", 400),
        ("POST", "/alerts/acknowledge", b"", "application/json", 400),
        ("POST", "/pipeline/plan", b" " * (5 << 20) + b"{}", "application/json", 413),
        ("GET", "/runs?limit=none&", b"", "", 400),
        ("GET", "/runs?limit=0&", b"", "", 400),
        ("PUT", "/runs?", b"{}", "application/json", 405),
        ("PATCH", "/pipeline?", b"{}", "application/json", 405),
        ("DELETE", "/pipeline?", b"", "", 405),
        ("GET", "/nothing?", b"", "", 404),
        ("GET", "?", b"", "", 404),
    ],
)
def test_bad_requests_are_told(
    server: Server, method: str, path: str, body: bytes, kind: str, status: int
) -> None:
    join = "" if "?" in path else "?"
    response = server.client.request(
        method,
        f"{PREFIX}{path}{join}project=one",
        content=body or None,
        headers={"Content-Type": kind} if kind else {},
    )
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["message"]
    assert "Traceback" not in response.text
    if status == 400 and body.startswith(b'{"jobs'):
        assert "jobs" in error["message"]


def test_inside_follows_links(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path / "other")
    (tmp_path / "root" / "loop").symlink_to("loop")
    root = tmp_path / "root"
    assert inside(root, "a/../b") == root / "b"
    for path, status in (("out/x", 403), ("..", 403), ("/etc/passwd", 403), ("a\0", 400)):
        with pytest.raises(Refusal) as refused:
            inside(root, path)
        assert refused.value.status == status
    with pytest.raises(Refusal):
        servable(root, "loop")


def test_projects_are_found_and_environments_passed_over(tmp_path: Path) -> None:
    for place in ("", "a", "a/b", ".hidden", "node_modules/x", "env", "1/2/3/4/5"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.mlops-nb]\nname = 'flights'\n")
    (tmp_path / "a" / "b" / "pyproject.toml").write_text("broken")
    found = find_projects(tmp_path).projects
    assert [(one.path, one.name) for one in found] == [
        ("", tmp_path.name),
        ("a", "flights"),
        ("a/b", "b"),
    ]
    with pytest.raises(Refusal) as refused:
        project_folder(tmp_path, "a/c")
    assert refused.value.status == 404
    assert "a/b" in refused.value.error.fix


async def test_authorizer_is_asked(jp_serverapp, jp_fetch, jp_root_dir: Path, monkeypatch) -> None:
    from tornado.httpclient import HTTPClientError

    asked = []

    def may(handler, user, action, resource) -> bool:
        asked.append((action, resource))
        return action == "read"

    monkeypatch.setattr(jp_serverapp.authorizer, "is_authorized", may)
    response = await jp_fetch("mlops-nb", "v1", "projects")
    assert json.loads(response.body) == {"projects": [], "truncated": False}
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("mlops-nb", "v1", "projects", method="POST", body=b'{"path": "x"}')
    assert refused.value.code == 403
    assert asked == [("read", "mlops-nb"), ("write", "mlops-nb")]
    assert not list(jp_root_dir.iterdir())


@pytest.fixture
def jp_server_config():
    return {"ServerApp": {"jpserver_extensions": {"mlops_nb.server": True}}}

"""Asks GitHub's own language server what is wrong with workflows, over its standard input."""

from __future__ import annotations

import json
import subprocess


def diagnostics(server: list[str], files: dict[str, str]) -> dict[str, list[dict]]:
    process = subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(message: dict) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        process.stdin.flush()

    def receive() -> dict:
        length = 0
        while (line := process.stdout.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise RuntimeError("the language server has gone")
        return json.loads(process.stdout.read(length))

    try:
        capabilities = {"textDocument": {"publishDiagnostics": {}}}
        send(
            {
                "id": 1,
                "method": "initialize",
                "params": {"processId": None, "rootUri": None, "capabilities": capabilities},
            }
        )
        while receive().get("id") != 1:
            pass
        send({"method": "initialized", "params": {}})
        found: dict[str, list[dict]] = {}
        for name, text in files.items():
            uri = f"file:///project/{name}"
            send(
                {
                    "method": "textDocument/didOpen",
                    "params": {
                        "textDocument": {
                            "uri": uri,
                            "languageId": "yaml",
                            "version": 1,
                            "text": text,
                        }
                    },
                }
            )
            while name not in found:
                message = receive()
                if (
                    message.get("method") == "textDocument/publishDiagnostics"
                    and message["params"]["uri"] == uri
                ):
                    found[name] = message["params"]["diagnostics"]
                elif "id" in message and "method" in message:
                    send({"id": message["id"], "result": None})
        return found
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()

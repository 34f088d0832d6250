"""A stand-in for the Hub's HTTP on loopback: repositories of files at one commit, and its refusals.

Speaks what huggingface_hub and datasets ask for: repository information, trees, paths, files; new
repositories and commits of files, whose token it asks for. It lives as long as the `with` block.
"""

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secret_of_the_tests"


@dataclass
class Hub:
    """Files by repository (`datasets/me/data`, `models/me/model`) and path."""

    repos: dict[str, dict[str, bytes]]
    private: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)  # paths whose download breaks off in the middle
    url: str = ""
    requests: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)  # bytes by path
    created: list[dict] = field(default_factory=list)  # what new repositories were asked to be


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve on a free loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self._answer()

        def do_GET(self):
            self._answer()

        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length).decode()
            upload = re.match(
                r"/api/(models|spaces)/([^/]+/[^/]+)/(preupload|commit)/main$", self.path
            )
            if upload or self.path in ("/api/repos/create", "/api/validate-yaml"):
                hub.requests.append(f"POST {self.path}")
                self._take(upload, body)
            else:
                self._answer(body)

        def _take(self, upload, body):
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._json({"error": "Invalid credentials"}, 401)
            elif self.path == "/api/validate-yaml":
                self._json({"errors": [], "warnings": []})
            elif not upload:
                asked = json.loads(body)
                hub.created.append(asked)
                self._json({"url": f"{hub.url}/{asked['organization']}/{asked['name']}"})
            elif upload[3] == "preupload":
                modes = {"uploadMode": "regular", "shouldIgnore": False}
                paths = [file["path"] for file in json.loads(body)["files"]]
                self._json({"files": [{"path": path, **modes} for path in paths]})
            else:
                lines = [json.loads(line) for line in body.splitlines()]
                files = [line["value"] for line in lines if line["key"] == "file"]
                hub.repos[f"{upload[1]}/{upload[2]}"] = {
                    file["path"]: base64.b64decode(file["content"]) for file in files
                }
                url = f"{hub.url}/{upload[2]}/commit/{COMMIT}"
                self._json({"success": True, "commitUrl": url, "commitOid": COMMIT})

        def _answer(self, body=""):
            url = urlsplit(self.path)
            path = unquote(url.path)
            hub.requests.append(f"{self.command} {path}")
            query = f"?{url.query}" if url.query else ""
            api = re.match(r"/api/(datasets|models)/([^/]+/[^/]+)(/.*)?$", path + query)
            file = re.match(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)$", path)
            if api:
                self._api(f"{api[1]}/{api[2]}", api[3] or "", body)
            elif file:
                self._file(f"{'datasets' if file[1] else 'models'}/{file[2]}", file[3], file[4])
            else:
                self._json({"error": "not here"}, 404)

        def _allowed(self, repo, revision="main"):
            if repo not in hub.repos:
                self._json({"error": "Repository not found"}, 404, "RepoNotFound")
                return False
            if repo in hub.private and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._json({"error": "Invalid credentials"}, 401, "GatedRepo")
                return False
            if revision not in ("main", COMMIT):
                self._json({"error": "Invalid rev id"}, 404, "RevisionNotFound")
                return False
            return True

        def _api(self, repo, rest, body):
            rest, _, query = rest.partition("?")
            parts = rest.strip("/").split("/")
            revision = parts[1] if len(parts) > 1 else "main"
            if not self._allowed(repo, revision):
                return
            files = hub.repos[repo]
            if parts[0] == "tree":
                self._tree(files, "/".join(parts[2:]), parse_qs(query))
            elif parts[0] == "paths-info":
                wanted = parse_qs(body).get("paths") or json.loads(body or "{}").get("paths", [])
                self._json([self._entry(files, p) for p in wanted if p in files])
            else:
                siblings = [{"rfilename": p, "size": len(c)} for p, c in files.items()]
                name = repo.split("/", 1)[1]
                self._json(
                    {
                        "id": name,
                        "modelId": name,
                        "sha": COMMIT,
                        "siblings": siblings,
                        "private": False,
                        "tags": [],
                        "downloads": 0,
                        "likes": 0,
                        "cardData": {"license": "mit", "pretty_name": "Served by the tests"},
                    }
                )

        def _tree(self, files, below, query):
            """List what is in a folder, or with `recursive` in all folders inside it."""
            prefix = f"{below}/" if below else ""
            inner = [path for path in files if path.startswith(prefix)]
            if not inner:
                self._json({"error": "Entry not found"}, 404, "EntryNotFound")
                return
            folders = {str(folder) for path in inner for folder in PurePosixPath(path).parents}
            found = [*inner, *sorted(f for f in folders if f.startswith(prefix) and f != ".")]
            if query.get("recursive", ["false"])[0].lower() != "true":
                found = [path for path in found if "/" not in path[len(prefix) :]]
            self._json([self._entry(files, path) for path in found])

        def _entry(self, files, path):
            if path not in files:
                return {"type": "directory", "path": path, "size": 0, "oid": self._oid(b"")}
            return {
                "type": "file",
                "path": path,
                "size": len(files[path]),
                "oid": self._oid(files[path]),
            }

        def _oid(self, content):
            return hashlib.sha1(content, usedforsecurity=False).hexdigest()

        def _file(self, repo, revision, path):
            if not self._allowed(repo, revision):
                return
            if path not in hub.repos[repo]:
                self._json({"error": "Entry not found"}, 404, "EntryNotFound")
                return
            content = hub.repos[repo][path]
            part = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
            size = len(content)
            self.send_response(206 if part else 200)
            if part:
                first, last = int(part[1]), min(int(part[2] or size), size - 1)
                content = content[first : last + 1]
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{self._oid(hub.repos[repo][path])}"')
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                if path in hub.cut:
                    self.wfile.write(content[: len(content) // 2])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.close()
                else:
                    hub.sent[path] += len(content)
                    self.wfile.write(content)

        def _json(self, value, status=200, error=""):
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if error:
                self.send_header("X-Error-Code", error)
                self.send_header("X-Error-Message", value["error"])
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()

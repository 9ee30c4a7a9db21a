# Part of txwebsocket. See LICENSE for details.
"""
Tests of what ``twistd websocket`` shows to browsers.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import twisted.internet.reactor
from twisted.trial.unittest import SynchronousTestCase

import txwebsocket
from tests.support.memory import Recorder, Response, Served
from txwebsocket import ServerConfig
from txwebsocket.standalone.pages import RootResource

PAGE = Path(txwebsocket.__file__).parent / "standalone" / "page"


class PagesTestCase(SynchronousTestCase):
    """
    Asks for files.

    :ivar directory: what is served; the built-in page if None.
    """

    directory: str | None = None

    def get(
        self, path: str, *lines: str, method: str = "GET", host: str = "example.com"
    ) -> Response:
        """
        What a browser is answered.
        """
        served = Served(RootResource(Recorder, ServerConfig(), self.directory))
        peer = served.connect()
        head = [f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]
        peer.send("\r\n".join(head).encode("latin-1"))
        reactor: Any = twisted.internet.reactor
        while peer.transport.producer is not None and not peer.transport.sent:
            # twisted.web hands files over in turns of the installed reactor.
            reactor.runUntilCurrent()
            peer.turn()
        return peer.response()

    def assertFile(self, path: str, body: bytes, kind: str) -> Response:
        """
        Check that there is this file, of this type and no other.
        """
        response = self.get(path)
        self.assertEqual((response.status, response.body), (200, body))
        [found] = response.header("Content-Type")
        self.assertEqual(found.partition(";")[0], kind)
        self.assertEqual(response.header("X-Content-Type-Options"), ["nosniff"])
        return response

    def assertNothing(self, *paths: str) -> None:
        """
        Check that there is nothing at these paths, and that no more is told.
        """
        for path in paths:
            response = self.get(path)
            self.assertEqual(response.status, 404, path)
            self.assertNotIn(b"secret", response.body)
            self.assertNotIn(b"file", response.body)

    def upgradeStatus(self, path: str) -> int:
        """
        What a WebSocket client is answered.
        """
        resource = RootResource(Recorder, ServerConfig(), self.directory)
        return Served(resource).request(path=path).response().status


class BuiltInTests(PagesTestCase):
    """
    Tests of the built-in page.
    """

    def test_page(self) -> None:
        """
        The page is shown at the root, with whatever query.
        """
        index = (PAGE / "index.html").read_bytes()
        for path in ("/", "/?a=b", "/index.html"):
            self.assertFile(path, index, "text/html")

    def test_parts(self) -> None:
        """
        What the page needs is there, by the names it uses.
        """
        index = (PAGE / "index.html").read_text(encoding="utf-8")
        names = set(re.findall(r'(?:href|src)="([^":/]+)"', index))
        self.assertEqual(names, {"favicon.svg", "page.css", "page.js"})
        for name, kind in (
            ("favicon.svg", "image/svg+xml"),
            ("page.css", "text/css"),
            ("page.js", "text/javascript"),
        ):
            self.assertFile(f"/{name}", (PAGE / name).read_bytes(), kind)

    def test_policy(self) -> None:
        """
        The page, and each part of it, may load itself and open WebSockets, and nothing
        else: no script in the page, no frame around it.
        """
        for path in ("/", "/page.js", "/page.css", "/favicon.svg"):
            response = self.get(path)
            [policy] = response.header("Content-Security-Policy")
            rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
            self.assertEqual(rules["default-src"], "'none'")
            self.assertEqual(rules["script-src"], "'self'")
            self.assertEqual(rules["connect-src"], "'self' ws: wss:")
            self.assertEqual(rules["frame-ancestors"], "'none'")
            self.assertEqual(rules["base-uri"], "'none'")
            self.assertEqual(rules["form-action"], "'none'")
            self.assertNotIn("unsafe", policy)
            self.assertEqual(response.header("Referrer-Policy"), ["no-referrer"])

    def test_pageKeepsPolicy(self) -> None:
        """
        The page has no script or style of its own that the policy would stop.
        """
        index = (PAGE / "index.html").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"<script(?![^>]* src=)", index), [])
        self.assertEqual(re.findall(r"<style| style=| on[a-z]+=", index), [])

    def test_webSocket(self) -> None:
        """
        The WebSocket is at the root, and only there.
        """
        self.assertEqual(self.upgradeStatus("/"), 101)
        self.assertEqual(self.upgradeStatus("/?a=b"), 101)
        self.assertEqual(self.upgradeStatus("/chat"), 404)

    def test_head(self) -> None:
        """
        What HEAD is told of a file is what GET is told.
        """
        for path in ("/", "/page.js"):
            get, head = self.get(path), self.get(path, method="HEAD")
            self.assertEqual(sorted(head.headers), sorted(get.headers))

    def test_nothingElse(self) -> None:
        """
        There is nothing else.
        """
        self.assertNothing(
            "/pages.py", "/../pages.py", "/%2e%2e/pages.py", "/page.js/", "//", "/x/"
        )

    def test_methods(self) -> None:
        """
        HEAD works as GET does, other methods are refused.
        """
        head = self.get("/", method="HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(self.get("/", method="POST").status, 405)
        self.assertIn(self.get("/page.js", method="DELETE").status, (405, 501))


class DirectoryTests(PagesTestCase):
    """
    Tests of ``--static``.
    """

    def setUp(self) -> None:
        """
        Make a directory, with secrets in and around it.
        """
        root = Path(self.mktemp())
        files = {
            "secret.txt": "secret",
            "www/index.html": "<h1>hello</h1>",
            "www/app.js": "let x;",
            "www/data.json": "{}",
            "www/readme": "plain",
            "www/.htpasswd": "secret",
            "www/.git/config": "secret",
            "www/.well-known/security.txt": "contact",
            "www/sub/index.html": "<h1>sub</h1>",
            "www/sub/.hidden": "secret",
            "www/empty/file.txt": "text",
            "www/empty/index.htm": "not the index",
            "www-other/file.txt": "secret",
        }
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        self.directory = str(root / "www")

    def test_files(self) -> None:
        """
        Files are served by their names, and directories by their index.html.
        """
        self.assertFile("/", b"<h1>hello</h1>", "text/html")
        self.assertFile("/index.html", b"<h1>hello</h1>", "text/html")
        self.assertFile("/app.js", b"let x;", "text/javascript")
        self.assertFile("/data.json", b"{}", "application/json")
        self.assertFile("/sub/", b"<h1>sub</h1>", "text/html")
        self.assertFile("/empty/file.txt", b"text", "text/plain")
        self.assertFile("/empty/index.htm", b"not the index", "text/html")

    def test_ownPolicy(self) -> None:
        """
        The policy of the built-in page is not put on somebody's own.
        """
        self.assertEqual(self.get("/").header("Content-Security-Policy"), [])

    def test_unknownType(self) -> None:
        """
        A file whose name tells no type is never taken for a page with scripts in it.
        """
        [kind] = self.get("/readme").header("Content-Type")
        self.assertNotIn("html", kind)

    def test_webSocket(self) -> None:
        """
        The WebSocket stays at the root.
        """
        self.assertEqual(self.upgradeStatus("/"), 101)

    def test_noListings(self) -> None:
        """
        A directory without index.html is not listed.
        """
        self.assertNothing("/empty/")

    def test_noIndex(self) -> None:
        """
        Nor is the root, which stays a WebSocket.
        """
        self.directory = str(Path(self.directory or "") / "empty")
        self.assertNothing("/")
        self.assertEqual(self.upgradeStatus("/"), 101)

    def test_hidden(self) -> None:
        """
        What starts with a dot is not there, but for ``.well-known``.
        """
        self.assertNothing(
            "/.htpasswd",
            "/%2ehtpasswd",
            "/.git/config",
            "/.git/",
            "/sub/.hidden",
            "/sub/%2Ehidden",
            "/sub%2f.hidden",
            "/.well-known/",
            "/.well-known/.hidden",
        )
        self.assertFile("/.well-known/security.txt", b"contact", "text/plain")

    def test_traversal(self) -> None:
        """
        There is no way out of the directory.
        """
        self.assertNothing(
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%2fsecret.txt",
            "/sub/../../secret.txt",
            "/sub/..%2f..%2fsecret.txt",
            "/../www-other/file.txt",
            "/..%5csecret.txt",
            "/%2fetc%2fpasswd",
            "//etc/passwd",
            "/sub/%2e%2e%2f%2e%2e%2fsecret.txt",
            "/.../secret.txt",
        )

    def test_badNames(self) -> None:
        """
        A name that no file can have is not found, and no error of the server's.
        """
        self.assertNothing("/%00", "/app.js%00", "/sub/%00", "/%00/app.js", "/%ff")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_redirect(self) -> None:
        """
        A directory without its slash leads to the one with it, and to no other host.
        """
        response = self.get("/sub")
        self.assertEqual(response.status, 302)
        [location] = response.header("Location")
        self.assertIn(location, ("/sub/", "http://example.com/sub/"))
        for path in ("//sub", "/%2fsub", "//evil.example/sub", "///sub", "/%5csub"):
            self.assertEqual(self.get(path).header("Location"), [], path)

    def test_ranges(self) -> None:
        """
        A part of a file can be asked for.
        """
        response = self.get("/app.js", "Range: bytes=0-2")
        self.assertEqual((response.status, response.body), (206, b"let"))

    def test_methods(self) -> None:
        """
        Nothing can be changed there.
        """
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            status = self.get("/app.js", method=method).status
            self.assertIn(status, (405, 501))
            self.assertEqual(self.get("/new.js", method=method).status, 404)

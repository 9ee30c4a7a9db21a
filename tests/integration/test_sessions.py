# Part of txwebsocket. See LICENSE for details.
"""
Tests of WebSockets with the sessions and the logins of twisted.web.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.guard import BasicCredentialFactory, HTTPAuthSessionWrapper
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Session
from twisted.web.static import Data
from zope.interface import implementer

from tests.support.memory import Peer, Recorder, Served, handshake, text
from txwebsocket import (
    Cookie,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketResource,
    WebSocketRouter,
    WebSocketServer,
)
from txwebsocket.testing import MemoryTLSTransport

ORDINARY = ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
LOGIN = "Authorization: Basic " + b64encode(b"ada:secret").decode()
WRONG_LOGIN = "Authorization: Basic " + b64encode(b"ada:guess").decode()


class SessionTests(SynchronousTestCase):
    """
    Tests of sessions.

    :ivar sessions: the sessions that requests for a WebSocket had.
    """

    def setUp(self) -> None:
        self.sessions: list[Session] = []

        class Page(Resource):
            """
            Counts, in the session, how often it was seen.
            """

            isLeaf = True

            def render_GET(self, request: Request) -> bytes:
                session: Any = request.getSession()
                session.seen = getattr(session, "seen", 0) + 1
                return str(session.seen).encode()

        self.clock = Clock()
        self.served = Served(Resource(), clock=self.clock)
        self.served.resource.putChild(b"page", Page())
        self.served.resource.putChild(b"chat", WebSocketResource(self.chat))
        self.addCleanup(self.expireAll)

    def expireAll(self) -> None:
        """
        End all sessions, which may wait on a reactor.
        """
        for session in list(self.served.site.sessions.values()):
            session.expire()

    def chat(self, request: WebSocketRequest) -> None:
        """
        Say how often the client has seen the page.
        """
        session: Any = request.httpRequest.getSession()
        self.sessions.append(session)
        connection = request.accept(cookies=[Cookie("flavour", "oat")])
        connection.send(str(getattr(session, "seen", 0)))

    def cookies(self, peer: Peer, status: int) -> list[str]:
        """
        The cookies that come with a response.
        """
        response = peer.response()
        self.assertEqual(response.status, status)
        return response.header("Set-Cookie")

    def test_newSession(self) -> None:
        """
        The cookie of a session that begins with the WebSocket goes out with the 101,
        beside those that the handler sets.
        """
        peer = self.served.request(path="/chat")
        cookies = self.cookies(peer, 101)
        [session] = self.sessions
        self.assertEqual(len(cookies), 2)
        self.assertIn("flavour=oat", cookies)
        self.assertIn(f"TWISTED_SESSION={session.uid.decode()}; Path=/", cookies)
        self.assertEqual(peer.frames(), [text("0")])

    def test_oldSession(self) -> None:
        """
        A client that has a session from a page has the same one at its WebSocket, and
        needs no new cookie.
        """
        page = self.served.request(path="/page", without=ORDINARY)
        [cookie] = self.cookies(page, 200)
        line = "Cookie: " + cookie.partition(";")[0]
        peer = self.served.request(line, path="/chat")
        self.assertEqual(self.cookies(peer, 101), ["flavour=oat"])
        self.assertEqual(peer.frames(), [text("1")])

    def test_pageAfterwards(self) -> None:
        """
        So it has the other way round.
        """
        peer = self.served.request(path="/chat")
        cookies = self.cookies(peer, 101)
        [cookie] = [each for each in cookies if each.startswith("TWISTED")]
        session: Any = self.sessions[0]
        session.seen = 5
        line = "Cookie: " + cookie.partition(";")[0]
        page = self.served.request(line, path="/page", without=ORDINARY)
        self.assertEqual(page.response().body, b"6")

    def test_secure(self) -> None:
        """
        Over TLS the cookie is for TLS only, as on pages.
        """
        peer = self.served.connect(MemoryTLSTransport(self.clock))
        peer.send(handshake(path="/chat"))
        cookies = self.cookies(peer, 101)
        [cookie] = [each for each in cookies if each.startswith("TWISTED")]
        self.assertTrue(cookie.startswith("TWISTED_SECURE_SESSION="), cookie)
        self.assertIn("; Secure", cookie)

    def test_rejected(self) -> None:
        """
        The cookie goes out with a refusal as well.
        """

        def reject(request: WebSocketRequest) -> None:
            request.httpRequest.getSession()
            request.reject(403)

        self.served.resource.putChild(b"closed", WebSocketResource(reject))
        peer = self.served.request(path="/closed")
        [cookie] = self.cookies(peer, 403)
        self.assertTrue(cookie.startswith("TWISTED_SESSION="), cookie)

    def test_mounted(self) -> None:
        """
        A server that is mounted on the site sees the same sessions.
        """
        WebSocketServer(self.chat).mount(self.served.site)
        page = self.served.request(path="/page", without=ORDINARY)
        [cookie] = self.cookies(page, 200)
        line = "Cookie: " + cookie.partition(";")[0]
        for path in ("/anywhere", "/chat"):
            peer = self.served.request(line, path=path)
            self.assertEqual(self.cookies(peer, 101), ["flavour=oat"])
            self.assertEqual(peer.frames(), [text("1")])

    def test_expires(self) -> None:
        """
        A session ends when it would without a WebSocket, and does not end that.
        """
        peer = self.served.request(path="/chat")
        self.cookies(peer, 101)
        peer.frames()
        [session] = self.sessions
        ended: list[Session] = []
        session.notifyOnExpire(lambda: ended.append(session))
        session.expire()
        self.assertEqual(ended, [session])
        self.assertTrue(peer.transport.isConnected)
        self.assertEqual(peer.frames(), [])


@implementer(IRealm)
class Realm:
    """
    Gives everybody who logs in a resource.

    :ivar present: who is logged in.
    :ivar logouts: how often somebody was logged out.
    """

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        self.present: list[bytes] = []
        self.logouts = 0

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        """
        Log somebody in.
        """

        def logout() -> None:
            self.logouts += 1
            self.present.remove(avatarId)

        self.present.append(avatarId)
        return IResource, self.resource, logout


class LoginTests(SynchronousTestCase):
    """
    Tests of WebSockets behind a login.
    """

    def protect(self, resource: Any, *, name: bytes = b"private") -> None:
        """
        Serve a resource to those who log in.
        """
        self.realm = Realm(resource)
        checker = InMemoryUsernamePasswordDatabaseDontUse(ada=b"secret")
        wrapper = HTTPAuthSessionWrapper(
            Portal(self.realm, [checker]), [BasicCredentialFactory("test")]
        )
        self.served = Served(Resource())
        self.served.resource.putChild(name, wrapper)

    def setUp(self) -> None:
        self.made: list[Recorder] = []
        made = self.made

        class Application(Recorder):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        self.socket = WebSocketResource(Application)
        self.protect(self.socket)

    def assertPresent(self, isPresent: bool, logouts: int) -> None:
        """
        The user is logged in, or not, and was logged out so often.
        """
        self.assertEqual(self.realm.present, [b"ada"] * isPresent)
        self.assertEqual(self.realm.logouts, logouts)

    def come(self, *lines: str, path: str = "/private") -> Peer:
        """
        Log in, and be given a WebSocket.
        """
        return self.served.upgrade(LOGIN, *lines, path=path)

    def test_refused(self) -> None:
        """
        Who does not log in, or tries with a wrong password, is asked to, and given no
        WebSocket.
        """
        for lines in ((), (WRONG_LOGIN,), ("Authorization: Digest x",)):
            for path in ("/private", "/private/"):
                response = self.served.request(*lines, path=path).response()
                self.assertEqual(response.status, 401)
                self.assertTrue(response.header("WWW-Authenticate"))
        self.assertEqual(self.made, [])
        self.assertPresent(False, 0)

    def test_talks(self) -> None:
        """
        Who logs in is given a WebSocket, with and without a slash at the end of its
        path.
        """
        for path in ("/private", "/private/"):
            self.come(path=path).sendText("hello")
            self.assertEqual(self.made.pop().messages, ["hello"])

    def test_logout(self) -> None:
        """
        The user stays logged in while the WebSocket is open, and is logged out when it
        is lost, once.
        """
        peer = self.come()
        self.assertPresent(True, 0)
        for _ in range(10):
            peer.wait(15)
            peer.sendText("hello")
        self.assertPresent(True, 0)
        peer.sendClose()
        self.assertPresent(False, 1)
        peer.wait(100)
        self.assertPresent(False, 1)

    def test_ends(self) -> None:
        """
        However the WebSocket ends, the user is logged out then.
        """
        ends: list[Any] = [
            lambda peer: peer.sendClose(),
            lambda peer: peer.vanish(),
            lambda peer: peer.end(),
            lambda peer: self.made[-1].connection.drop(1002, "", True),
        ]
        for count, end in enumerate(ends):
            peer = self.come()
            self.assertPresent(True, count)
            end(peer)
            peer.turn()
            self.assertPresent(False, count + 1)
            self.assertEqual(self.made[-1].told[-1], "lost")

    def test_closing(self) -> None:
        """
        A user is not logged out while the closing handshake goes on.
        """
        peer = self.come()
        self.made[0].connection.close()
        peer.turn()
        self.assertPresent(True, 0)
        peer.sendClose()
        self.assertPresent(False, 1)

    def test_applicationFirst(self) -> None:
        """
        The application hears of the loss while its user is still logged in.
        """
        present = []
        realm = self.realm

        class Application(WebSocketProtocol):
            def connectionLost(self, reason: Any) -> None:
                present.append(list(realm.present))

        realm.resource = WebSocketResource(Application)
        self.come().vanish()
        self.assertEqual(present, [[b"ada"]])
        self.assertPresent(False, 1)

    def test_rejected(self) -> None:
        """
        A user whose request is rejected is logged out with the answer.
        """
        self.realm.resource = WebSocketResource(lambda request: request.reject(403))
        peer = self.served.request(LOGIN, path="/private")
        self.assertEqual(peer.response().status, 403)
        self.assertPresent(False, 1)

    def test_pending(self) -> None:
        """
        A user whose request waits for a decision is logged in.
        """
        decision: Deferred[Any] = Deferred()

        async def handler(request: WebSocketRequest) -> None:
            await decision
            request.accept(application=Recorder())

        self.realm.resource = WebSocketResource(handler)
        peer = self.served.request(LOGIN, path="/private")
        self.assertPresent(True, 0)
        decision.callback(None)
        self.assertEqual(peer.response().status, 101)
        self.assertPresent(True, 0)
        peer.vanish()
        self.assertPresent(False, 1)

    def test_leftEarly(self) -> None:
        """
        A user who leaves before the decision is logged out then, and not once more
        when it is made.
        """
        requests: list[WebSocketRequest] = []
        self.realm.resource = WebSocketResource(requests.append)
        self.served.request(LOGIN, path="/private").vanish()
        self.assertPresent(False, 1)
        requests[0].accept()
        self.assertPresent(False, 1)

    def test_page(self) -> None:
        """
        Pages behind the same login work as ever.
        """
        page = Data(b"come in", "text/plain")
        self.realm.resource = WebSocketResource(Recorder, page=page)
        peer = self.served.request(LOGIN, path="/private", without=ORDINARY)
        self.assertEqual(peer.response().body, b"come in")
        self.assertPresent(False, 1)

    def test_router(self) -> None:
        """
        A router behind a login routes what is below, and logs out as well.
        """
        router = WebSocketRouter()
        rooms = []

        def chat(request: Any) -> None:
            rooms.append(request.parameters["room"])
            request.accept(application=Recorder())

        router.mount("/{room}", None, chat)
        self.realm.resource = router
        peer = self.come(path="/private/lobby")
        self.assertEqual(rooms, ["lobby"])
        self.assertPresent(True, 0)
        peer.vanish()
        self.assertPresent(False, 1)

    def test_shutDown(self) -> None:
        """
        When the server shuts down, all users are logged out in the end.
        """
        peers = [self.come() for _ in range(3)]
        gone = self.socket.server.shutDown()
        for peer in peers:
            peer.sendClose(1001)
        self.assertIsNone(self.successResultOf(gone))
        self.assertPresent(False, 3)

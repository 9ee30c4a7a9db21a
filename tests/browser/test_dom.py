# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.browser.dom`.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.browser import dom as events
from txwebsocket.browser.dom import (
    Callback,
    CloseEvent,
    ErrorEvent,
    Event,
    EventHandler,
    EventTarget,
    MessageEvent,
)
from txwebsocket.wire.errors import InvalidState


class WebSocketURL(EventTarget):
    """
    Something that happenings happen to.

    :ivar errors: what listeners raised.
    """

    onring = EventHandler("ring")

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception] = []

    def fire(self, event: Event) -> None:
        """
        It happens by itself.
        """
        self._fire(event)

    def _tell(self, listener: Callback, event: Event) -> None:
        try:
            listener(event)
        except Exception as error:  # noqa: BLE001 - as it is in the real ones
            self.errors.append(error)


class Ear:
    """
    Listens with a method, or as an object.
    """

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def listen(self, event: Event) -> None:
        self.heard.append(event)

    def handleEvent(self, event: Event) -> None:
        self.heard.append(event)


class EventTests(SynchronousTestCase):
    """
    Tests of the events.
    """

    def test_defaults(self) -> None:
        """
        What is not said of an event is what the standards have for it.
        """
        event = Event("ring")
        self.assertEqual((event.type, event.target), ("ring", None))
        self.assertFalse(event.cancelable)
        self.assertFalse(event.defaultPrevented)
        message = MessageEvent("message")
        self.assertEqual((message.data, message.origin), (None, ""))
        closed = CloseEvent("close")
        told = (closed.wasClean, closed.code, closed.reason)
        self.assertEqual(told, (False, 0, ""))
        error = ErrorEvent("error")
        self.assertEqual((error.error, error.message), (None, ""))

    def test_given(self) -> None:
        """
        What is said of it can be read.
        """
        message = MessageEvent("message", data=b"x", origin="ws://h", cancelable=True)
        self.assertEqual((message.data, message.origin), (b"x", "ws://h"))
        self.assertTrue(message.cancelable)
        closed = CloseEvent("close", wasClean=True, code=1000, reason="bye")
        told = (closed.wasClean, closed.code, closed.reason)
        self.assertEqual(told, (True, 1000, "bye"))
        cause = ValueError("no")
        error = ErrorEvent("error", error=cause, message="no")
        self.assertEqual((error.error, error.message), (cause, "no"))

    def test_members(self) -> None:
        """
        Every event has the members that the DOM Standard gives it.
        """
        for kind in (Event, MessageEvent, CloseEvent, ErrorEvent):
            event = kind("ring")
            flags = (event.bubbles, event.cancelable, event.composed, event.isTrusted)
            self.assertEqual(flags, (False,) * 4)
            self.assertEqual(event.eventPhase, Event.NONE)
            self.assertEqual(event.composedPath(), [])
            event = kind("ring", bubbles=True, cancelable=True, composed=True)
            flags = (event.bubbles, event.cancelable, event.composed)
            self.assertEqual(flags, (True,) * 3)

    def test_phases(self) -> None:
        """
        The phases have the DOM's names and numbers, of the class and of its objects.
        """
        for owner in (Event, CloseEvent("close")):
            phases = (owner.NONE, owner.CAPTURING_PHASE, owner.AT_TARGET)
            self.assertEqual((*phases, owner.BUBBLING_PHASE), (0, 1, 2, 3))

    def test_timeStamp(self) -> None:
        """
        The time stamp of an event is the time when it was made, in milliseconds, by a
        clock that never goes back.
        """
        now = monotonic()
        self.patch(events, "monotonic", lambda: now)
        first = Event("ring").timeStamp
        self.assertGreaterEqual(first, 0)
        now += 0.25
        second = MessageEvent("message").timeStamp
        self.assertAlmostEqual(second - first, 250)

    def test_repr(self) -> None:
        """
        An event says what it is, and nothing of what somebody has sent.
        """
        event = MessageEvent("message", data="secret")
        self.assertEqual(repr(event), "<MessageEvent 'message'>")


class TargetTestCase(SynchronousTestCase):
    """
    What tests of listeners need.
    """

    def setUp(self) -> None:
        self.target = WebSocketURL()
        self.said: list[str] = []

    def saying(self, word: str) -> Callback:
        """
        A listener that says something.
        """
        return lambda event: self.said.append(word)

    def ring(self) -> Event:
        """
        It rings.
        """
        event = Event("ring")
        self.target.dispatchEvent(event)
        return event


class ListeningTests(TargetTestCase):
    """
    Tests of listeners.
    """

    def test_event(self) -> None:
        """
        A listener is called with the event, which says what it happened to.
        """
        seen: list[Any] = []
        self.target.addEventListener(
            "ring",
            lambda event: seen.append((event, event.target, event.currentTarget)),
        )
        event = self.ring()
        self.assertEqual(seen, [(event, self.target, self.target)])
        self.assertIs(event.target, self.target)
        self.assertIs(event.currentTarget, None)

    def test_order(self) -> None:
        """
        Listeners are called in the order in which they came, and those of other types
        not at all.
        """
        for word in ("one", "two", "three"):
            self.target.addEventListener("ring", self.saying(word))
        self.target.addEventListener("knock", self.saying("knock"))
        self.ring()
        self.assertEqual(self.said, ["one", "two", "three"])

    def test_nobody(self) -> None:
        """
        Nobody need listen.
        """
        self.assertTrue(self.target.dispatchEvent(Event("ring")))

    def test_twice(self) -> None:
        """
        Who listens already is not called twice, be it a function, a method or an
        object.
        """
        ear = Ear()
        for _ in range(2):
            self.target.addEventListener("ring", ear.listen)
            self.target.addEventListener("ring", ear)
        self.ring()
        self.assertEqual(len(ear.heard), 2)

    def test_remove(self) -> None:
        """
        Who is removed is not called any more, be it a function, a method or an object.
        """
        ear = Ear()
        say = self.saying("one")
        listeners = (say, ear.listen, ear)
        for listener in listeners:
            self.target.addEventListener("ring", listener)
        self.target.removeEventListener("ring", say)
        self.target.removeEventListener("ring", ear.listen)
        self.target.removeEventListener("ring", ear)
        self.ring()
        self.assertEqual((self.said, ear.heard), ([], []))

    def test_removeNothing(self) -> None:
        """
        Removing who does not listen does nothing.
        """
        self.target.addEventListener("ring", self.saying("one"))
        self.target.removeEventListener("ring", self.saying("two"))
        self.target.removeEventListener("knock", self.saying("two"))
        self.target.removeEventListener("ring", None)
        self.ring()
        self.assertEqual(self.said, ["one"])

    def test_none(self) -> None:
        """
        None is no listener, and no mistake.
        """
        self.target.addEventListener("ring", None)
        self.ring()
        self.assertEqual(self.target.errors, [])

    def test_noListener(self) -> None:
        """
        What can't be called is refused when it is added.
        """
        wrong: Any = "listen"
        self.assertRaises(TypeError, self.target.addEventListener, "ring", wrong)

    def test_once(self) -> None:
        """
        Who wants to be called once is; if it rings meanwhile, no second time.
        """
        self.target.addEventListener("ring", self.saying("one"), once=True)
        self.target.addEventListener("ring", lambda event: self.ring(), once=True)
        self.ring()
        self.ring()
        self.assertEqual(self.said, ["one"])

    def test_options(self) -> None:
        """
        As in a browser the third argument says whether to capture, or is a mapping of
        options; they can be keywords as well.
        """
        for number, options in enumerate((False, True, None, {}, {"once": False})):
            self.target.addEventListener("ring", self.saying(str(number)), options)
        self.ring()
        self.assertEqual(self.said, ["1", "0", "2", "3", "4"])
        for target, more in (
            (WebSocketURL(), {"options": {"once": True}}),
            (WebSocketURL(), {"once": True}),
        ):
            self.said.clear()
            target.addEventListener("ring", self.saying("once"), **more)  # type: ignore[arg-type]
            target.dispatchEvent(Event("ring"))
            target.dispatchEvent(Event("ring"))
            self.assertEqual(self.said, ["once"])

    def test_noOptions(self) -> None:
        """
        Options that there are not, such as a signal that JavaScript's could be aborted
        with, are refused by name, since they would do nothing.
        """
        add: Any = self.target.addEventListener
        say = self.saying("one")
        error = self.assertRaises(TypeError, add, "ring", say, {"signal": None})
        self.assertIn("signal", str(error))
        self.assertIn("capture, once and passive", str(error))
        for options in ("capture", 1, ["once"]):
            error = self.assertRaises(TypeError, add, "ring", say, options)
            self.assertIn("a bool or a mapping of", str(error))
        self.ring()
        self.assertEqual(self.said, [])

    def test_capture(self) -> None:
        """
        Who captures is called first. The same listener can capture and be there
        besides, and each is removed by itself.
        """
        say = self.saying("say")
        self.target.addEventListener("ring", self.saying("one"))
        self.target.addEventListener("ring", say, True)
        self.target.addEventListener("ring", say, {"capture": True, "once": True})
        self.target.addEventListener("ring", say)
        self.target.onring = self.saying("on")
        self.ring()
        self.assertEqual(self.said, ["say", "one", "say", "on"])
        self.target.removeEventListener("ring", say, True)
        self.target.removeEventListener("ring", say, True)
        self.ring()
        self.assertEqual(self.said[4:], ["one", "say", "on"])
        for options in (False, {"capture": False, "once": True}, None):
            self.target.addEventListener("ring", say)
            self.target.removeEventListener("ring", say, {"capture": True})
            self.target.removeEventListener("ring", say, options)
            self.said.clear()
            self.ring()
            self.assertEqual(self.said, ["one", "on"])

    def test_addedWhileCapturing(self) -> None:
        """
        Who is added while those that capture are called is called, unless it captures.
        """

        def add(event: Event) -> None:
            self.target.addEventListener("ring", self.saying("captures"), True)
            self.target.addEventListener("ring", self.saying("listens"))

        self.target.addEventListener("ring", add, {"capture": True, "once": True})
        self.ring()
        self.assertEqual(self.said, ["listens"])

    def test_handleEvent(self) -> None:
        """
        The method of an object is looked up when it is called.
        """
        ear = Ear()
        self.target.addEventListener("ring", ear)
        vars(ear)["handleEvent"] = self.saying("changed")
        self.ring()
        self.assertEqual(self.said, ["changed"])

    def test_addedMeanwhile(self) -> None:
        """
        Who is added while listeners are called is called the next time.
        """
        late = self.saying("late")
        self.target.addEventListener(
            "ring", lambda event: self.target.addEventListener("ring", late)
        )
        self.ring()
        self.assertEqual(self.said, [])
        self.ring()
        self.assertEqual(self.said, ["late"])

    def test_removedMeanwhile(self) -> None:
        """
        Who is removed while listeners are called, before its turn, is not called.
        """
        second = self.saying("second")
        self.target.addEventListener(
            "ring", lambda event: self.target.removeEventListener("ring", second)
        )
        self.target.addEventListener("ring", second)
        self.target.addEventListener("ring", self.saying("third"))
        self.ring()
        self.assertEqual(self.said, ["third"])

    def test_errors(self) -> None:
        """
        What one listener raises is reported and does not keep others from being called.
        """
        error = ValueError("no")

        def fail(event: Event) -> None:
            raise error

        self.target.addEventListener("ring", fail)
        self.target.addEventListener("ring", self.saying("two"))
        self.ring()
        self.assertEqual((self.target.errors, self.said), ([error], ["two"]))

    def test_methodGone(self) -> None:
        """
        An object whose method has gone is reported in the same way.
        """

        class Forgetful:
            def handleEvent(self, event: Event) -> None:
                """
                There for now.
                """

        self.target.addEventListener("ring", Forgetful())
        del Forgetful.handleEvent
        self.ring()
        [error] = self.target.errors
        self.assertIsInstance(error, AttributeError)

    def test_stop(self) -> None:
        """
        A listener can keep an event from those that follow, and from no later event.
        """
        event = Event("ring")
        self.target.addEventListener(
            "ring", lambda event: event.stopImmediatePropagation(), once=True
        )
        self.target.addEventListener("ring", self.saying("two"))
        self.target.dispatchEvent(event)
        self.assertEqual(self.said, [])
        self.target.dispatchEvent(event)
        self.assertEqual(self.said, ["two"])

    def test_stopPropagation(self) -> None:
        """
        There is nowhere to propagate to: the other listeners are called, unless the
        event is stopped before, or while those that capture are called.
        """
        stop = Event.stopPropagation
        self.target.addEventListener("ring", stop, once=True)
        self.target.addEventListener("ring", self.saying("two"))
        self.ring()
        self.assertEqual(self.said, ["two"])
        self.target.addEventListener("ring", stop, {"capture": True, "once": True})
        self.target.addEventListener("ring", self.saying("captured"), True)
        self.ring()
        self.assertEqual(self.said, ["two", "captured"])
        event = Event("ring")
        event.stopPropagation()
        self.target.dispatchEvent(event)
        self.assertEqual(self.said, ["two", "captured"])
        self.target.dispatchEvent(event)
        self.assertEqual(self.said, ["two", "captured", "captured", "two"])

    def test_stopBeforehand(self) -> None:
        """
        An event that was stopped at once before it is dispatched reaches nobody, once.
        """
        self.target.addEventListener("ring", self.saying("one"))
        event = Event("ring")
        event.stopImmediatePropagation()
        self.target.dispatchEvent(event)
        self.assertEqual(self.said, [])
        self.target.dispatchEvent(event)
        self.assertEqual(self.said, ["one"])

    def test_dispatching(self) -> None:
        """
        While listeners are called the event is at its target, which is all of its path.
        """
        seen: list[Any] = []
        for capture in (False, True):
            self.target.addEventListener(
                "ring",
                lambda event: seen.append((event.eventPhase, event.composedPath())),
                capture,
            )
        event = self.ring()
        self.assertEqual(seen, [(Event.AT_TARGET, [self.target])] * 2)
        self.assertEqual((event.eventPhase, event.composedPath()), (Event.NONE, []))

    def test_trusted(self) -> None:
        """
        An event is trusted if it comes from the connection, and not if anybody
        dispatches it, be it one that was trusted before.
        """
        event = Event("ring")
        seen: list[bool] = []
        self.target.addEventListener("ring", lambda event: seen.append(event.isTrusted))
        self.target.fire(event)
        self.assertTrue(event.isTrusted)
        self.target.dispatchEvent(event)
        self.assertFalse(event.isTrusted)
        self.assertEqual(seen, [True, False])

    def test_prevent(self) -> None:
        """
        Whoever dispatches an event that can be cancelled learns whether it was.
        """
        self.target.addEventListener("ring", lambda event: event.preventDefault())
        self.assertTrue(self.target.dispatchEvent(Event("ring")))
        event = Event("ring", cancelable=True)
        self.assertFalse(self.target.dispatchEvent(event))
        self.assertTrue(event.defaultPrevented)

    def test_passive(self) -> None:
        """
        A passive listener prevents nothing, and keeps no other from it.
        """
        event = Event("ring", cancelable=True)
        prevent = Event.preventDefault
        self.target.addEventListener("ring", prevent, {"passive": True})
        self.assertTrue(self.target.dispatchEvent(event))
        self.assertFalse(event.defaultPrevented)
        self.target.addEventListener("ring", lambda event: event.preventDefault())
        self.assertFalse(self.target.dispatchEvent(event))
        self.assertTrue(event.defaultPrevented)

    def test_noEvent(self) -> None:
        """
        Something that is not an event, such as its type alone, is told as such.
        """
        for wrong, name in (("ring", "str"), (None, "NoneType")):
            dispatch: Any = self.target.dispatchEvent
            error = self.assertRaises(TypeError, dispatch, wrong)
            self.assertEqual(str(error), f"event must be an Event, not {name}")

    def test_nested(self) -> None:
        """
        An event that is being dispatched can't be dispatched; another one can, and the
        first is not disturbed.
        """
        event = Event("ring")
        self.target.addEventListener("ring", self.target.dispatchEvent)
        self.target.addEventListener("ring", lambda event: self.ring(), once=True)
        self.target.dispatchEvent(event)
        self.assertEqual([type(e) for e in self.target.errors], [InvalidState] * 2)
        self.assertIs(event.currentTarget, None)


class HandlerTests(TargetTestCase):
    """
    Tests of attributes ``on…``.
    """

    def test_unset(self) -> None:
        """
        Nobody is called before it is set.
        """
        self.assertIs(self.target.onring, None)
        self.ring()

    def test_set(self) -> None:
        """
        What it is set to is called, and can be read.
        """
        say = self.saying("on")
        self.target.onring = say
        self.assertIs(self.target.onring, say)
        self.ring()
        self.assertEqual(self.said, ["on"])

    def test_replace(self) -> None:
        """
        Another one takes the place of the first, in its turn.
        """
        self.target.onring = self.saying("on")
        self.target.addEventListener("ring", self.saying("listener"))
        self.target.onring = self.saying("on, again")
        self.ring()
        self.assertEqual(self.said, ["on, again", "listener"])

    def test_takeBack(self) -> None:
        """
        None takes it back; what is set then has its turn at the end.
        """
        self.target.onring = None
        self.target.onring = self.saying("on")
        self.target.addEventListener("ring", self.saying("listener"))
        self.target.onring = None
        self.assertIs(self.target.onring, None)
        self.ring()
        self.assertEqual(self.said, ["listener"])
        self.target.onring = self.saying("on")
        self.ring()
        self.assertEqual(self.said, ["listener", "listener", "on"])

    def test_apart(self) -> None:
        """
        The same function can be a listener besides; removing that leaves the attribute.
        """
        say = self.saying("ring")
        self.target.onring = say
        self.target.addEventListener("ring", say)
        self.ring()
        self.assertEqual(self.said, ["ring"] * 2)
        self.target.removeEventListener("ring", say)
        self.assertIs(self.target.onring, say)

    def test_wrong(self) -> None:
        """
        What can't be called is refused, and changes nothing.
        """
        say = self.saying("on")
        self.target.onring = say
        wrong: Any = Ear()
        with self.assertRaises(TypeError) as caught:
            self.target.onring = wrong
        self.assertIn("onring", str(caught.exception))
        self.assertIs(self.target.onring, say)

    def test_ofClass(self) -> None:
        """
        The attribute of the class says what it is for.
        """
        self.assertIn("ring", str(WebSocketURL.onring.__doc__))

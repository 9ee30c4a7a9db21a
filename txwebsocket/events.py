# -*- test-case-name: tests.test_events -*-
# Part of txwebsocket. See LICENSE for details.
"""
Events and their listeners as browsers have them (DOM Standard, 2), without Twisted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, overload

from txwebsocket.wire.errors import InvalidState


class Event:
    """
    Something that happened.

    :param type: what it is called, such as ``"open"``.
    :param cancelable: whether :meth:`preventDefault` has an effect. That of our own
        events has none.
    :ivar type: what it is called.
    :ivar target: the object it happened to; None before it is dispatched.
    :ivar currentTarget: the same while listeners are called, and None at other times.
    :ivar cancelable: whether :meth:`preventDefault` has an effect.
    :ivar defaultPrevented: whether it had one.
    """

    __slots__ = (
        "_isStopped",
        "cancelable",
        "currentTarget",
        "defaultPrevented",
        "target",
        "type",
    )

    def __init__(self, type: str, *, cancelable: bool = False) -> None:
        self.type = type
        self.target: Any = None
        self.currentTarget: Any = None
        self.cancelable = cancelable
        self.defaultPrevented = False
        self._isStopped = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type!r}>"

    def preventDefault(self) -> None:
        """
        Make ``dispatchEvent`` return False, where that may be.
        """
        self.defaultPrevented = self.cancelable

    def stopImmediatePropagation(self) -> None:
        """
        Let no further listener know.
        """
        self._isStopped = True


class MessageEvent(Event):
    """
    A message has arrived.

    :ivar data: the message: ``str`` of a text message, ``bytes`` of a binary one.
    :ivar origin: the scheme, host and port it came from, such as
        ``ws://example.com``.
    """

    __slots__ = ("data", "origin")

    def __init__(
        self, type: str, *, data: Any = None, origin: str = "", cancelable: bool = False
    ) -> None:
        super().__init__(type, cancelable=cancelable)
        self.data = data
        self.origin = origin


class CloseEvent(Event):
    """
    The connection has ended.

    :ivar wasClean: both ends have agreed to close.
    :ivar code: the peer's close code; 1005 if it gave none, 1006 if it sent no close
        frame.
    :ivar reason: the peer's reason.
    """

    __slots__ = ("code", "reason", "wasClean")

    def __init__(
        self,
        type: str,
        *,
        wasClean: bool = False,
        code: int = 0,
        reason: str = "",
        cancelable: bool = False,
    ) -> None:
        super().__init__(type, cancelable=cancelable)
        self.wasClean = wasClean
        self.code = code
        self.reason = reason


class ErrorEvent(Event):
    """
    The connection has failed.

    A browser tells nobody why, since a page might search its visitor's network that
    way. Elsewhere there is nothing to hide.

    :ivar error: what went wrong, an exception; None in a browser.
    :ivar message: the same in words; empty in a browser.
    """

    __slots__ = ("error", "message")

    def __init__(
        self,
        type: str,
        *,
        error: BaseException | None = None,
        message: str = "",
        cancelable: bool = False,
    ) -> None:
        super().__init__(type, cancelable=cancelable)
        self.error = error
        self.message = message


class _ListeningObject(Protocol):
    """
    An object that listens.
    """

    def handleEvent(self, event: Any) -> object:
        """
        The event has happened.
        """


Callback: TypeAlias = Callable[[Any], object]
Listener: TypeAlias = Callback | _ListeningObject


class _Registration:
    """
    One place in the list of those who listen.

    :ivar isHandler: whether it is that of an ``on…`` attribute.
    :ivar isRemoved: whether it has gone, perhaps while the list is being called.
    """

    __slots__ = ("isHandler", "isRemoved", "listener", "once")

    def __init__(
        self, listener: Listener, *, once: bool = False, isHandler: bool = False
    ) -> None:
        self.listener = listener
        self.once = once
        self.isHandler = isHandler
        self.isRemoved = False

    def __call__(self, event: Event) -> object:
        listener = self.listener
        return listener(event) if callable(listener) else listener.handleEvent(event)


class EventTarget(ABC):
    """
    What events happen to.
    """

    def __init__(self) -> None:
        self._registrations: dict[str, list[_Registration]] = {}

    def addEventListener(
        self, type: str, listener: Listener | None, *, once: bool = False
    ) -> None:
        """
        Call a listener when such events happen, after those that are there already.
        One that is there already is not added again.

        What a listener raises is logged, and concerns nobody else. One that is a
        coroutine function runs on by itself.

        :param type: ``"open"``, ``"message"``, ``"error"``, ``"close"``, or what is
            given to :meth:`dispatchEvent`.
        :param listener: is called with the :class:`Event`, or has a method
            ``handleEvent`` for that. Nothing is done if it is None.
        :param once: remove it when it is called.
        :raises TypeError: if it is something else.
        """
        if listener is None:
            return
        if not callable(listener) and not hasattr(listener, "handleEvent"):
            raise TypeError(
                f"a listener is callable or has handleEvent, unlike {listener!r}"
            )
        if self._find(type, listener) is None:
            self._add(type, _Registration(listener, once=once))

    def removeEventListener(self, type: str, listener: Listener | None) -> None:
        """
        Take :meth:`addEventListener` back, if it was called.
        """
        found = None if listener is None else self._find(type, listener)
        if found is not None:
            self._remove(type, found)

    def dispatchEvent(self, event: Event) -> bool:
        """
        Call the listeners of an event, in the order in which they were added.

        :return: whether none of them has prevented its default.
        :raises InvalidState: if the event is being dispatched already.
        """
        if event.currentTarget is not None:
            raise InvalidState(f"{event!r} is being dispatched already")
        event.target = event.currentTarget = self
        for registration in tuple(self._registrations.get(event.type, ())):
            if event._isStopped:
                break
            if registration.isRemoved:
                continue
            if registration.once:
                self._remove(event.type, registration)
            self._tell(registration, event)
        event.currentTarget = None
        event._isStopped = False
        return not event.defaultPrevented

    @abstractmethod
    def _tell(self, listener: Callback, event: Event) -> None:
        """
        Call a listener. What goes wrong is reported and not raised.
        """

    def _find(self, type: str, listener: Listener) -> _Registration | None:
        for registration in self._registrations.get(type, ()):
            # Methods of an object are equal, and not the same, each time.
            if not registration.isHandler and registration.listener == listener:
                return registration
        return None

    def _handler(self, type: str) -> _Registration | None:
        """
        The place of the ``on…`` attribute, if it is set.
        """
        for registration in self._registrations.get(type, ()):
            if registration.isHandler:
                return registration
        return None

    def _add(self, type: str, registration: _Registration) -> None:
        self._registrations.setdefault(type, []).append(registration)

    def _remove(self, type: str, registration: _Registration) -> None:
        registration.isRemoved = True
        self._registrations[type].remove(registration)


class EventHandler:
    """
    An attribute ``on…``: one more listener, which is called in the turn in which it was
    first set, and can be replaced.
    """

    def __init__(self, type: str) -> None:
        self._type = type
        self.__doc__ = f"Called with each ``{type}`` event; None calls nobody."

    @overload
    def __get__(self, target: None, owner: type[EventTarget]) -> EventHandler: ...

    @overload
    def __get__(
        self, target: EventTarget, owner: type[EventTarget]
    ) -> Callback | None: ...

    def __get__(
        self, target: EventTarget | None, owner: type[EventTarget]
    ) -> EventHandler | Callback | None:
        if target is None:
            return self
        registration = target._handler(self._type)
        # An attribute is given nothing that has handleEvent instead.
        return None if registration is None else registration.listener  # type: ignore[return-value]

    def __set__(self, target: EventTarget, callback: Callback | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"on{self._type} is callable or None, unlike {callback!r}")
        registration = target._handler(self._type)
        if callback is None:
            if registration is not None:
                target._remove(self._type, registration)
        elif registration is None:
            target._add(self._type, _Registration(callback, isHandler=True))
        else:
            registration.listener = callback

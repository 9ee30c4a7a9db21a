# -*- test-case-name: tests.browser.test_dom -*-
# Part of txwebsocket. See LICENSE for details.
"""
Events and their listeners as browsers have them (DOM Standard, 2), without Twisted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Protocol, TypeAlias, TypedDict, Unpack, overload

from txwebsocket.wire.errors import InvalidState

_TIME_ORIGIN = monotonic()


class EventInit(TypedDict, total=False):
    """
    The arguments by name that every event takes.
    """

    bubbles: bool
    cancelable: bool
    composed: bool


class Event:
    """
    Something that happened.

    :param type: what it is called, such as ``"open"``.
    :param bubbles: whether it goes on to its target's parents; no target here has any.
    :param cancelable: whether :meth:`preventDefault` has an effect. That of our own
        events has none.
    :param composed: whether it leaves a shadow tree, of which there are none here.
    :ivar type: what it is called.
    :ivar target: the object it happened to; None before it is dispatched.
    :ivar currentTarget: the same while listeners are called, and None at other times.
    :ivar eventPhase: :attr:`AT_TARGET` while listeners are called, and :attr:`NONE` at
        other times.
    :ivar bubbles: as given.
    :ivar cancelable: as given.
    :ivar composed: as given.
    :ivar defaultPrevented: whether :meth:`preventDefault` had an effect.
    :ivar isTrusted: whether it comes from the connection, and not from a call to
        ``dispatchEvent``.
    :ivar timeStamp: when it was made: milliseconds since this module was imported, by a
        clock that never goes back.
    """

    #: It is not being dispatched.
    NONE = 0
    #: It would be on its way down to the target; no event here is.
    CAPTURING_PHASE = 1
    #: The listeners of its target are called.
    AT_TARGET = 2
    #: It would be on its way up from the target; no event here is.
    BUBBLING_PHASE = 3

    __slots__ = (
        "_inPassiveListener",
        "_isFired",
        "_isStopped",
        "_isStoppedAtOnce",
        "bubbles",
        "cancelable",
        "composed",
        "currentTarget",
        "defaultPrevented",
        "eventPhase",
        "isTrusted",
        "target",
        "timeStamp",
        "type",
    )

    def __init__(
        self,
        type: str,
        *,
        bubbles: bool = False,
        cancelable: bool = False,
        composed: bool = False,
    ) -> None:
        self.type = type
        self.target: Any = None
        self.currentTarget: Any = None
        self.eventPhase = self.NONE
        self.bubbles = bubbles
        self.cancelable = cancelable
        self.composed = composed
        self.defaultPrevented = False
        self.isTrusted = False
        self.timeStamp = (monotonic() - _TIME_ORIGIN) * 1000
        self._isFired = self._inPassiveListener = False
        self._isStopped = self._isStoppedAtOnce = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.type!r}>"

    def composedPath(self) -> list[Any]:
        """
        The objects whose listeners are called: the target alone, and none while the
        event is not being dispatched.
        """
        return [] if self.currentTarget is None else [self.currentTarget]

    def preventDefault(self) -> None:
        """
        Make ``dispatchEvent`` return False, where that may be: not for an event that is
        not cancelable, and not from a passive listener.
        """
        if self.cancelable and not self._inPassiveListener:
            self.defaultPrevented = True

    def stopPropagation(self) -> None:
        """
        Go on to no other object, and from the listeners that capture to no others.
        """
        self._isStopped = True

    def stopImmediatePropagation(self) -> None:
        """
        Let no further listener know.
        """
        self._isStopped = self._isStoppedAtOnce = True


class MessageEvent(Event):
    """
    A message has arrived.

    :ivar data: the message: ``str`` of a text message, ``bytes`` of a binary one.
    :ivar origin: the scheme, host and port it came from, such as
        ``ws://example.com``.
    """

    __slots__ = ("data", "origin")

    def __init__(
        self,
        type: str,
        *,
        data: Any = None,
        origin: str = "",
        **init: Unpack[EventInit],
    ) -> None:
        super().__init__(type, **init)
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
        **init: Unpack[EventInit],
    ) -> None:
        super().__init__(type, **init)
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
        **init: Unpack[EventInit],
    ) -> None:
        super().__init__(type, **init)
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
ListenerOptions: TypeAlias = bool | Mapping[str, bool] | None
"""
What browsers take behind a listener: whether it captures, or a mapping of options.
"""

_OPTIONS = ("capture", "once", "passive")


class _Registration:
    """
    One place in the list of listeners.

    :ivar capture: whether it is called before those that do not capture.
    :ivar once: whether it is removed when it is called.
    :ivar passive: whether it can't prevent the event's default.
    :ivar isHandler: whether it is that of an ``on…`` attribute.
    :ivar isRemoved: whether it has gone, perhaps while the list is being called.
    """

    __slots__ = ("capture", "isHandler", "isRemoved", "listener", "once", "passive")

    def __init__(
        self,
        listener: Listener,
        *,
        capture: bool = False,
        once: bool = False,
        passive: bool = False,
        isHandler: bool = False,
    ) -> None:
        self.listener = listener
        self.capture = capture
        self.once = once
        self.passive = passive
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
        self,
        type: str,
        listener: Listener | None,
        options: ListenerOptions = None,
        *,
        once: bool = False,
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
        :param options: whether to capture, which is to be called before the listeners
            that do not; or a mapping of ``capture``, ``once`` and ``passive``. A
            passive listener can't prevent the event's default.
        :param once: remove it when it is called.
        :raises TypeError: if it is something else, or there is no such option.
        """
        if listener is None:
            return
        if not callable(listener) and not hasattr(listener, "handleEvent"):
            raise TypeError(
                f"a listener is callable or has handleEvent, unlike {listener!r}"
            )
        chosen = _chosen(options)
        added = _Registration(
            listener,
            capture=chosen.get("capture", False),
            once=chosen.get("once", once),
            passive=chosen.get("passive", False),
        )
        if self._find(type, listener, added.capture) is None:
            self._add(type, added)

    def removeEventListener(
        self, type: str, listener: Listener | None, options: ListenerOptions = None
    ) -> None:
        """
        Take :meth:`addEventListener` back, if it was called.

        :param options: as they were given; of them ``capture`` counts.
        """
        if listener is None:
            return
        found = self._find(type, listener, _chosen(options).get("capture", False))
        if found is not None:
            self._remove(type, found)

    def dispatchEvent(self, event: Event) -> bool:
        """
        Call the listeners of an event, first those that capture, and each kind in the
        order in which they were added. The event is not trusted then.

        :return: whether none of them has prevented its default.
        :raises InvalidState: if the event is being dispatched already.
        :raises TypeError: if it is not an :class:`Event`.
        """
        if not isinstance(event, Event):
            raise TypeError(f"event must be an Event, not {type(event).__name__}")
        if event.currentTarget is not None:
            raise InvalidState(f"{event!r} is being dispatched already")
        event.isTrusted, event._isFired = event._isFired, False
        event.target = event.currentTarget = self
        event.eventPhase = event.AT_TARGET
        for capture in (True, False):
            if not event._isStopped:
                self._invoke(event, capture)
        event.currentTarget = None
        event.eventPhase = event.NONE
        event._isStopped = event._isStoppedAtOnce = False
        return not event.defaultPrevented

    def _fire(self, event: Event) -> None:
        """
        Dispatch an event that really happens. A subclass may have a
        ``dispatchEvent`` of its own.
        """
        event._isFired = True
        self.dispatchEvent(event)

    def _invoke(self, event: Event, capture: bool) -> None:
        """
        Call the listeners that capture, or the others.
        """
        for registration in tuple(self._registrations.get(event.type, ())):
            if event._isStoppedAtOnce:
                return
            if registration.capture is not capture or registration.isRemoved:
                continue
            if registration.once:
                self._remove(event.type, registration)
            event._inPassiveListener = registration.passive
            self._tell(registration, event)
            event._inPassiveListener = False

    @abstractmethod
    def _tell(self, listener: Callback, event: Event) -> None:
        """
        Call a listener. What goes wrong is reported and not raised.
        """

    def _find(
        self, type: str, listener: Listener, capture: bool
    ) -> _Registration | None:
        for registration in self._registrations.get(type, ()):
            if registration.isHandler or registration.capture is not capture:
                continue
            # Methods of an object are equal, and not the same, each time.
            if registration.listener == listener:
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


def _chosen(options: ListenerOptions) -> Mapping[str, bool]:
    """
    The third argument of a browser's ``addEventListener`` as a mapping.

    :raises TypeError: naming what is accepted.
    """
    if options is None:
        return {}
    if isinstance(options, bool):
        return {"capture": options}
    accepted = "capture, once and passive"
    if not isinstance(options, Mapping):
        raise TypeError(
            f"options must be a bool or a mapping of {accepted}, not {options!r}"
        )
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(f"options must be {accepted}, not {name!r}")
    return {name: bool(value) for name, value in options.items()}


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

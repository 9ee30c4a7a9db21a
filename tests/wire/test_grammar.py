# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.grammar`.
"""

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.grammar import (
    ExtensionHeader,
    formatExtensions,
    isHeaderValue,
    isKey,
    isToken,
    parseExtensions,
    parseProtocols,
    parseTokens,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOKEN_CHARACTERS = LETTERS + LETTERS.upper() + "0123456789!#$%&'*+-.^_`|~"


class IsTokenTests(SynchronousTestCase):
    """
    Tests of :func:`isToken`.
    """

    def test_characters(self) -> None:
        """
        A token has letters, digits and the marks of RFC 9110, 5.6.2; nothing else.
        """
        found = [chr(n) for n in range(0x300) if isToken(chr(n))]
        self.assertEqual(sorted(found), sorted(TOKEN_CHARACTERS))

    def test_whole(self) -> None:
        """
        Each character counts, up to the last.
        """
        self.assertTrue(isToken(TOKEN_CHARACTERS))
        for text in ("", "two words", "a\n", "\na", "a,b", 'a"', "grün", "\ud800"):
            self.assertFalse(isToken(text), repr(text))


class IsHeaderValueTests(SynchronousTestCase):
    """
    Tests of :func:`isHeaderValue`.
    """

    def test_octets(self) -> None:
        """
        A header's value has no control character but the tab.
        """
        refused = [n for n in range(256) if not isHeaderValue(bytes([n]))]
        self.assertEqual(refused, [*range(9), *range(10, 32), 127])

    def test_whole(self) -> None:
        """
        A value may be empty, and is looked at up to its last byte.
        """
        self.assertTrue(isHeaderValue(b""))
        self.assertTrue(isHeaderValue("für alle\t(ja)".encode()))
        self.assertFalse(isHeaderValue(b"fine\r\nX-Forged: yes"))
        self.assertFalse(isHeaderValue(b"fine\n"))


class ParseTokensTests(SynchronousTestCase):
    """
    Tests of :func:`parseTokens`.
    """

    def test_order(self) -> None:
        """
        Tokens come in their order and their own case, also from several lines.
        """
        self.assertEqual(
            parseTokens([b"Chat.V2, chat.v1", b"mqtt"]), ["Chat.V2", "chat.v1", "mqtt"]
        )

    def test_space(self) -> None:
        """
        Spaces and tabs around a token don't belong to it.
        """
        self.assertEqual(parseTokens([b" \ta\t ,\tb "]), ["a", "b"])

    def test_emptyElements(self) -> None:
        """
        Empty elements count for nothing (RFC 9110, 5.6.1.2).
        """
        self.assertEqual(parseTokens([b",a,, ,b,", b"", b" ,"]), ["a", "b"])

    def test_many(self) -> None:
        """
        A list has at most 100 elements; empty ones count for nothing.
        """
        self.assertEqual(len(parseTokens([b"a, ," * 100])), 100)
        for read, value in (
            (parseTokens, b"a," * 101),
            (parseProtocols, b"a/1," * 101),
            (parseExtensions, b"a," * 101),
            (parseExtensions, b"a" + b";b" * 101),
        ):
            with self.assertRaises(ValueError) as raised:
                read([value])
            self.assertIn("more than 100", str(raised.exception))
        self.assertEqual(len(parseExtensions([b"a" + b";b" * 100])[0].parameters), 100)

    def test_nothing(self) -> None:
        """
        A header that isn't there has no tokens.
        """
        self.assertEqual(parseTokens([]), [])

    def test_faults(self) -> None:
        """
        What is no list of tokens is refused, with a sentence that shows where.
        """
        for value, told in {
            b"a b": "a comma was expected at byte 2, before b'b'",
            b"a, (b)": "a token was expected at byte 3, before b'(b)'",
            b'"a"': "a token was expected at byte 0",
            b"a;b": "a comma was expected at byte 1",
            b"caf\xc3\xa9": "a comma was expected at byte 3",
            b"a\x0bb": "a comma was expected at byte 1",
        }.items():
            error = self.assertRaises(ValueError, parseTokens, [value])
            self.assertIn(told, str(error))

    def test_shortMessage(self) -> None:
        """
        However long a faulty header is, the complaint stays short.
        """
        error = self.assertRaises(ValueError, parseTokens, [b"(" * 8000])
        self.assertLess(len(str(error)), 100)


class ParseProtocolsTests(SynchronousTestCase):
    """
    Tests of :func:`parseProtocols`.
    """

    def test_versions(self) -> None:
        """
        A protocol may have a version behind a slash (RFC 9110, 7.8).
        """
        self.assertEqual(
            parseProtocols([b"HTTP/2.0, websocket", b"IRC/6.9"]),
            ["HTTP/2.0", "websocket", "IRC/6.9"],
        )

    def test_faults(self) -> None:
        """
        Slash and version have to be there whole, and without space between.
        """
        for value in (b"a/", b"/1", b"a /1", b"a/ 1", b"a/1/2", b"a b", b"a;b"):
            self.assertRaises(ValueError, parseProtocols, [value])


class ParseExtensionsTests(SynchronousTestCase):
    """
    Tests of :func:`parseExtensions` and :func:`formatExtensions`.
    """

    def test_parameters(self) -> None:
        """
        An extension has a name and, in their order, parameters with a value or none.
        """
        header = (
            b"permessage-deflate; client_max_window_bits; server_max_window_bits=10"
        )
        parameters = (
            ("client_max_window_bits", None),
            ("server_max_window_bits", "10"),
        )
        self.assertEqual(
            parseExtensions([header]),
            [ExtensionHeader("permessage-deflate", parameters)],
        )

    def test_several(self) -> None:
        """
        Extensions come in the order of preference, over commas and lines; a parameter
        given twice is there twice.
        """
        self.assertEqual(
            parseExtensions([b"a; x=1, b", b"a;x;x=2"]),
            [
                ExtensionHeader("a", (("x", "1"),)),
                ExtensionHeader("b"),
                ExtensionHeader("a", (("x", None), ("x", "2"))),
            ],
        )

    def test_space(self) -> None:
        """
        Space may stand around every mark.
        """
        self.assertEqual(
            parseExtensions([b' a ;\tx = 1 ; y\t=\t"2" , b ']),
            [ExtensionHeader("a", (("x", "1"), ("y", "2"))), ExtensionHeader("b")],
        )

    def test_quoted(self) -> None:
        """
        A value in quotes means what it means without, backslashes undone.
        """
        for value in (b'"10"', b'"1\\0"', b'"\\1\\0"'):
            self.assertEqual(
                parseExtensions([b"a; x=" + value]),
                [ExtensionHeader("a", (("x", "10"),))],
            )

    def test_quotedMarks(self) -> None:
        """
        Quotes don't widen what a value may be (RFC 6455, 9.1): commas, spaces, quotes
        and nothing at all are refused within them, by the name of the parameter.
        """
        for value in (b'""', b'"a,b"', b'"a b"', b'"a;b"', b'"\\""', b'"\\\\"'):
            error = self.assertRaises(
                ValueError, parseExtensions, [b"a; bits=" + value]
            )
            self.assertIn("bits", str(error))

    def test_faults(self) -> None:
        """
        What isn't a list of extensions is refused as a whole.
        """
        for value in (
            b"a b",
            b"a; ",
            b"a;; b",
            b";a",
            b"=a",
            b"a=b",
            b"a; x=",
            b"a; =1",
            b"a; x=1=2",
            b'a; x="1',
            b'a; x="1" "2"',
            b'a; x="1"2',
            b'a; x="1\x0b"',
            b'a; x="1\\',
            b'"a"',
            b"a; x=\xe9",
            b"a; x=(1)",
        ):
            self.assertRaises(ValueError, parseExtensions, [value])

    def test_hostile(self) -> None:
        """
        Headers made to be slow to read are refused like any other.
        """
        for value in (
            b'a; x="' + b"\\" * 8000,
            b'a; x="' + b"a" * 8000,
            b"a; x=" + b'"' * 8000,
            b"a" + b";" * 8000,
            b"a" + b" " * 8000 + b"b",
        ):
            self.assertRaises(ValueError, parseExtensions, [value])

    def test_format(self) -> None:
        """
        What is written can be read back.
        """
        extensions = [
            ExtensionHeader("permessage-deflate", (("client_max_window_bits", None),)),
            ExtensionHeader("x-other", (("level", "9"), ("fast", None))),
        ]
        header = formatExtensions(extensions)
        self.assertEqual(
            header,
            "permessage-deflate; client_max_window_bits, x-other; level=9; fast",
        )
        self.assertEqual(parseExtensions([header.encode("ascii")]), extensions)


class IsKeyTests(SynchronousTestCase):
    """
    Tests of :func:`isKey`.
    """

    def test_sixteenBytes(self) -> None:
        """
        Sixteen bytes in base64 are a key, whatever they are.
        """
        self.assertTrue(isKey(b"dGhlIHNhbXBsZSBub25jZQ=="))
        self.assertTrue(isKey(b64encode(b"\xff" * 16)))

    def test_otherLengths(self) -> None:
        """
        More or fewer bytes are none.
        """
        for size in (0, 1, 15, 17, 18, 32):
            self.assertFalse(isKey(b64encode(b"k" * size)), f"{size} bytes")

    def test_otherText(self) -> None:
        """
        What isn't base64, or has something around it, is none.
        """
        key = b"dGhlIHNhbXBsZSBub25jZQ=="
        for value in (
            key[:-1],
            key[:-2],
            key + b"\n",
            b" " + key,
            key[:-3] + b"\n==",
            key[:-3] + b" ==",
            key[:-3] + b"_==",
            key[:-3] + b"\xff==",
            key[:10] + b"=" + key[11:],
            b"=" * 24,
        ):
            self.assertFalse(isKey(value), repr(value))

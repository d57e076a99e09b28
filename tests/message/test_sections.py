"""BODY[...] and BINARY[...] (RFC 3501 section 6.4.5, RFC 3516)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mailhub.message import known
from mailhub.message.binary import BinaryState, parse_binary
from mailhub.message.message import Message, canonical
from mailhub.message.sections import Section, SectionText, Span, read_section

MESSAGE = Message(
    canonical(
        b"Subject: outer\nX: 1\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: 2\n\none\n--b\n"
        b"Content-Type: message/rfc822\n\nSubject: inner\n\ntwo\n--b\nContent-Transfer-Encoding: base64\n\nAGE=\n--b\n"
        b"Content-Transfer-Encoding: x-odd\n\nthree\n--b--\n"
    )
)


class SectionTests(SynchronousTestCase):
    def read(self, path: tuple[int, ...], text: SectionText = SectionText.ALL, *fields: str) -> bytes:
        return read_section(MESSAGE, Section(path, text, fields))

    def test_parts(self) -> None:
        """RFC 3501 section 6.4.5: numbers count parts; of a message/rfc822 part they count in the message inside."""
        self.assertEqual(self.read(()), MESSAGE.data)
        self.assertEqual(self.read((1,)), b"one")
        self.assertEqual(self.read((1,), SectionText.MIME), b"X: 2\r\n\r\n")
        self.assertEqual(self.read((2,)), b"Subject: inner\r\n\r\ntwo")
        self.assertEqual(self.read((2,), SectionText.HEADER), b"Subject: inner\r\n\r\n")
        self.assertEqual(self.read((2,), SectionText.TEXT), b"two")
        self.assertEqual(self.read((2, 1)), b"two")

    def test_what_is_not_there(self) -> None:
        """RFC 3501 section 6.4.5 leaves it open; the answer is an empty string, as Dovecot's."""
        self.assertEqual(self.read((9,)), b"")
        self.assertEqual(self.read((1, 2)), b"")
        self.assertEqual(self.read((1,), SectionText.HEADER), b"")

    def test_fields(self) -> None:
        """RFC 3501 section 6.4.5: fields in message order, any case, and the empty line."""
        self.assertEqual(self.read((), SectionText.FIELDS, "x", "SUBJECT"), b"Subject: outer\r\nX: 1\r\n\r\n")
        self.assertEqual(self.read((), SectionText.FIELDS, "none"), b"\r\n")
        self.assertEqual(
            self.read((), SectionText.FIELDS_NOT, "content-type", "mime-version", "x"), b"Subject: outer\r\n\r\n"
        )
        fact = known.headers(("x", "subject"))
        self.assertEqual(fact.make(MESSAGE), b"Subject: outer\r\nX: 1\r\n\r\n")
        self.assertEqual(fact.key, known.headers(("Subject", "X")).key)
        self.assertNotEqual(fact.key, known.headers(("x", "subject"), True).key)

    def test_spans(self) -> None:
        """A section that lies in the message is found without copying it."""
        span = known.parse_span(known.locate(Section((2, 1))).make(MESSAGE))
        self.assertEqual(MESSAGE.data[span.offset : span.offset + span.length], b"two")
        self.assertEqual(known.parse_span(known.locate(Section((9,))).make(MESSAGE)), Span(0, 0))

    def test_nul(self) -> None:
        """RFC 3501 section 4.3: a literal holds no NUL; it is shown as 0x80, and kept by BINARY (RFC 3516)."""
        message = Message(b"Subject: a\x00\r\n\r\nb\x00")
        self.assertEqual(read_section(message, Section()), b"Subject: a\x80\r\n\r\nb\x80")
        self.assertEqual(parse_binary(known.binary(()).make(message)).data, message.data)

    def test_binary(self) -> None:
        """RFC 3516 section 4.2 and 4.3: transfer encodings are undone; an unknown one is told for its part only."""
        decoded = parse_binary(known.binary((3,)).make(MESSAGE))
        self.assertEqual((decoded.state, decoded.data), (BinaryState.DECODED, b"\x00a"))
        self.assertEqual(parse_binary(known.binary_size((3,)).make(MESSAGE)).data, b"2")
        self.assertEqual(parse_binary(known.binary((1,)).make(MESSAGE)).state, BinaryState.PLAIN)
        self.assertEqual(parse_binary(known.binary((4,)).make(MESSAGE)).state, BinaryState.UNKNOWN_ENCODING)
        self.assertEqual(parse_binary(known.binary((9,)).make(MESSAGE)).data, b"")
        broken = Message(b"Content-Transfer-Encoding: base64\r\n\r\n!!!")
        self.assertEqual(parse_binary(known.binary((1,)).make(broken)).state, BinaryState.BROKEN)

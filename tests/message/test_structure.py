"""The MIME tree: where parts begin and end (RFC 2046 section 5.1)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mailhub.message.message import Message, canonical
from mailhub.message.structure import MAX_DEPTH, MAX_PARTS, MULTIPART, RFC822, TEXT, Part


def bodies(part: Part, data: bytes) -> list[bytes]:
    """Return the bodies of the part's children."""
    return [data[child.body : child.end] for child in part.children]


class StructureTests(SynchronousTestCase):
    def parts(self, body: bytes, boundary: bytes = b"b") -> list[bytes]:
        data = canonical(b"Content-Type: multipart/mixed; boundary=" + boundary + b"\n\n" + body)
        root = Message(data).root
        self.assertEqual(root.kind, MULTIPART)
        self.assertEqual(root.end, len(data))
        return bodies(root, data)

    def test_line_end_belongs_to_boundary(self) -> None:
        """RFC 2046 section 5.1.1: the CRLF before a boundary line is no part of the body."""
        self.assertEqual(self.parts(b"pre\n--b\n\none\n\n--b\n\ntwo\n--b--\nepi\n"), [b"one\r\n", b"two"])

    def test_no_final_boundary(self) -> None:
        """RFC 2046 section 5.1.1 wants one; without it the last part goes on to the end."""
        self.assertEqual(self.parts(b"--b\n\none\n--b\n\ntwo\n"), [b"one", b"two\r\n"])

    def test_empty_parts(self) -> None:
        """RFC 2046 section 5.1.1: a part may have neither header nor body."""
        self.assertEqual(self.parts(b"--b\n\n--b\n--b--\n"), [b"", b""])

    def test_repeated_after_final(self) -> None:
        """RFC 2046 section 5.1.1: what follows the final boundary is epilogue."""
        self.assertEqual(self.parts(b"--b\n\none\n--b--\n--b\n\nnot a part\n"), [b"one"])

    def test_prefix_of_another(self) -> None:
        """RFC 2046 section 5.1.2: the longest boundary that fits is meant."""
        data = canonical(
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n"
            b"--bb\n\ninner\n--bb--\n--b\n\nouter\n--b--\n"
        )
        root = Message(data).root
        self.assertEqual(bodies(root.children[0], data), [b"inner"])
        self.assertEqual(bodies(root, data)[1], b"outer")

    def test_outer_boundary_closes_inner(self) -> None:
        """RFC 2046 section 5.1.2: an outer boundary ends inner multiparts that have no end of their own."""
        data = canonical(
            b"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n"
            b"--i\n\ninner\n--o\n\nouter\n--o--\n"
        )
        root = Message(data).root
        self.assertEqual(bodies(root.children[0], data), [b"inner"])
        self.assertEqual(len(root.children), 2)

    def test_digest(self) -> None:
        """RFC 2046 section 5.1.5: in a digest message/rfc822 is the default."""
        data = canonical(b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\ny\n--b--\n")
        part = Message(data).root.children[0]
        self.assertEqual(part.kind, RFC822)
        self.assertEqual(part.children[0].fields, [(b"subject", b"Subject: x")])

    def test_ten_thousand_parts(self) -> None:
        """At most MAX_PARTS parts are told apart; the rest stays in the last one."""
        data = canonical(
            b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * (MAX_PARTS + 500) + b"--b--\n"
        )
        root = Message(data).root
        self.assertEqual(len(root.children), MAX_PARTS - 1)
        self.assertEqual(root.children[-1].end, len(data))

    def test_deep_nesting(self) -> None:
        """Nesting stops at MAX_DEPTH; what lies deeper is one opaque part."""
        part = Message(canonical(b"Content-Type: message/rfc822\n\n" * 500 + b"Subject: x\n\ny\n")).root
        depth = 1
        while part.children:
            part = part.children[0]
            depth += 1
        self.assertEqual(depth, MAX_DEPTH)
        self.assertIsNotNone(part.type)

    def test_no_mime(self) -> None:
        """RFC 2045 section 5.2: without MIME fields a message is text/plain."""
        root = Message(b"--b\r\n\r\n--b--\r\n").root
        self.assertEqual((root.kind, root.children), (TEXT, []))

    def test_canonical(self) -> None:
        """RFC 5322 section 2.3: lines end in CRLF; a lone CR is left alone."""
        self.assertEqual(canonical(b"a\nb\r\nc\rd\n"), b"a\r\nb\r\nc\rd\r\n")

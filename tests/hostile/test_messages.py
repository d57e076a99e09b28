"""Mail as nobody should send it, asked for in every way."""

from __future__ import annotations

import time

from tests.hostile.attack import MIB, Attacked

MESSAGES = {
    "empty line": b"\r\n",
    "one octet": b"x",
    "no headers": b"\r\nonly text\r\n",
    "headers only": b"Subject: only headers\r\nFrom: a@b\r\n",
    "no blank line": b"Subject: x\r\nthis is no header\r\nand this neither",
    "colons": b":\r\n::\r\n: x\r\n \r\n\t\r\n\r\n",
    "NULs": b"Subject: a\0b\r\nFrom: \0 <\0@\0>\r\n\r\n\0\0\0\r\n",
    "8-bit": bytes(range(256)) * 20,
    "bare CR": b"Subject: a\rb\r\n\r\nx\ry\r",
    "bare LF": b"Subject: a\nFrom: b\n\nx\ny\n",
    "a megabyte on one line": b"Subject: long\r\n\r\n" + b"x" * MIB,
    "a megabyte of subject": b"Subject: " + b"x" * MIB + b"\r\n\r\ntext\r\n",
    "a megabyte of folded subject": b"Subject: x\r\n" + b" y\r\n" * (MIB // 4) + b"\r\ntext\r\n",
    "ten thousand header lines": b"".join(b"X-%d: y\r\n" % number for number in range(10_000)) + b"\r\n",
    "ten thousand Received": b"Received: from a by b; now\r\n" * 10_000 + b"\r\n",
    "ten thousand recipients": b"To: " + b",\r\n ".join(b"u%d <u%d@x>" % (n, n) for n in range(10_000)) + b"\r\n\r\n",
    "ten thousand parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    + b"--b\r\n\r\nx\r\n" * 10_000
    + b"--b--\r\n",
    "a thousand levels": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number) for number in range(1_000)
    ),
    "a thousand messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 1_000,
    "boundaries that begin alike": b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n" * 500,
    "a boundary of 100 KB": b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n\r\n"
    % (b"b" * MIB, b"b" * MIB),
    "almost boundaries": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b-\r\n--bb\r\n-b\r\n" * 50_000,
    "ten thousand parameters": b"Content-Type: text/plain;" + b" a=b;" * 10_000 + b"\r\n\r\n",
    "RFC 2231 parameters": b"Content-Type: text/plain"
    + b"".join(b";\r\n n*%d*=%%41" % n for n in range(10_000))
    + b"\r\n\r\n",
    "deep comments": b"From: " + b"(" * 50_000 + b"\r\nDate: " + b"(" * 50_000 + b"\r\n\r\n",
    "deep groups": b"To: " + b"a:" * 50_000 + b"\r\n\r\n",
    "open quotes": b'From: "' + b"\\" * 50_001 + b'\r\nTo: <<<<"' + b'"' * 50_001 + b"\r\n\r\n",
    "encoded words": b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\r\nFrom: " + b"=?x?b?////?= " * 20_000 + b"\r\n\r\n",
    "unknown charsets": b"Subject: =?nonsense?q?a?= =?../x?b?YQ==?= =?utf-8?z?a?=\r\n"
    b"Content-Type: text/plain; charset=\0\r\n\r\n",
    "bad base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"!" * 100_000,
    "bad quoted-printable": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 100_000,
    "dates": b"Date: " + b"9" * 5_000 + b"\r\nDate: Mon, 99 Foo 99999 99:99:99 +9999\r\nDate:\r\n\r\n",
    "references": b"Message-ID: <a>\r\nReferences: " + b"<a> " * 50_000 + b"\r\nIn-Reply-To: <a>\r\n\r\n",
    "only brackets": b"References: " + b"<" * 100_000 + b"\r\nMessage-ID: " + b">" * 100_000 + b"\r\n\r\n",
}

QUESTIONS = (
    b"FETCH %d (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
    b"FETCH %d BODY",
    b"FETCH %d BODYSTRUCTURE",
    b"FETCH %d (BODY.PEEK[HEADER] BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2.1.HEADER] BODY.PEEK[TEXT]<1000.10>)",
    b"FETCH %d (BODY.PEEK[HEADER.FIELDS (Subject To From X-1)] BODY.PEEK[HEADER.FIELDS.NOT (Received)]<0.100>)",
    b"FETCH %d BODY.PEEK[9999]",
    b"FETCH %d BODY.PEEK[1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1]",
    b"FETCH %d (BINARY.SIZE[1] BINARY.PEEK[1]<0.100>)",
    b"SEARCH %d SUBJECT nothing BODY nothing SENTSINCE 1-Jan-2000",
    b"SEARCH %d OR TEXT nothing HEADER X-5000 y",
)


class Odd(Attacked):
    """Any garbage is a message: it is kept as it is, found, and described in well-formed answers."""

    memory_limit = 256 * MIB

    def test_every_message(self) -> None:
        """Each message is appended, and each question about it answered in bounded time; its octets come back as
        they were, with CRLF line ends, by IMAP and by POP3."""
        wire = self.imap("odd")
        slow = []
        for number, (name, message) in enumerate(MESSAGES.items(), 1):
            self.append(wire, message)
            if number == 1:
                wire.ask(b"SELECT INBOX")
            for question in QUESTIONS:
                began = time.monotonic()
                said = wire.ask(question % number)
                took = time.monotonic() - began
                self.assertRegex(said[-300:], rb"(?:\A|\n)q (?:OK|NO \[)", (name, question))
                if took > 2.0:
                    slow.append((name, question, took))
        self.assertEqual(slow, [])
        for question in (
            b"SORT (SUBJECT FROM DATE) UTF-8 ALL",
            b"THREAD REFERENCES UTF-8 ALL",
            b"SORT (CC TO SIZE) UTF-8 ALL",
        ):
            self.assertRegex(wire.ask(question)[-100:], rb"(?:\A|\n)q OK", question)

    def test_octets(self) -> None:
        """The octets of each come back as they were, with CRLF line ends, by IMAP; and by POP3 with one at the end."""
        wire = self.imap("octets")
        kept = [message for message in MESSAGES.values() if b"\0" not in message]
        for message in kept:
            self.append(wire, message)
        wire.ask(b"SELECT INBOX")
        pop3 = self.pop3("octets")
        for number, message in enumerate(kept, 1):
            whole = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            said = wire.ask(b"FETCH %d BODY.PEEK[]" % number)
            self.assertTrue(
                said.startswith(b"* %d FETCH (BODY[] {%d}\r\n" % (number, len(whole)) + whole + b")\r\n"), number
            )
            pop3.send(b"RETR %d\r\n" % number)
            body = pop3.until(rb"\r\n\.\r\n").split(b"\r\n", 1)[1].removesuffix(b".\r\n")
            body = (
                body.removeprefix(b".").replace(b"\r\n..", b"\r\n.")
                if body.startswith(b"..")
                else body.replace(b"\r\n..", b"\r\n.")
            )
            self.assertIn(body, (whole, whole + b"\r\n"), number)

    def test_search_of_much_text_for_many_words(self) -> None:
        """Hundreds of words looked for in megabytes take a while, but nobody else waits for it."""
        wire = self.imap("words")
        for _ in range(10):
            self.append(wire, b"Subject: words\r\n\r\n" + (b"abcdefgh" * 8 + b"\r\n") * (MIB // 66))
        wire.ask(b"SELECT INBOX")
        said = wire.ask(b"SEARCH " + b" ".join(b"NOT BODY hgfedcba%d" % number for number in range(490)))
        self.assertTrue(said.startswith(b"* SEARCH 1 2 3 4 5 6 7 8 9 10\r\nq OK"), said[:200])
        self.assertLess(self.bystander.worst, 1.0)

    def test_delivered(self) -> None:
        """LMTP takes each of them."""
        for message in MESSAGES.values():
            self.deliver("delivered", message)
        self.assertIn(b"* %d EXISTS" % len(MESSAGES), self.imap("delivered").ask(b"SELECT INBOX"))


class OddOnDisk(Odd):
    """The same with the Maildir store."""

    options = ("--fsync", "never")


class OnlyHeader(Attacked):
    """A message that is all header, of a size that the limit of messages allows."""

    memory_limit = 320 * MIB
    options = ("--fsync", "never")

    def test_small_things_in_great_number(self) -> None:
        """12 MB of fields, of addresses, of parameters, and of parts' headers are answered without taking gigabytes."""
        wire = self.imap("header")
        octets = 12 * MIB
        for number, message in enumerate(
            (
                b"X: y\r\n" * (octets // 6),
                b"To: " + b"a@b," * (octets // 4),
                b"Content-Type: text/plain;" + b" a=b;" * (octets // 5),
                b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                + (b"--b\r\n" + b"X: y\r\n" * 1_000 + b"\r\n") * (octets // 6_007),
            ),
            1,
        ):
            self.append(wire, message)
            if number == 1:
                wire.ask(b"SELECT INBOX")
            for question in (b"(ENVELOPE)", b"(BODYSTRUCTURE)", b"(BODY.PEEK[HEADER.FIELDS (Subject)])"):
                self.assertIn(b"q OK", wire.ask(b"FETCH %d " % number + question)[-300:])

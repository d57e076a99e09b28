"""Bad LMTP input: commands, addresses, sizes, ends of content that are none, and mail that no reader expects."""

from __future__ import annotations

from tests.hostile.attack import MIB, PORTS, SECRET, Attacked, repeated

ENVELOPE = (b"MAIL FROM:<>", b"RCPT TO:<bob>")


class BadLmtp(Attacked):
    """What is wrong is answered with 5xx and the reason (RFC 5321 section 4.2); the session goes on, up to a limit."""

    log_limit = 30
    config = "store.message_limit = 8388608\n" + PORTS

    def test_long_lines(self) -> None:
        """A line over the limit, and 200 MB without a line end, are answered with one 500 each."""
        wire = self.lmtp()
        for piece in ([b"NOOP " + b"x" * 200_000], repeated(b"x", 200 * MIB), repeated(b"\0\xff\r", 50 * MIB)):
            said = wire.pour([*piece, b"\r\nNOOP\r\n"], rb"250 [^\n]*\n")
            self.assertRegex(said, rb"\A500 5\.5\.2 Line too long\r\n250 [^\n]*\n\Z")

    def test_ten_thousand_bad_commands(self) -> None:
        """The 20th bad command in a row ends the session with 421; it is logged once."""
        wire = self.lmtp()
        said = wire.pour([b"NONSENSE %d\r\n" % number for number in range(10_000)])
        self.assertEqual(said.count(b"\r\n500 ") + said.startswith(b"500 "), 19)
        self.assertRegex(said, rb"\r\n421 4\.7\.0 [^\n]*Too many[^\n]*\r\n\Z")
        self.assertEqual(self.log().count("too many bad commands"), 1)

    def test_octets_of_all_kinds(self) -> None:
        """Control characters, 8-bit octets and empty lines as commands."""
        wire = self.lmtp()
        for octets in (
            b"",
            b" ",
            b"\0",
            b"NOOP\0",
            b"\xff\xfe",
            b"MAIL\tFROM:<>",
            b"LHLO \xff",
            b"LHLO a b",
            b"EHLO x",
        ):
            wire.send(octets + b"\r\n")
            self.assertRegex(wire.line(), rb"\A50[0-3] 5\.\d\.\d .{5,}", octets)
            wire.send(b"NOOP\r\n")
            self.assertEqual(wire.line()[:3], b"250")

    def test_recipients(self) -> None:
        """Addresses that are none, or that could leave their folder, are refused for good; none is logged whole."""
        wire = self.lmtp(b"MAIL FROM:<> SMTPUTF8")
        for path in (
            b"<../x>",
            b"<a/b>",
            b'<"a/b"@x>',
            b'<"../../etc/passwd">',
            b'<"a\\\0b">',
            b'<"">',
            b"<>",
            b"<..>",
            b"<~root>",
            b"<@x>",
            b"<a@" + b"x" * 3_000 + b">",
            b"<" + b"u" * 3_000 + b">",
            b"<a b>",
            b"a@b",
            b"<a@b",
            b"<a@b>>",
            b"<a@b> NOTIFY=NEVER",
            b"<\xff\xfe@x>",
            b"<a@b@c>",
            b"<@a,@b:>",
            b"< a@b>",
            b"<" + b"(" * 1_000 + b">",
            b'<"' + b"\\a" * 1_900 + b'">',
        ):
            wire.send(b"RCPT TO:" + path + b"\r\n")
            self.assertRegex(wire.line(), rb"\A5\d\d 5\.\d\.\d .{5,}", path[:40])
            wire.send(b"NOOP\r\n")
            self.assertEqual(wire.line()[:3], b"250")
        wire.send(b"DATA\r\n")
        self.assertRegex(wire.line(), rb"\A503 5\.5\.\d .{5,}")
        for sender in (
            b"<\0>",
            b"<a@b>" * 700,
            b"<" + b"@a," * 1_000 + b"@b:c@d",
            b"<a@b> SIZE=-1",
            b"<> SIZE=9" + b"9" * 30,
        ):
            wire.send(b"RSET\r\nMAIL FROM:" + sender + b"\r\n")
            self.assertEqual(wire.line()[:3], b"250")
            self.assertRegex(wire.line(), rb"\A5\d\d 5\.\d\.\d .{5,}", sender[:40])

    def test_ten_thousand_recipients(self) -> None:
        """After 1,000 recipients each further one is answered with 452 (RFC 5321 section 4.5.3.1.10), and the mail is
        delivered to those before."""
        wire = self.lmtp(b"MAIL FROM:<>")
        said = wire.pour(
            [b"".join(b"RCPT TO:<many+%d>\r\n" % number for number in range(10_000)), b"DATA\r\n"],
            rb"(?m)^(?:354|503) ",
        )
        self.assertEqual(said.count(b"250 2.1.5"), 1_000)
        self.assertEqual(said.count(b"452 4.5.3 "), 9_000)
        said = wire.pour([b"Subject: many\r\n\r\n.\r\nQUIT\r\n"])
        self.assertEqual(said.count(b"250 2.0.0 "), 1_000)

    def test_data_without_end(self) -> None:
        """Content over the limit is read to its end in bounded memory and answered with 552 5.3.4, also for many
        recipients; the log says so once."""
        wire = self.lmtp(b"MAIL FROM:<>", *(b"RCPT TO:<user%d>" % number for number in range(100)), b"DATA")
        at = len(self.log())
        said = wire.pour([*repeated(b"x" * 70 + b"\r\n", 300 * MIB), b"\r\n.\r\n"], rb"(?:552 [^\n]*\n){100}")
        self.assertEqual(said.count(b"552 5.3.4 "), 100)
        self.assertLess(self.log()[at:].count("\n"), 4)
        wire.send(b"NOOP\r\n")
        self.assertEqual(wire.line()[:3], b"250")

    def test_size_that_is_declared(self) -> None:
        """SIZE over the limit is refused at MAIL (RFC 1870 section 6.1)."""
        wire = self.lmtp()
        wire.send(b"MAIL FROM:<> SIZE=%d\r\n" % (2**40))
        self.assertEqual(wire.line()[:9], b"552 5.3.4")

    def test_chunks(self) -> None:
        """BDAT with sizes that are none is 501; with a size and no transaction, or wrong words behind it, the octets
        are read and 501 or 503; over the limit they are read and 552 (RFC 3030 section 2)."""
        wire = self.lmtp(*ENVELOPE)
        for size in (b"", b"-1", b"x", b"1.5", b"9" * 30, b"1 LAST LAST x", b"LAST", b"+1", b"0x10"):
            wire.send(b"BDAT " + size + b"\r\n")
            self.assertRegex(wire.line(), rb"\A50[13] 5\.5\.\d .{5,}", size)
        wire.send(b"RSET\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        self.assertEqual(wire.line()[:3], b"250")
        self.assertRegex(wire.line(), rb"\A503 5\.5\.\d ")
        self.assertEqual(wire.line()[:3], b"250")
        wire = self.lmtp(*ENVELOPE)
        octets = 300 * MIB
        said = wire.pour([b"BDAT %d LAST\r\n" % octets, *repeated(b"QUIT\r\n" * 4096, octets * 2)], rb"552 [^\n]*\n")
        self.assertRegex(said, rb"\A552 5\.3\.4 ")
        wire.close()
        wire = self.lmtp(*ENVELOPE)
        wire.send(b"BDAT 999999999999999999\r\n" + b"x" * 100_000)
        wire.reset()
        wire = self.lmtp(*ENVELOPE)
        said = wire.pour([b"BDAT 1\r\nx" * 10_000, b"BDAT 0 LAST\r\nQUIT\r\n"])
        self.assertEqual(said.count(b"250 2.0.0 Added"), 10_000)
        self.assertIn(b"Saved", said)

    def test_smuggling(self) -> None:
        """Content ends at CRLF "." CRLF and at nothing else (RFC 5321 section 4.1.1.4): other forms are content, and
        the commands behind them too."""
        forms = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r.\r\n", b"\r\n\0.\r\n")
        for number, form in enumerate(forms):
            user = b"smuggled%d" % number
            evil = b"MAIL FROM:<>\r\nRCPT TO:<%b>\r\nDATA\r\nSubject: evil\r\n\r\n" % user
            wire = self.lmtp(b"MAIL FROM:<>", b"RCPT TO:<%b>" % user, b"DATA")
            said = wire.pour([b"Subject: outer\r\n\r\ntext" + form + evil + b"\r\n.\r\nQUIT\r\n"])
            self.assertEqual(said.count(b"\r\n"), 2, (form, said))
            self.assertIn(b"* 1 EXISTS", self.imap(user.decode()).ask(b"SELECT INBOX"), form)

    def test_mail_that_is_cut_off(self) -> None:
        """A connection that breaks in the middle of content leaves no mail."""
        for command in (b"DATA", b"BDAT 1000000"):
            wire = self.lmtp(b"MAIL FROM:<>", b"RCPT TO:<torn>")
            wire.send(command + b"\r\nSubject: torn\r\n\r\n" + b"x" * 500_000)
            wire.reset()
        self.assertIn(b"* 0 EXISTS", self.imap("torn").ask(b"SELECT INBOX"))

    def test_nothing_secret_is_asked_for(self) -> None:
        """AUTH is not offered; what is sent with it is not logged."""
        wire = self.lmtp()
        wire.send(b"AUTH PLAIN %b\r\n" % SECRET.encode())
        self.assertRegex(wire.line(), rb"\A50\d 5\.5\.\d ")

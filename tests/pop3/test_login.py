"""The AUTHORIZATION state: RFC 1939 section 4 and 7, 2449, 2595, 3206, 5034."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

from twisted.internet.address import UNIXAddress

from mailhub.config.settings import AuthSettings, Pop3Settings
from tests.pop3.house import REMOTE, Pop3TestCase

PLAIN = b64encode(b"\0ann\0pass")
BAD_PLAIN = b64encode(b"\0ann\0wrong")


class LoginTests(Pop3TestCase):
    def test_greeting(self) -> None:
        """One line; where APOP is possible it ends in a timestamp, each time another (RFC 1939 section 7)."""
        first, second = self.connect().greeting, self.connect().greeting
        self.assertRegex(first, rb"\A\+OK mailhub ready\. <[!-;=?-~]+@[!-;=?-~]+>\r\n\Z")
        self.assertNotEqual(first, second)

    def test_user_and_pass(self) -> None:
        """USER is answered alike for every name; a wrong password with [AUTH] (RFC 3206 section 4)."""
        client = self.connect()
        self.assertEqual(client(b"USER nobody\r\n"), b"+OK\r\n")
        self.assertEqual(client(b"PASS wrong\r\n"), b"-ERR [AUTH] Authentication failed.\r\n")
        self.assertEqual(client(b"PASS pass\r\n"), b"-ERR No username given.\r\n")
        self.assertEqual(client(b"user ann\r\n"), b"+OK\r\n")
        self.assertEqual(client(b"pass pass\r\n"), b"+OK Logged in.\r\n")

    def test_guessing(self) -> None:
        """Refused logins end the connection as bad commands do, though good commands stand between them."""
        client = self.connect()
        out = client(b"USER ann\r\nPASS wrong\r\n" * 10_000)
        self.assertEqual(out.count(b"-ERR [AUTH]"), 3)
        self.assertTrue(out.endswith(b"-ERR Too many failed logins.\r\n"))
        self.assertTrue(client.closed)

    def test_time_to_log_in(self) -> None:
        """A client that keeps talking but does not log in is not served for ever."""
        client = self.connect()
        for _ in range(17):
            self.clock.advance(10)
            self.assertEqual(client(b"CAPA\r\n")[:3], b"+OK")
        self.clock.advance(11)
        client.read()
        self.assertTrue(client.closed)
        client = self.login()
        self.clock.advance(400)
        self.assertEqual(client(b"NOOP\r\n"), b"+OK\r\n")

    def test_password_with_blanks(self) -> None:
        """Blanks in the argument of PASS belong to the password (RFC 1939 section 7)."""
        client = self.connect()
        self.assertEqual(client(b"USER ann\r\nPASS  pass\r\n"), b"+OK\r\n-ERR [AUTH] Authentication failed.\r\n")

    def test_transaction_commands_come_later(self) -> None:
        """Commands of another state are refused (RFC 1939 section 3); the third in a row ends the connection."""
        client = self.connect()
        self.assertEqual(client(b"STAT\r\nRETR 1\r\n"), b"-ERR Unknown command.\r\n" * 2)
        self.assertFalse(client.closed)
        self.assertEqual(client(b"NOOP\r\n"), b"-ERR Unknown command.\r\n-ERR Too many bad commands.\r\n")
        self.assertTrue(client.closed)

    def test_quit(self) -> None:
        """QUIT before login only says goodbye (RFC 1939 section 4)."""
        client = self.connect()
        self.assertEqual(client(b"QUIT\r\n"), b"+OK Logging out\r\n")
        self.assertTrue(client.closed)

    def test_apop(self) -> None:
        """APOP takes the MD5 digest of timestamp and password (RFC 1939 section 7)."""
        client = self.connect()
        timestamp = re.findall(rb"<.*>", client.greeting)[0]
        wrong = hashlib.md5(timestamp + b"wrong").hexdigest().encode()
        right = hashlib.md5(timestamp + b"pass").hexdigest().encode()
        self.assertEqual(client(b"APOP ann " + wrong + b"\r\n"), b"-ERR [AUTH] Authentication failed.\r\n")
        self.assertEqual(client(b"APOP ann\r\n"), b"-ERR Invalid parameters.\r\n")
        self.assertEqual(client(b"APOP ann " + right + b"\r\n"), b"+OK Logged in.\r\n")

    def test_auth_lists_mechanisms(self) -> None:
        """AUTH alone lists the mechanisms, as Dovecot and others do."""
        self.assertEqual(self.connect()(b"AUTH\r\n"), b"+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n")

    def test_auth_plain(self) -> None:
        """AUTH PLAIN with and without initial response (RFC 5034 section 4)."""
        self.assertEqual(self.connect()(b"AUTH PLAIN " + PLAIN + b"\r\n"), b"+OK Logged in.\r\n")
        client = self.connect()
        self.assertEqual(client(b"auth plain\r\n"), b"+ \r\n")
        self.assertEqual(client(PLAIN + b"\r\n"), b"+OK Logged in.\r\n")
        self.assertEqual(
            self.connect()(b"AUTH PLAIN " + BAD_PLAIN + b"\r\n"), b"-ERR [AUTH] Authentication failed.\r\n"
        )

    def test_auth_login(self) -> None:
        """AUTH LOGIN asks for name and password; an initial response is the name."""
        client = self.connect()
        self.assertEqual(client(b"AUTH LOGIN\r\n"), b"+ VXNlcm5hbWU6\r\n")
        self.assertEqual(client(b64encode(b"ann") + b"\r\n"), b"+ UGFzc3dvcmQ6\r\n")
        self.assertEqual(client(b64encode(b"pass") + b"\r\n"), b"+OK Logged in.\r\n")
        client = self.connect()
        self.assertEqual(client(b"AUTH LOGIN " + b64encode(b"ann") + b"\r\n"), b"+ UGFzc3dvcmQ6\r\n")
        self.assertEqual(client(b64encode(b"pass") + b"\r\n"), b"+OK Logged in.\r\n")

    def test_auth_cancelled(self) -> None:
        """A line with only "*" cancels the exchange (RFC 5034 section 4)."""
        client = self.connect()
        client(b"AUTH PLAIN\r\n")
        self.assertEqual(client(b"*\r\n"), b"-ERR Authentication aborted by client.\r\n")
        self.assertEqual(client(b"USER ann\r\n"), b"+OK\r\n")

    def test_auth_garbage(self) -> None:
        """Bad base64 and unknown mechanisms are refused, and the session goes on."""
        client = self.connect()
        self.assertEqual(client(b"AUTH FOO\r\n"), b"-ERR [AUTH] Unsupported authentication mechanism.\r\n")
        client(b"AUTH PLAIN\r\n")
        self.assertEqual(client(b"!!!\r\n"), b"-ERR [AUTH] Invalid base64 in response\r\n")
        self.assertEqual(client(b"CAPA\r\n")[:3], b"+OK")

    def test_capa(self) -> None:
        """CAPA in both states (RFC 2449 section 5)."""
        client = self.connect()
        lines = client(b"CAPA\r\n").decode().split("\r\n")
        self.assertEqual((lines[0], lines[-2:]), ("+OK", [".", ""]))
        self.assertEqual(
            set(lines[1:-2]),
            {
                "TOP",
                "UIDL",
                "RESP-CODES",
                "AUTH-RESP-CODE",
                "PIPELINING",
                "USER",
                "SASL PLAIN LOGIN",
                "EXPIRE NEVER",
                "IMPLEMENTATION mailhub",
            },
        )
        client(b"USER ann\r\nPASS pass\r\n")
        self.assertEqual(client(b"CAPA\r\n").decode().split("\r\n"), lines)

    def test_stls_not_offered(self) -> None:
        """Without a certificate there is no STLS."""
        self.assertEqual(self.connect()(b"STLS\r\n"), b"-ERR TLS support isn't enabled.\r\n")

    def test_chunks(self) -> None:
        """A login that comes octet by octet, and one that comes all at once."""
        client = self.connect()
        script = b"USER ann\r\nPASS pass\r\nSTAT\r\nQUIT\r\n"
        wanted = b"+OK\r\n+OK Logged in.\r\n+OK 0 0\r\n+OK Logging out.\r\n"
        self.assertEqual(client(*(script[n : n + 1] for n in range(len(script)))), wanted)
        self.assertEqual(self.connect()(script), wanted)

    def test_long_line(self) -> None:
        """A line over the limit is refused, and the next line is the next command."""
        client = self.connect()
        self.assertEqual(client(*[b"x" * 10_000] * 30), b"")
        self.assertEqual(client(b"\r\nUSER ann\r\n"), b"-ERR Line too long.\r\n+OK\r\n")


class PrivacyTests(Pop3TestCase):
    auth = AuthSettings(password="pass", plaintext_without_tls="loopback")

    def test_remote(self) -> None:
        """Where the connection can be overheard, no password is taken or asked for (RFC 2595 section 2.1)."""
        client = self.connect(REMOTE)
        capa = client(b"CAPA\r\n")
        self.assertNotIn(b"USER", capa)
        self.assertNotIn(b"SASL", capa)
        refused = b"-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n"
        self.assertEqual(client(b"USER ann\r\n"), refused)
        self.assertEqual(client(b"AUTH PLAIN " + PLAIN + b"\r\n"), refused)
        self.assertEqual(client(b"AUTH\r\n"), b"+OK\r\n.\r\n")

    def test_unix_socket(self) -> None:
        """A unix socket cannot be overheard."""
        self.assertEqual(self.connect(UNIXAddress(None))(b"USER ann\r\n"), b"+OK\r\n")


class LockTests(Pop3TestCase):
    settings = Pop3Settings(lock_session=True)

    def test_in_use(self) -> None:
        """With lock_session a second session on the maildrop gets [IN-USE] (RFC 2449 section 8.1.2) and may try again
        once the first is over, however that ended."""
        first, second = self.login(), self.connect()
        in_use = b"+OK\r\n-ERR [IN-USE] Mailbox is locked by another session.\r\n"
        self.assertEqual(second(b"USER ann\r\nPASS pass\r\n"), in_use)
        first(b"QUIT\r\n")
        self.assertEqual(second(b"USER ann\r\nPASS pass\r\n"), b"+OK\r\n+OK Logged in.\r\n")
        second.lose()
        self.login()

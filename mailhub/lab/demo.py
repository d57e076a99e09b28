"""The demo account: a few dozen messages of many kinds in several folders, to point a mail client at.

The same mail comes out each time but for the dates, which lie before the moment that is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from random import Random

from attrs import frozen

from mailhub.lab.pictures import png
from mailhub.store.errors import MailboxExists
from mailhub.store.interfaces import IAccount
from mailhub.store.model import ANSWERED, DRAFT, FLAGGED, NO_FLAGS, SEEN, Addition, Flags

USER = "demo"
ME = Address("Demo Dora", "demo", "example.org")
ANN = Address("Ann Arbor", "ann", "example.org")
BOB = Address("Bob B. Builder", "bob", "example.net")
MÜLLER = Address("Jürgen Müller", "jm", "beispiel.example")
LIU = Address("刘 小红", "liu", "example.cn")
OLGA = Address("Ольга Иванова", "olga", "example.ru")
LIST = Address("", "python-dev", "lists.example")
ROBOT = Address("Mail Delivery System", "MAILER-DAEMON", "example.org")
SHOP = Address("Paper & Pens Shop", "orders", "shop.example")

SPECIAL_USE = {"Drafts": "\\Drafts", "Sent": "\\Sent", "Trash": "\\Trash", "Junk": "\\Junk", "Archive": "\\Archive"}
LEVELS: Sequence[tuple[str, ...]] = (
    ("Drafts",),
    ("Sent",),
    ("Trash",),
    ("Junk",),
    ("Archive",),
    ("Archive", "2024"),
    ("Archive", "2025"),
    ("Lists",),
    ("Lists", "python-dev"),
    ("Rechnungen & Belege",),
    ("Réunions",),
)
"""The mailboxes beside INBOX, by their levels."""


@frozen
class DemoMessage:
    """A message and where it goes."""

    mailbox: tuple[str, ...]
    data: bytes
    flags: Flags
    date: int
    """Seconds since the epoch."""


class _Desk:
    """Writes messages, one after the other in time."""

    def __init__(self, now: datetime) -> None:
        self._when = now - timedelta(days=400)
        self._now = now
        self._random = Random("mailhub")  # noqa: S311
        self._number = 0
        self.written: list[DemoMessage] = []

    def blank(self, sender: Address, to: Address | Sequence[Address], subject: str, reply_to: str = "") -> EmailMessage:
        """Begin a message with its usual header; `reply_to` is the Message-ID that it answers."""
        self._number += 1
        self._when = min(self._when + timedelta(hours=self._random.uniform(60, 230)), self._now - timedelta(minutes=5))
        message = EmailMessage(policy=SMTP)
        message["From"] = sender
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = format_datetime(self._when)
        message["Message-ID"] = f"<demo.{self._number}@{sender.domain}>"
        if reply_to:
            message["In-Reply-To"] = reply_to
            message["References"] = reply_to
        return message

    def file(self, message: EmailMessage, *mailbox: str, flags: Flags = NO_FLAGS, raw: bytes | None = None) -> str:
        """Put a message into a mailbox; return its Message-ID."""
        multiparts = (part for part in message.walk() if part.get_content_maintype() == "multipart")
        for level, part in enumerate(multiparts):
            part.set_boundary(f"=_demo_{self._number}_{level}")
        data = raw if raw is not None else message.as_bytes()
        self.written.append(DemoMessage(mailbox or ("INBOX",), data, flags, int(self._when.timestamp())))
        return str(message["Message-ID"])

    def note(self, sender: Address, subject: str, text: str, *mailbox: str, flags: Flags = NO_FLAGS) -> str:
        """Write and file a plain message to the demo user."""
        message = self.blank(sender, ME, subject)
        message.set_content(text)
        return self.file(message, *mailbox, flags=flags)


def messages(now: datetime | None = None) -> list[DemoMessage]:
    """Return the demo mail, oldest first in each mailbox, all dated before `now` (default: the present)."""
    desk = _Desk(now or datetime.now(UTC))
    for write in (_archive, _lists, _sent, _unicode, _html, _attachments, _nested, _odd, _junk, _recent):
        write(desk)
    return desk.written


def _flags(*flags: str) -> Flags:
    return frozenset(flags)


def _archive(desk: _Desk) -> None:
    for year in ("2024", "2025"):
        for month in ("January", "March", "June", "September"):
            desk.note(
                ANN,
                f"Minutes of {month} {year}",
                f"Dear all,\n\nthe minutes of {month}.\n\nBest\nAnn\n",
                "Archive",
                year,
                flags=_flags(SEEN, "$Label1") if month == "June" else _flags(SEEN),
            )


def _lists(desk: _Desk) -> None:
    first = ""
    for number, sender in enumerate((BOB, ANN, BOB, OLGA, LIU, ANN)):
        subject = "[python-dev] Faster start-up of the interpreter"
        message = desk.blank(sender, LIST, f"Re: {subject}" if first else subject, first)
        message["List-Id"] = "<python-dev.lists.example>"
        message["List-Unsubscribe"] = "<mailto:python-dev-leave@lists.example>"
        message["Precedence"] = "list"
        quoted = "> The import of re takes half of it.\n\n" if number else ""
        message.set_content(f"{quoted}Measurement {number + 1}: {23 - number} ms.\n")
        name = desk.file(message, "Lists", "python-dev", flags=_flags(SEEN) if number < 4 else NO_FLAGS)
        first = first or name


def _sent(desk: _Desk) -> None:
    for to, subject in ((ANN, "Lunch on Friday?"), (BOB, "The ladder"), (MÜLLER, "Grüße aus Köln")):
        message = desk.blank(ME, to, subject)
        message.set_content(f"Dear {to.display_name},\n\n{subject}\n\nDora\n")
        desk.file(message, "Sent", flags=_flags(SEEN))
    question = desk.blank(ANN, ME, "A question about the house")
    question.set_content("How many rooms does it have?\n\nAnn\n")
    asked = desk.file(question, flags=_flags(SEEN, ANSWERED))
    answer = desk.blank(ME, ANN, "Re: A question about the house", asked)
    answer.set_content("> How many rooms does it have?\n\nFive floors, I think.\n\nDora\n")
    replied = desk.file(answer, "Sent", flags=_flags(SEEN))
    thanks = desk.blank(ANN, ME, "Re: A question about the house", replied)
    thanks.set_content("Thank you!\n")
    desk.file(thanks, flags=_flags(SEEN))
    for subject, text in (("Holiday plans", "Dear Ann,\n\nwhat about the mountains, or\n"), ("(no subject)", "")):
        draft = desk.blank(ME, ANN, subject)
        draft.set_content(text)
        desk.file(draft, "Drafts", flags=_flags(DRAFT, SEEN))


def _unicode(desk: _Desk) -> None:
    subject = "Einladung zum Frühstück – bitte bis Öffnungszeit antworten"
    desk.note(MÜLLER, subject, "Schöne Grüße\nJürgen\n", flags=_flags(FLAGGED))
    desk.note(LIU, "会议纪要:第三季度计划", "大家好,\n\n附上会议纪要。\n\n小红\n")
    desk.note(OLGA, "Приглашение на конференцию", "Здравствуйте!\n\nС уважением,\nОльга\n", flags=_flags(SEEN))
    desk.note(BOB, "Party 🎉 on Saturday", "Bring 🍰 please.\n", flags=_flags("$Important"))
    desk.note(Address("مريم", "maryam", "example.com"), "مرحبا", "السلام عليكم\n")
    elodie = Address("Élodie Brûlé", "elodie", "example.fr")
    message = desk.blank(elodie, (ME, ANN), "Compte rendu de la réunion à Besançon")
    message["Cc"] = (MÜLLER, LIU)
    message.set_content("Bonjour à tous,\n\nvoilà.\n", charset="iso-8859-1", cte="quoted-printable")
    desk.file(message, "Réunions", flags=_flags(SEEN))


def _html(desk: _Desk) -> None:
    message = desk.blank(SHOP, ME, "Your order 4711 is on its way")
    message.set_content("Your order 4711: 3 pens, 2 notebooks.\n")
    message.add_alternative("<html><body><h1>Order 4711</h1><ul><li>3 pens<li>2 notebooks</ul></body></html>", "html")
    desk.file(message, "Rechnungen & Belege", flags=_flags(SEEN, "Invoice"))
    only = desk.blank(SHOP, ME, "New papers in spring")
    only.set_content("<html><body><p>All papers <b>10 %</b> off until <i>April</i>.</p></body></html>", "html")
    desk.file(only)
    picture = desk.blank(ANN, ME, "Our new logo")
    picture.set_content("The logo is in the HTML part.\n")
    picture.add_alternative('<html><body>Here: <img src="cid:logo@example.org" alt="logo"></body></html>', "html")
    html = list(picture.iter_parts())[1]
    assert isinstance(html, EmailMessage)
    html.add_related(png(64, 64), "image", "png", cid="<logo@example.org>", filename="logo.png")
    desk.file(picture, flags=_flags(FLAGGED, SEEN))


def _attachments(desk: _Desk) -> None:
    bill = desk.blank(SHOP, ME, "Invoice 2025-0815")
    bill.set_content("Please find the invoice attached.\n")
    bill.add_attachment(b"item;price\npen;3,00\nnotebook;7,50\n", "text", "csv", filename="invoice.csv")
    desk.file(bill, "Rechnungen & Belege", flags=_flags("Invoice"))
    several = desk.blank(MÜLLER, ME, "Bilder vom Ausflug")
    several.set_content("Drei Bilder.\n")
    for number in range(3):
        name = f"Brücke über die Spree {number + 1} – außergewöhnlich schön.png"
        several.add_attachment(png(200 + 40 * number, 120), "image", "png", filename=name)
    desk.file(several)
    large = desk.blank(BOB, ME, "The plans, about a megabyte")
    large.set_content("See the attachment.\n")
    large.add_attachment(Random(1).randbytes(750_000), "application", "octet-stream", filename="plans.bin")  # noqa: S311
    desk.file(large)
    meeting = desk.blank(ANN, ME, "Invitation: planning, Monday 10:00")
    meeting.set_content("Planning on Monday.\n")
    event = ("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:1@example.org", "SUMMARY:Planning")
    calendar = "\r\n".join([*event, "END:VEVENT", "END:VCALENDAR", ""])
    meeting.add_alternative(calendar, "calendar")
    desk.file(meeting, "Réunions")


def _nested(desk: _Desk) -> None:
    inner = desk.blank(BOB, ANN, "The original message")
    inner.set_content("Can you ask Dora about the ladder?\n")
    inner.add_attachment("length: 4 m\n", filename="ladder.txt")
    outer = desk.blank(ANN, ME, "Fwd: The original message")
    outer.set_content("See below.\n")
    outer.add_attachment(inner)
    forwarded = desk.file(outer, flags=_flags(SEEN, "$Forwarded"))
    twice = desk.blank(BOB, ME, "Fwd: Fwd: The original message", forwarded)
    twice.set_content("And again.\n")
    twice.add_attachment(outer)
    desk.file(twice)
    failed = desk.blank(ROBOT, ME, "Undelivered Mail Returned to Sender")
    failed.set_content("I could not deliver your message to nobody@example.net.\n")
    failed.add_attachment(inner)
    desk.file(failed)


def _odd(desk: _Desk) -> None:
    """What real mailboxes hold too."""
    plain = desk.blank(BOB, ME, "x")
    date = str(plain["Date"]).encode()
    desk.file(plain, raw=b"From: bob@example.net\r\nDate: " + date + b"\r\n\r\nNo subject, no recipient.\r\n")
    header = b"Subject: Raw \xc3\xa4 in a header\r\nFrom: b\xc3\xb6b@example.net\r\n\r\n"
    desk.file(plain, raw=header + b"and \xe4 in the body\r\n")
    group = (
        b"From: undisclosed:;",
        b'To: friends: "Ann" <ann@example.org>, bob@example.net;',
        b"Subject: A group, and no final boundary",
        b'Content-Type: multipart/mixed; boundary="b"',
        b"",
        b"--b",
        b"",
        b"plain",
        b"--b",
        b"Content-Type: text/html",
        b"",
        b"<p>here",
    )
    desk.file(plain, raw=b"\r\n".join(group), flags=_flags(SEEN))
    desk.file(plain, raw=b"Subject: No body at all\r\nFrom: ann@example.org\r\n\r\n", flags=_flags(SEEN))
    guests = [Address(f"Guest {number}", f"guest{number}", "example.org") for number in range(60)]
    long = desk.blank(ANN, guests, "Sixty guests")
    long.set_content("All invited.\n" + "A line of some length that goes on and on. " * 60 + "\n")
    desk.file(long, flags=_flags(SEEN))


def _junk(desk: _Desk) -> None:
    for subject in ("YOU WON", "Cheap watches", "Dear beneficiary"):
        desk.note(Address("", "win", "spam.example"), subject, "Click here.\n", "Junk", flags=_flags("$Junk"))
    desk.note(BOB, "Old news", "Nothing to see.\n", "Trash", flags=_flags(SEEN))


def _recent(desk: _Desk) -> None:
    for number, sender in enumerate((ANN, BOB, OLGA, ANN)):
        desk.note(sender, f"Status report {number + 1}", "All is well.\n" * (number + 1))
    desk.note(
        Address("mailhub", "postmaster", "example.org"),
        "Welcome to mailhub",
        "This is the demo account. Its mail was made for you to try a client on: write to it, move it, delete it.\n\n"
        "Remove the data folder and start again to have it back as it was.\n",
        flags=_flags(FLAGGED),
    )


async def fill(account: IAccount, wanted: Sequence[DemoMessage]) -> bool:
    """Put messages into an account that has no mail in INBOX yet; return whether it was done."""
    if (await account.status("INBOX")).messages:
        return False
    delimiter = account.namespaces[0].delimiter
    for levels in LEVELS:
        use = SPECIAL_USE.get(levels[0]) if len(levels) == 1 else None
        try:
            await account.create(delimiter.join(levels), frozenset([use]) if use else frozenset())
        except MailboxExists:
            pass
        await account.subscribe(delimiter.join(levels))
    for levels, batch in _by_mailbox(wanted):
        await _append(account, delimiter.join(levels), batch)
    return True


def _by_mailbox(wanted: Sequence[DemoMessage]) -> Iterator[tuple[tuple[str, ...], list[DemoMessage]]]:
    for levels in dict.fromkeys(message.mailbox for message in wanted):
        yield levels, [message for message in wanted if message.mailbox == levels]


async def _append(account: IAccount, name: str, batch: Sequence[DemoMessage]) -> None:
    additions: list[Addition] = []
    try:
        for message in batch:
            draft = await account.draft(name)
            additions.append(Addition(draft, message.flags, message.date))
            if (waiting := draft.write(message.data)) is not None:
                await waiting
        await account.append(name, additions)
    finally:
        for addition in additions:
            addition.draft.discard()

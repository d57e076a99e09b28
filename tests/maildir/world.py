"""What the tests of faults share: a small world of mail, work in it, and what must hold if that is cut short."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from mailhub.maildir.draft import IN_MEMORY
from mailhub.maildir.mailbox import MaildirMailbox
from mailhub.store.interfaces import IAccount, IDraft
from mailhub.store.model import Addition, FlagEdit, FlagOp, Uid

USERS = ("ann", "bob")

PASSING = re.compile(
    r"(tmp/[^/]+|dovecot-uidlist\.tmp|(dovecot-keywords|subscriptions)\.tmp|.*\.lock(\.[0-9]+\.[0-9]+)?|mailboxes\.lock[0-9a-f]{16}"
    r"|mailhub-special-use\.tmp|\.+DOVECOT-TRASHED.*)"
)
"""Files that a crash may leave: the next writer overwrites them, or they are removed when they are old."""

LASTING = re.compile(
    r"((cur|new)/[^/]+|dovecot-uidlist|dovecot-keywords|dovecot-uidvalidity(\.[0-9a-f]{8})?|maildirfolder|subscriptions"
    r"|[^/]*sqlite[^/]*|[^/]*\.db[^/]*|[^/]*mailhub[^/]*)"
)


@frozen
class Seen:
    """A mailbox as a client sees it: subject and flags by UID."""

    validity: int
    uidnext: int
    messages: dict[int, tuple[str, frozenset[str]]]
    modseq: int = field(eq=False)

    @property
    def subjects(self) -> Counter[str]:
        return Counter(subject for subject, _ in self.messages.values())


Picture = dict[str, Seen]
"""All mailboxes, by "user/name"."""


def build(base: Path) -> None:
    """Make the world: for ann INBOX of four messages, one of them new, Archive and Archive.Sub; for bob INBOX."""
    mail = base / "mail"
    boxes = {
        "ann/Maildir": ["cur/1.M1P1.a:2,", "cur/2.M1P1.a:2,S", "cur/3.M1P1.a:2,Fa", "new/4.M1P1.a"],
        "ann/Maildir/.Archive": ["cur/5.M1P1.a:2,S"],
        "ann/Maildir/.Archive.Sub": ["cur/6.M1P1.a:2,"],
        "bob/Maildir": [],
    }
    for at, (box, files) in enumerate(boxes.items()):
        for part in ("cur", "new", "tmp"):
            (mail / box / part).mkdir(parents=True)
        bases = [name.partition("/")[2].partition(":")[0] for name in files]
        for name, one in zip(files, bases, strict=True):
            (mail / box / name).write_bytes(b"Subject: old-%b\n\nx\n" % one[:1].encode())
        lines = [f"3 V{100 + at} N1 G{at:032x}", *(f"{uid} :{one}" for uid, one in enumerate(bases, 1))]
        (mail / box / "dovecot-uidlist").write_text("\n".join(lines) + "\n")
        (mail / box / "dovecot-keywords").write_text("0 old\n")
        if "/." in box:
            (mail / box / "maildirfolder").touch()
    (mail / "ann" / "Maildir" / "dovecot-uidvalidity.000000ff").touch()


@define
class World:
    """The accounts of one store on the world, and the ways to use them."""

    accounts: dict[str, IAccount]
    get: Callable[[Deferred[Any]], Any]

    def box(self, user: str = "ann", name: str = "INBOX") -> MaildirMailbox:
        found: MaildirMailbox = self.get(self.accounts[user].open(name))
        return found

    def picture(self) -> Picture:
        """Look at everything."""
        seen: Picture = {}
        for user, account in self.accounts.items():
            for info in self.get(account.mailboxes()):
                if info.selectable:
                    box = self.box(user, info.name)
                    snapshot = self.get(box.refresh())
                    seen[f"{user}/{info.name}"] = Seen(
                        snapshot.uidvalidity,
                        snapshot.uidnext,
                        {uid: (_subject(box, uid), frozenset(snapshot.flags(uid) or ())) for uid in snapshot.uids},
                        snapshot.highest_modseq,
                    )
        return seen

    def draft(self, subject: str, large: bool = False) -> IDraft:
        draft: IDraft = self.get(self.accounts["ann"].draft())
        data = b"Subject: %b\r\n\r\n" % subject.encode() + (
            b"0123456789\r\n" * (IN_MEMORY // 10) if large else b"x\r\n"
        )
        written = draft.write(data)
        if written is not None:
            self.get(written)
        return draft


def _subject(box: MaildirMailbox, uid: int) -> str:
    """Read the file; only a whole one has its subject here."""
    data = Path(os.fsdecode(box._state.path(uid) or b"")).read_bytes()
    assert data.endswith(b"\n"), f"half a message: {data!r}"
    return data.partition(b"\n")[0].decode().removeprefix("Subject: ")


Step = Callable[[World], Deferred[Any]]


def _append(*messages: tuple[str, frozenset[str]], large: bool = False) -> Step:
    def step(world: World) -> Deferred[Any]:
        drafts = [world.draft(subject, large) for subject, _ in messages]
        additions = [Addition(draft, flags) for draft, (_, flags) in zip(drafts, messages, strict=True)]

        def discard(result: Any) -> Any:
            for draft in drafts:
                draft.discard()
            return result

        return world.accounts["ann"].append("INBOX", additions).addBoth(discard)

    return step


def _deliver(subject: str, large: bool) -> Sequence[Step]:
    """One draft to two users, an append each, as LMTP does."""
    drafts: list[IDraft] = []

    def first(world: World) -> Deferred[Any]:
        drafts[:] = [world.draft(subject, large)]
        return world.accounts["ann"].append("INBOX", [Addition(drafts[0])])

    def second(world: World) -> Deferred[Any]:
        def discard(result: Any) -> Any:
            drafts[0].discard()
            return result

        return world.accounts["bob"].append("INBOX", [Addition(drafts[0])]).addBoth(discard)

    return (first, second)


def _change(uids: Sequence[int], op: FlagOp, *flags: str) -> Step:
    return lambda world: world.box().change([FlagEdit([Uid(uid) for uid in uids], op, frozenset(flags))])


def _expunge(*uids: int) -> Step:
    return lambda world: world.box().expunge([Uid(uid) for uid in uids])


def _transfer(how: str, uids: Sequence[int], source: str, target: str) -> Step:
    def step(world: World) -> Deferred[Any]:
        box = world.box("ann", source)
        work: Deferred[Any] = (box.copy if how == "copy" else box.move)([Uid(uid) for uid in uids], target)
        return work

    return step


def _claim(world: World) -> Deferred[Any]:
    box = world.box()
    return box.claim_recent(box.snapshot.uidnext)


def _arrive(world: World) -> Deferred[Any]:
    """Another program drops a message, which is then looked at."""
    box = world.box()
    path = Path(os.fsdecode(box._state.directory)) / "new" / "1700000000.M9P9.b"
    path.write_bytes(b"Subject: n1\n\nx\n")
    return box.refresh()


def _tree(how: str, *names: str) -> Step:
    def step(world: World) -> Deferred[Any]:
        work: Deferred[Any] = getattr(world.accounts["ann"], how)(*names)
        return work

    return step


NONE: frozenset[str] = frozenset()

WORK: dict[str, Sequence[Step]] = {
    "append": [
        _append(("a1", NONE)),
        _append(("a2", frozenset({"\\Seen", "fresh"}))),
        _append(("a3", NONE), ("a4", frozenset({"old"})), ("a5", NONE)),
    ],
    "append_large": [_append(("a1", NONE), large=True), _append(("a2", frozenset({"\\Draft"})), large=True)],
    "deliver": _deliver("d1", False),
    "deliver_large": _deliver("d1", True),
    "change": [
        _change([1, 2, 3], FlagOp.ADD, "\\Seen"),
        _change([2, 4], FlagOp.ADD, "fresh", "\\Flagged"),
        _change([1, 3], FlagOp.REPLACE, "fresher"),
    ],
    "expunge": [_expunge(2), _expunge(1, 4), _append(("a1", NONE))],
    "copy": [_transfer("copy", [1, 3], "INBOX", "Archive"), _transfer("copy", [1, 4], "INBOX", "Archive")],
    "copy_within": [_transfer("copy", [2, 3], "INBOX", "INBOX")],
    "move": [_transfer("move", [2, 3], "INBOX", "Archive"), _transfer("move", [2], "Archive", "INBOX")],
    "claim": [_claim],
    "arrive": [_arrive, _claim],
    "create": [_tree("create", "Fresh"), _tree("subscribe", "Fresh"), _tree("unsubscribe", "Fresh")],
    "rename": [_tree("rename", "Archive", "Old")],
    "rename_inbox": [_tree("rename", "INBOX", "Saved")],
    "delete": [_tree("delete", "Archive"), _tree("create", "Archive")],
}


def differences(before: Picture, done: Picture, after: Picture, moving: bool) -> list[str]:
    """Return what is wrong with `after`, found when work was cut short that leads from `before`, all of it
    acknowledged, to `done`. `moving`: the work moves messages or mailboxes from one name to another."""
    wrong = [f"{name} is gone" for name in before.keys() & done.keys() - after.keys()]
    wrong += [f"{name} came from nowhere" for name in after.keys() - before.keys() - done.keys()]
    for name, now in after.items():
        was, will = before.get(name), done.get(name)
        if was is None:
            continue
        if now.validity != was.validity and (will is None or will.validity == was.validity):
            wrong.append(f"{name} has UIDVALIDITY {now.validity}, not {was.validity}")
        if now.validity == was.validity:
            wrong += [f"{name} {each}" for each in _changed(was, will or was, now)]
    if moving:
        # What is moved is somewhere at every moment.
        subjects = {subject for seen in after.values() for subject in seen.subjects}
        wrong += [f"{subject} is lost" for seen in before.values() for subject in seen.subjects.keys() - subjects]
    return wrong


def _changed(was: Seen, will: Seen, now: Seen) -> list[str]:
    wrong = []
    if now.uidnext < was.uidnext:
        wrong.append(f"UIDNEXT went back from {was.uidnext} to {now.uidnext}")
    if now.modseq < was.modseq:
        wrong.append(f"modseq went back from {was.modseq} to {now.modseq}")
    for uid, (subject, flags) in was.messages.items():
        if uid not in now.messages:
            if uid in will.messages:
                wrong.append(f"lost {uid}")
        elif now.messages[uid] not in ((subject, flags), will.messages.get(uid)):
            wrong.append(f"has {uid} {now.messages[uid]}, not {(subject, flags)}")
    fresh = now.messages.keys() - was.messages.keys()
    wrong += [f"used UID {uid} again" for uid in fresh if uid < was.uidnext]
    most = was.subjects | will.subjects
    return wrong + [f"has {subject} {n} times" for subject, n in now.subjects.items() if n > most[subject]]


def strays(base: Path, passing: bool) -> list[str]:
    """Return files of ann and bob that nobody would ever remove; with `passing` False also those somebody would."""
    found = []
    for path in sorted(base.glob("mail/*/Maildir/**/*")):
        if path.is_file():
            name = str(path.relative_to(base)).partition("/Maildir/")[2]
            name = re.sub(r"^\.[^/]+/", "", name) if not name.startswith(".DOVECOT") else name
            if not LASTING.fullmatch(name) and not (passing and PASSING.fullmatch(name)):
                found.append(name)
    return found


def end_to_end(world: World) -> Picture:
    """Add a message to each mailbox; return what there is then."""
    before = world.picture()
    for name in before:
        user, _, box = name.partition("/")
        draft = world.get(world.accounts[user].draft(box))
        draft.write(b"Subject: after\r\n\r\nx\r\n")
        uids = world.get(world.accounts[user].append(box, [Addition(draft)])).uids
        draft.discard()
        assert uids[0] >= before[name].uidnext, f"{name} gave UID {uids[0]} again"
    return world.picture()


def stepwise(world: World, steps: Sequence[Step], told: Callable[[Picture], None]) -> None:
    """Do all steps; tell what there is before the first and after each."""
    told(world.picture())
    for step in steps:
        world.get(step(world))
        told(world.picture())

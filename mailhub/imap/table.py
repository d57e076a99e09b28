"""One row a command: where it may be used, what it may say, which extension it belongs to.

The session reads nothing else about a command. `UID X` is the same row as X.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mailhub.imap.commands import any as any_
from mailhub.imap.commands import (
    append,
    copy,
    expunge,
    fetch,
    idle,
    login,
    mailboxes,
    search,
    select,
    sort,
    store,
)
from mailhub.imap.commands import list as list_
from mailhub.imap.state import ANY, LOGGED_IN, State
from mailhub.wire.imap import commands as wire
from mailhub.wire.imap.commands import Command
from mailhub.wire.imap.events import AppendStarted
from mailhub.wire.imap.types import (
    FetchAttribute,
    FetchBinarySize,
    FetchSection,
    KeyAnd,
    KeyNot,
    KeyOr,
    KeyWithin,
    SearchKey,
    StatusItem,
)

if TYPE_CHECKING:
    from mailhub.imap.answers import Answer

Run = Callable[[Any, Any], Awaitable[bytes]]
RunMany = Callable[[Any, Any], Awaitable["list[Answer | None]"]]


@frozen
class Row:
    """What the session knows of a command.

    `run(session, command)` returns what follows "OK "; it raises Refusal or a StoreError."""

    run: Run
    states: int
    """Sum of the states it is for."""
    expunge: bool = True
    """Whether EXPUNGE may be sent before its tagged answer (RFC 3501 section 7.4.1); a UID command always may."""
    extension: str | None = None
    """The capability without which the command is unknown."""
    refresh: bool = False
    """Whether to look for what other processes did to the selected mailbox before it."""
    uses: Callable[[Any], Iterable[str]] | None = None
    """Returns the capabilities that the arguments of a command belong to."""
    many: RunMany | None = None
    """Runs several commands of this kind that came in one piece, with one answer each, in order."""
    joins: Callable[[Any, Any], bool] | None = None
    """Whether the second command may be run together with the first."""
    keeps_time: bool = True
    """Whether the tagged answer says how long it took."""


def _list_uses(command: wire.List) -> Iterator[str]:
    if command.extended:
        yield "LIST-EXTENDED"
    if command.status is not None:
        yield "LIST-STATUS"
        yield from _items_use(command.status)
    if "SPECIAL-USE" in command.select or "SPECIAL-USE" in command.returns:
        yield "SPECIAL-USE"


def _items_use(items: Iterable[StatusItem]) -> Iterator[str]:
    for item in items:
        if item is StatusItem.SIZE:
            yield "STATUS=SIZE"
        elif item is StatusItem.APPENDLIMIT:
            yield "APPENDLIMIT"
        elif item is StatusItem.HIGHESTMODSEQ:
            yield "CONDSTORE"
        elif item is StatusItem.DELETED:
            yield "IMAP4REV2"


def _status_uses(command: wire.Status) -> Iterator[str]:
    return _items_use(command.items)


def _select_uses(command: wire.Select | wire.Examine) -> Iterator[str]:
    if command.condstore:
        yield "CONDSTORE"


def _create_uses(command: wire.Create) -> Iterator[str]:
    if command.special_use:
        yield "CREATE-SPECIAL-USE"


def _authenticate_uses(command: wire.Authenticate) -> Iterator[str]:
    if command.initial is not None:
        yield "SASL-IR"


def _expunge_uses(command: wire.Expunge) -> Iterator[str]:
    if command.uids is not None:
        yield "UIDPLUS"


def _fetch_uses(command: wire.Fetch) -> Iterator[str]:
    for item in command.items:
        yield from _item_uses(item)


def _item_uses(item: FetchAttribute) -> Iterator[str]:
    if isinstance(item, FetchBinarySize) or (isinstance(item, FetchSection) and item.binary):
        yield "BINARY"


def _search_uses(command: wire.Search) -> Iterator[str]:
    if command.returns is not None:
        yield "ESEARCH"
    yield from _key_uses(command.key)


def _sort_uses(command: wire.Sort) -> Iterator[str]:
    return _key_uses(command.key)


def _thread_uses(command: wire.Thread) -> Iterator[str]:
    yield f"THREAD={command.algorithm}"
    yield from _key_uses(command.key)


def _key_uses(key: SearchKey) -> Iterator[str]:
    pending: list[SearchKey] = [key]
    while pending:
        key = pending.pop()
        if isinstance(key, KeyWithin):
            yield "WITHIN"
        elif isinstance(key, KeyAnd):
            pending += key.keys
        elif isinstance(key, KeyOr):
            pending += (key.left, key.right)
        elif isinstance(key, KeyNot):
            pending.append(key.key)


_NEW = State.NOT_AUTHENTICATED
_SELECTED = State.SELECTED

TABLE: dict[type, Row] = {
    wire.Capability: Row(any_.capability, ANY),
    wire.Noop: Row(any_.noop, ANY, refresh=True),
    wire.Logout: Row(any_.logout, ANY),
    wire.Id: Row(any_.id_, ANY, extension="ID"),
    wire.Starttls: Row(login.starttls, _NEW, keeps_time=False),
    wire.Authenticate: Row(login.authenticate, _NEW, uses=_authenticate_uses, keeps_time=False),
    wire.Login: Row(login.login, _NEW, keeps_time=False),
    wire.Enable: Row(any_.enable, LOGGED_IN, extension="ENABLE"),
    wire.Namespace: Row(list_.namespace, LOGGED_IN, extension="NAMESPACE"),
    wire.Select: Row(select.select, LOGGED_IN, uses=_select_uses),
    wire.Examine: Row(select.examine, LOGGED_IN, uses=_select_uses),
    wire.Create: Row(mailboxes.create, LOGGED_IN, uses=_create_uses),
    wire.Delete: Row(mailboxes.delete, LOGGED_IN),
    wire.Rename: Row(mailboxes.rename, LOGGED_IN),
    wire.Subscribe: Row(mailboxes.subscribe, LOGGED_IN),
    wire.Unsubscribe: Row(mailboxes.unsubscribe, LOGGED_IN),
    wire.List: Row(list_.list_, LOGGED_IN, uses=_list_uses),
    wire.Lsub: Row(list_.lsub, LOGGED_IN),
    wire.Status: Row(list_.status, LOGGED_IN, uses=_status_uses),
    AppendStarted: Row(append.append, LOGGED_IN),
    wire.Idle: Row(idle.idle, LOGGED_IN, extension="IDLE", refresh=True),
    wire.Check: Row(expunge.check, _SELECTED, refresh=True),
    wire.Close: Row(expunge.close, _SELECTED, refresh=True),
    wire.Unselect: Row(expunge.unselect, _SELECTED, extension="UNSELECT"),
    wire.Expunge: Row(expunge.expunge, _SELECTED, refresh=True, uses=_expunge_uses),
    wire.Search: Row(search.search, _SELECTED, expunge=False, refresh=True, uses=_search_uses),
    wire.Sort: Row(sort.sort, _SELECTED, expunge=False, extension="SORT", refresh=True, uses=_sort_uses),
    wire.Thread: Row(sort.thread, _SELECTED, expunge=False, refresh=True, uses=_thread_uses),
    wire.Fetch: Row(
        fetch.fetch,
        _SELECTED,
        expunge=False,
        refresh=True,
        uses=_fetch_uses,
        many=fetch.fetch_each,
        joins=fetch.joins,
    ),
    wire.Store: Row(store.store, _SELECTED, expunge=False, refresh=True, many=store.store_each, joins=store.joins),
    wire.Copy: Row(copy.copy, _SELECTED, refresh=True),
    wire.Move: Row(copy.move, _SELECTED, extension="MOVE", refresh=True),
}


def name_of(command: Command | AppendStarted) -> str:
    """Return the command's name as texts show it, with UID before it where the client wrote that."""
    if isinstance(command, AppendStarted):
        return "APPEND"
    if getattr(command, "uid", False) or getattr(command, "uids", None) is not None:
        return f"UID {command.NAME}"
    return command.NAME

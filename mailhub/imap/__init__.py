"""The IMAP server: one session coroutine a connection over the store contract."""

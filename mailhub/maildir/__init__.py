"""The Maildir store: byte-compatible with Dovecot's, safe beside it."""

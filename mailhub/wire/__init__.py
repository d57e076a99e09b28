"""Bytes to typed protocol messages and back; pure (no sockets, no Twisted, no files)."""

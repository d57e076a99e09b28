"""The LMTP server."""

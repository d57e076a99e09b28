"""The IMAP grammar in two stages: framing, then the ABNF; and the encoding of answers."""

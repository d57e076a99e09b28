"""From a recipient and a message to mail in an account."""

"""What strangers send: every answer is a reason, and nobody else notices."""

"""mailhub: a mail access server for test labs."""

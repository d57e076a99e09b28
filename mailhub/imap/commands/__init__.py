"""One module a command family."""

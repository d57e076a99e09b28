"""The `mailhub` command: one module a command, on the same contracts as the server."""

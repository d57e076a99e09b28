"""The suite: conversations with the server, real peers, and the contracts."""

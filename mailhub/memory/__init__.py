"""The reference store: complete, plain, in memory."""

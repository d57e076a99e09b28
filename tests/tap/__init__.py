"""Tests of mailhub.tap: the real server as a process."""

"""Tests of pop3."""

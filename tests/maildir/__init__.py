"""Tests of maildir."""

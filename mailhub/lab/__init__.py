"""Test-lab tools: the demo account and what wraps protocols and stores from outside."""

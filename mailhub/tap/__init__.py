"""The twistd plugin: options, settings to services."""

"""Settings: frozen values read from files and options."""

"""What a message says: headers, structure, envelope, sections, text. Pure; garbage never raises."""

"""Service settings: declared once, read from the environment, checked at start."""

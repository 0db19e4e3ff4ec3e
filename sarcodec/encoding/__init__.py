"""Pixels to bytes. `pipeline` is the way through; the other modules are its steps."""

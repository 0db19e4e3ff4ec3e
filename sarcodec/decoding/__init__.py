"""Bytes to pixels. `pipeline` is the way through; the other modules are its steps."""

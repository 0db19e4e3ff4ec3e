"""What the stored values of a band mean, and how that is known."""

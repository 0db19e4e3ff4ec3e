"""Twins of the C kernels: what they compute, in NumPy or plain Python, and the path without a library."""

"""Networks that are trained as they will compute: byte weights, byte activations, halves to even.

Each module here rounds its float parameters in every forward pass and passes gradients straight through, so
that what is trained is what a model file holds.
"""

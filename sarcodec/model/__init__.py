"""The networks: transforms, integer entropy networks, quantiser, tables. Torch is imported only here and in `train`."""

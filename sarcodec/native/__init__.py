"""Kernels in C, each with a twin in NumPy or plain Python that gives the same integers.

`kernels` has one function for each kernel; it calls the C of the chosen form of the processor, or the twin in
`reference` if there is no library. Python owns all memory and all threads; the C code checks every length.
"""

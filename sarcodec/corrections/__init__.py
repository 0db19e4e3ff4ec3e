"""Corrections: skippable layers, measured on what a decoder returns, that add decibels to decoded pixels.

A correction is the body of its layer (in `sarcodec.bitstream`), a module here that measures and applies it,
and an entry of :mod:`sarcodec.corrections.registry`, from which the options of commands and functions come.
"""

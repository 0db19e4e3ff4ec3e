"""Codecs to compare, each behind the same four calls (`interface.Codec`)."""

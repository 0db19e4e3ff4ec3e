"""Rasters in and out: the only subpackage that uses rasterio."""

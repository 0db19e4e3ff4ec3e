"""Pack a folder of GeoTIFFs into one array file for training."""

"""Words that metadata of SAR rasters are full of: what the deflate of the TEXT chunk starts out knowing.

Part of the format (`docs/FORMAT.md`): a decoder needs every byte of it. What is most common stands last,
where references to it are shortest.
"""

from __future__ import annotations

from typing import Final

LINES: Final = (
    "TerraSAR-X TanDEM-X COSMO-SkyMed RADARSAT NISAR BIOMASS SAOCOM ICEYE Capella Umbra ALOS-2 PALSAR-2 ",
    "Copernicus ESA NASA/JPL ASF JAXA SNAP GDAL SAFE SLC GRDM EW SM RTC-S1 mosaic Level-1 Level-2 ",
    '"TIFFTAG_IMAGEDESCRIPTION":"","TIFFTAG_DATETIME":"20","TIFFTAG_SOFTWARE":"',
    '"ACQUISITION_START_TIME":"","ACQUISITION_STOP_TIME":"","PROCESSING_DATETIME":"20',
    '"PLATFORM":"","PRODUCT_TYPE":"","ORBIT_NUMBER":"","RELATIVE_ORBIT":"","TRACK":"","BEAM_MODE":"',
    '"ORBIT_DIRECTION":"ASCENDING","DESCENDING","Ascending","Descending","LOOK_DIRECTION":"right"',
    "incidence angle, layover, shadow, calibrated, speckle filtered, single look complex, multilooked, ",
    "linear power, intensity, amplitude, backscatter, beta0, gamma0, sigma0, dB, 10 m, 20 m, 30 m, ",
    "radiometric, terrain corrected, Sentinel-1A Sentinel-1B Sentinel-1 IW GRDH GRD, ",
    '"POLARISATION":"","POLARIZATION":"","UNITS":"","CALIBRATION":"","SCALE":"","SENSOR":"","SOURCE":"',
    '"c":["gray","gray"],"u":["dB","dB"],"n":-9999.0,"n":"nan","n":0,"d":["HH","HV"]"d":["VH"]',
    '"d":["VV"]"d":["VV","VH"]"t":{"":{"AREA_OR_POINT":"Area"}}}{"',
)
VOCABULARY: Final = "".join(LINES).encode("ascii")

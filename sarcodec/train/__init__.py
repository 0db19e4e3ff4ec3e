"""Training of the networks: data, loss, loop, calibration and export."""

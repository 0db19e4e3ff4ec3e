"""Rate and distortion against other codecs: whole files, dB of power, valid pixels."""

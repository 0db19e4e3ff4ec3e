"""What training takes from CompressAI: its entropy models, and its quantiser of probabilities.

No other module imports the package. It is not installed by default, since it keeps NumPy below 2.
"""

from __future__ import annotations

from sarcodec.train import needed

try:
    from compressai._CXX import pmf_to_quantized_cdf
    from compressai.entropy_models import EntropyBottleneck, GaussianConditional
except ImportError as error:
    raise needed.missing(str(error)) from error

__all__ = ["EntropyBottleneck", "GaussianConditional", "pmf_to_quantized_cdf"]

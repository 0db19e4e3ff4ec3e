/* A stream to what its symbols stand for. Its twin is in reference/trellis.py. */
#include "kernels.h"
#include "rans_step.h"

enum { COMMON = 31 }; /* magnitudes whose points are looked up: what is read next waits for less */

/* Read `n` symbols; a table is that of the latent's scale and the state's quantiser. Once the source's status is not
 * fine, values are 0.
 *   scale   n, below SCALES
 *   shrink  2 x SHRUNK
 *   values  n, in sixteenths of a step */
EXPORT int32_t NAME(trellis_read)(rans_source *source, const rans_tables *tables, const uint8_t *scale, int64_t n,
                                  const int32_t *shrink, int32_t *values) {
    const shrinkage shrunk = shrinkage_of(shrink);
    int32_t points[2][2 * COMMON + 1], symbol;
    rans_source here = *source;
    uint32_t state = 0;
    int64_t at;
    if (!sound(tables) || tables->rows < 2 * SCALES || !small(shrink)) return NO_TABLE;
    for (symbol = -COMMON; symbol <= COMMON; symbol++) {
        points[0][COMMON + symbol] = point(symbol, 0, &shrunk);
        points[1][COMMON + symbol] = point(symbol, 1, &shrunk);
    }
    for (at = 0; at < n && here.status == STREAM_FINE; at++) {
        if (scale[at] >= SCALES) return NO_TABLE;
        symbol = next_symbol(&here, tables, (int32_t)(scale[at] + SCALES * (state & 1)));
        if (symbol >= -COMMON && symbol <= COMMON)
            values[at] = points[state & 1][COMMON + symbol];
        else
            values[at] = point(symbol, state & 1, &shrunk);
        state = onward(state, symbol);
    }
    for (; at < n; at++) values[at] = 0;
    *source = here;
    return FINE;
}

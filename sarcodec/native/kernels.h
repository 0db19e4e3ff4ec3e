/* All kernels, as sarcodec/native/library.py calls them; what they take is said where they are. */
#ifndef SARCODEC_KERNELS_H
#define SARCODEC_KERNELS_H

#include "rans.h"
#include "trellis.h"

EXPORT int32_t NAME(rans_write)(rans_sink *sink, const rans_tables *tables, const int32_t *symbols,
                                const uint16_t *rows, int64_t n);
EXPORT int32_t NAME(rans_read)(rans_source *source, const rans_tables *tables, const uint16_t *rows, int64_t n,
                               int32_t *symbols);
EXPORT int32_t NAME(trellis_read)(rans_source *source, const rans_tables *tables, const uint8_t *scale, int64_t n,
                                  const int32_t *shrink, int32_t *values);
EXPORT int32_t NAME(trellis_search)(const float *residual, const uint8_t *scale, int64_t n, const int32_t *shrink,
                                    const float *prices, int32_t places, int32_t *symbols, uint16_t *rows,
                                    int32_t *values, search_step *steps, int64_t room, int64_t piece, int64_t ahead);
EXPORT int64_t NAME(gather)(const float *values, const uint8_t *scale, const uint8_t *coded, int64_t channels,
                            int64_t positions, float *values_out, uint8_t *scale_out, int64_t room);
EXPORT int32_t NAME(scatter)(const int32_t *values, int64_t n, const uint8_t *coded, int64_t channels,
                             int64_t positions, int32_t *out);
EXPORT int32_t NAME(logarithms_f32)(const float *values, int64_t n, double factor, float *out);
EXPORT int32_t NAME(logarithms_f64)(const double *values, int64_t n, double factor, float *out);
EXPORT int32_t NAME(powers_f32)(const float *values, int64_t n, double factor, float *out);
EXPORT int32_t NAME(powers_f64)(const float *values, int64_t n, double factor, double *out);
EXPORT int32_t NAME(lapped_synthesis)(const float *coefficients, int64_t h, int64_t w, const float *rows,
                                      const float *cols, float *room, float *image);
EXPORT int32_t NAME(lapped_analysis)(const float *image, int64_t h, int64_t w, const float *rows,
                                     const float *samples_of_cols, float *room, float *coefficients);

#endif

/* Logarithms and powers of two, the same on every processor: every step is one operation of doubles that rounds once, in
 * the order that is written. Their twins are in reference/decibels.py. */
#include <string.h>

#include "kernels.h"

#define SQRT2 1.4142135623730951
#define SHIFTER 6755399441055744.0 /* 1.5 * 2^52: added and taken away, it leaves the nearest whole number */
#define SMALLEST 2.2250738585072014e-308
#define FARTHEST_POWER 1200.0 /* beyond, powers are 0 or infinite */

static inline uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* log2 of a positive, finite x: the exponent, and the series of the area hyperbolic tangent for the rest. */
static inline double logarithm(double x) {
    const double subnormal = x < SMALLEST ? 54.0 : 0.0;
    const uint64_t bits = bits_of(x < SMALLEST ? x * 18014398509481984.0 : x);
    double rest = of_bits((bits & 0xfffffffffffff) | 0x3ff0000000000000);
    const double exponent = of_bits(bits >> 52 | 0x4330000000000000) - (4503599627370496.0 + 1023.0) - subnormal;
    const double large = rest > SQRT2 ? 1.0 : 0.0;
    double t, s, sum;
    rest = rest > SQRT2 ? 0.5 * rest : rest;
    t = (rest - 1.0) / (rest + 1.0);
    s = t * t;
    sum = 1.0 / 19.0;
    sum = sum * s + 1.0 / 17.0;
    sum = sum * s + 1.0 / 15.0;
    sum = sum * s + 1.0 / 13.0;
    sum = sum * s + 1.0 / 11.0;
    sum = sum * s + 1.0 / 9.0;
    sum = sum * s + 1.0 / 7.0;
    sum = sum * s + 1.0 / 5.0;
    sum = sum * s + 1.0 / 3.0;
    sum = sum * s + 1.0;
    return (exponent + large) + sum * t * 2.8853900817779268;
}

/* 2^x: the nearest whole number, and the exponential series for the rest. */
static inline double power(double x) {
    double whole, rest, sum, half;
    x = x < -FARTHEST_POWER ? -FARTHEST_POWER : x;
    x = x > FARTHEST_POWER ? FARTHEST_POWER : x;
    whole = (x + SHIFTER) - SHIFTER;
    rest = (x - whole) * 0.6931471805599453;
    sum = 1.0 / 6227020800.0;
    sum = sum * rest + 1.0 / 479001600.0;
    sum = sum * rest + 1.0 / 39916800.0;
    sum = sum * rest + 1.0 / 3628800.0;
    sum = sum * rest + 1.0 / 362880.0;
    sum = sum * rest + 1.0 / 40320.0;
    sum = sum * rest + 1.0 / 5040.0;
    sum = sum * rest + 1.0 / 720.0;
    sum = sum * rest + 1.0 / 120.0;
    sum = sum * rest + 1.0 / 24.0;
    sum = sum * rest + 1.0 / 6.0;
    sum = sum * rest + 0.5;
    sum = sum * rest + 1.0;
    sum = sum * rest + 1.0;
    half = (whole * 0.5 + SHIFTER) - SHIFTER; /* in two factors, neither of which leaves the range of doubles */
    return sum * of_bits((bits_of(half + SHIFTER) + 1023) << 52) * of_bits((bits_of((whole - half) + SHIFTER) + 1023) << 52);
}

/* factor * log2 of `n` values, single floats; NaN where a value is not positive and finite. */
EXPORT int32_t NAME(logarithms_f32)(const float *values, int64_t n, double factor, float *out) {
    int64_t at;
    for (at = 0; at < n; at++) {
        const double x = values[at];
        const int known = x > 0.0 && x < (double)__builtin_inff();
        out[at] = (float)(known ? factor * logarithm(known ? x : 1.0) : (double)__builtin_nanf(""));
    }
    return FINE;
}

EXPORT int32_t NAME(logarithms_f64)(const double *values, int64_t n, double factor, float *out) {
    int64_t at;
    for (at = 0; at < n; at++) {
        const double x = values[at];
        const int known = x > 0.0 && x < __builtin_inf();
        out[at] = (float)(known ? factor * logarithm(known ? x : 1.0) : (double)__builtin_nanf(""));
    }
    return FINE;
}

/* 2^(factor * value) of `n` values, in single or double floats. */
EXPORT int32_t NAME(powers_f32)(const float *values, int64_t n, double factor, float *out) {
    int64_t at;
    for (at = 0; at < n; at++) out[at] = (float)power(factor * (double)values[at]);
    return FINE;
}

EXPORT int32_t NAME(powers_f64)(const float *values, int64_t n, double factor, double *out) {
    int64_t at;
    for (at = 0; at < n; at++) out[at] = power(factor * (double)values[at]);
    return FINE;
}

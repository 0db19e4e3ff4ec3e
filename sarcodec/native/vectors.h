/* The instructions that the kernels are written with: `LANES` floats or 32-bit integers side by side.
 *
 * No operation here is more exact than another form's: sums and products round once, nothing is fused. */
#ifndef SARCODEC_VECTORS_H
#define SARCODEC_VECTORS_H

#include "form.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
typedef __m512 floats;
typedef __m512i ints;

static inline floats f_load(const float *from) { return _mm512_loadu_ps(from); }
static inline void f_store(float *to, floats a) { _mm512_storeu_ps(to, a); }
static inline floats f_all(float a) { return _mm512_set1_ps(a); }
static inline floats f_add(floats a, floats b) { return _mm512_add_ps(a, b); }
static inline floats f_sub(floats a, floats b) { return _mm512_sub_ps(a, b); }
static inline floats f_mul(floats a, floats b) { return _mm512_mul_ps(a, b); }
static inline floats f_min(floats a, floats b) { return _mm512_min_ps(a, b); }
static inline floats f_abs(floats a) { return _mm512_abs_ps(a); }
static inline ints i_load(const int32_t *from) { return _mm512_loadu_si512(from); }
static inline void i_store(int32_t *to, ints a) { _mm512_storeu_si512(to, a); }
static inline ints i_all(int32_t a) { return _mm512_set1_epi32(a); }
static inline ints i_add(ints a, ints b) { return _mm512_add_epi32(a, b); }
static inline ints i_min(ints a, ints b) { return _mm512_min_epi32(a, b); }
static inline ints i_max(ints a, ints b) { return _mm512_max_epi32(a, b); }
/* Nearest integers, halves to even. */
static inline ints i_round(floats a) { return _mm512_cvtps_epi32(a); }
static inline floats f_from(ints a) { return _mm512_cvtepi32_ps(a); }
/* Elements of four floats. */
static inline floats f_four(const float *from, ints at) {
    return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(from)), at);
}
/* `c` where a < b, else `d`. */
static inline ints i_where_less(floats a, floats b, ints c, ints d) {
    return _mm512_mask_mov_epi32(d, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), c);
}
/* Set the bits LANES * number .. of a string of bits to whether a < b. */
static inline void put_less(uint8_t *bits, int number, floats a, floats b) {
    uint16_t less = (uint16_t)_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
    __builtin_memcpy(bits + 2 * number, &less, 2);
}
/* Of 2 * LANES floats those with even and with odd numbers. */
static inline floats f_even(floats a, floats b) {
    const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(a, at, b);
}
static inline floats f_odd(floats a, floats b) {
    const __m512i at = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(a, at, b);
}
/* Both floats of each pair of an array. */
static inline void f_gather_pairs(const float *from, ints at, floats *first, floats *second) {
    floats a = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_castsi512_si256(at), from, 8));
    floats b = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_extracti64x4_epi64(at, 1), from, 8));
    *first = f_even(a, b);
    *second = f_odd(a, b);
}
/* Four floats or integers for each lane, `step` of them apart. */
static inline void f_store_fours(float *to, int64_t step, const floats of[4]) {
    floats a = _mm512_unpacklo_ps(of[0], of[1]), b = _mm512_unpackhi_ps(of[0], of[1]);
    floats c = _mm512_unpacklo_ps(of[2], of[3]), d = _mm512_unpackhi_ps(of[2], of[3]);
    floats fours[4] = {
        _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(c))),
        _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(c))),
        _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(b), _mm512_castps_pd(d))),
        _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(b), _mm512_castps_pd(d))),
    };
    int lane;
    for (lane = 0; lane < 4; lane++) {
        _mm_storeu_ps(to + lane * step, _mm512_extractf32x4_ps(fours[lane], 0));
        _mm_storeu_ps(to + (4 + lane) * step, _mm512_extractf32x4_ps(fours[lane], 1));
        _mm_storeu_ps(to + (8 + lane) * step, _mm512_extractf32x4_ps(fours[lane], 2));
        _mm_storeu_ps(to + (12 + lane) * step, _mm512_extractf32x4_ps(fours[lane], 3));
    }
}
static inline void i_store_fours(int32_t *to, int64_t step, const ints of[4]) {
    floats bits[4] = {_mm512_castsi512_ps(of[0]), _mm512_castsi512_ps(of[1]), _mm512_castsi512_ps(of[2]),
                      _mm512_castsi512_ps(of[3])};
    f_store_fours((float *)(void *)to, step, bits);
}

#elif defined(__AVX2__)
#include <immintrin.h>
#define LANES 8
typedef __m256 floats;
typedef __m256i ints;

static inline floats f_load(const float *from) { return _mm256_loadu_ps(from); }
static inline void f_store(float *to, floats a) { _mm256_storeu_ps(to, a); }
static inline floats f_all(float a) { return _mm256_set1_ps(a); }
static inline floats f_add(floats a, floats b) { return _mm256_add_ps(a, b); }
static inline floats f_sub(floats a, floats b) { return _mm256_sub_ps(a, b); }
static inline floats f_mul(floats a, floats b) { return _mm256_mul_ps(a, b); }
static inline floats f_min(floats a, floats b) { return _mm256_min_ps(a, b); }
static inline floats f_abs(floats a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline ints i_load(const int32_t *from) { return _mm256_loadu_si256((const __m256i *)from); }
static inline void i_store(int32_t *to, ints a) { _mm256_storeu_si256((__m256i *)to, a); }
static inline ints i_all(int32_t a) { return _mm256_set1_epi32(a); }
static inline ints i_add(ints a, ints b) { return _mm256_add_epi32(a, b); }
static inline ints i_min(ints a, ints b) { return _mm256_min_epi32(a, b); }
static inline ints i_max(ints a, ints b) { return _mm256_max_epi32(a, b); }
static inline ints i_round(floats a) { return _mm256_cvtps_epi32(a); }
static inline floats f_from(ints a) { return _mm256_cvtepi32_ps(a); }
static inline floats f_four(const float *from, ints at) {
    return _mm256_permutevar_ps(_mm256_broadcast_ps((const __m128 *)from), at);
}
static inline ints i_where_less(floats a, floats b, ints c, ints d) {
    return _mm256_blendv_epi8(d, c, _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)));
}
static inline void put_less(uint8_t *bits, int number, floats a, floats b) {
    bits[number] = (uint8_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline floats ordered(floats a) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), _MM_SHUFFLE(3, 1, 2, 0)));
}
static inline floats f_even(floats a, floats b) { return ordered(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0))); }
static inline floats f_odd(floats a, floats b) { return ordered(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))); }
static inline void f_gather_pairs(const float *from, ints at, floats *first, floats *second) {
    const double *pairs = (const double *)(const void *)from;
    floats a = _mm256_castpd_ps(_mm256_i32gather_pd(pairs, _mm256_castsi256_si128(at), 8));
    floats b = _mm256_castpd_ps(_mm256_i32gather_pd(pairs, _mm256_extracti128_si256(at, 1), 8));
    *first = f_even(a, b);
    *second = f_odd(a, b);
}
static inline void f_store_fours(float *to, int64_t step, const floats of[4]) {
    floats a = _mm256_unpacklo_ps(of[0], of[1]), b = _mm256_unpackhi_ps(of[0], of[1]);
    floats c = _mm256_unpacklo_ps(of[2], of[3]), d = _mm256_unpackhi_ps(of[2], of[3]);
    floats fours[4] = {
        _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(c))),
        _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(c))),
        _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(b), _mm256_castps_pd(d))),
        _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(b), _mm256_castps_pd(d))),
    };
    int lane;
    for (lane = 0; lane < 4; lane++) {
        _mm_storeu_ps(to + lane * step, _mm256_castps256_ps128(fours[lane]));
        _mm_storeu_ps(to + (4 + lane) * step, _mm256_extractf128_ps(fours[lane], 1));
    }
}
static inline void i_store_fours(int32_t *to, int64_t step, const ints of[4]) {
    floats bits[4] = {_mm256_castsi256_ps(of[0]), _mm256_castsi256_ps(of[1]), _mm256_castsi256_ps(of[2]),
                      _mm256_castsi256_ps(of[3])};
    f_store_fours((float *)(void *)to, step, bits);
}

#elif defined(__ARM_NEON)
#include <arm_neon.h>
#define LANES 4
typedef float32x4_t floats;
typedef int32x4_t ints;

static inline floats f_load(const float *from) { return vld1q_f32(from); }
static inline void f_store(float *to, floats a) { vst1q_f32(to, a); }
static inline floats f_all(float a) { return vdupq_n_f32(a); }
static inline floats f_add(floats a, floats b) { return vaddq_f32(a, b); }
static inline floats f_sub(floats a, floats b) { return vsubq_f32(a, b); }
static inline floats f_mul(floats a, floats b) { return vmulq_f32(a, b); }
static inline floats f_min(floats a, floats b) { return vminq_f32(a, b); }
static inline floats f_abs(floats a) { return vabsq_f32(a); }
static inline ints i_load(const int32_t *from) { return vld1q_s32(from); }
static inline void i_store(int32_t *to, ints a) { vst1q_s32(to, a); }
static inline ints i_all(int32_t a) { return vdupq_n_s32(a); }
static inline ints i_add(ints a, ints b) { return vaddq_s32(a, b); }
static inline ints i_min(ints a, ints b) { return vminq_s32(a, b); }
static inline ints i_max(ints a, ints b) { return vmaxq_s32(a, b); }
static inline ints i_round(floats a) { return vcvtnq_s32_f32(a); }
static inline floats f_from(ints a) { return vcvtq_f32_s32(a); }
static inline floats f_four(const float *from, ints at) {
    const int32x4_t bytes = vmlaq_n_s32(vdupq_n_s32(0x03020100), at, 0x04040404);
    return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(vld1q_f32(from)), vreinterpretq_u8_s32(bytes)));
}
static inline ints i_where_less(floats a, floats b, ints c, ints d) { return vbslq_s32(vcltq_f32(a, b), c, d); }
static inline void put_less(uint8_t *bits, int number, floats a, floats b) {
    const uint32x4_t weights = {1, 2, 4, 8};
    uint32_t less = vaddvq_u32(vandq_u32(vcltq_f32(a, b), weights));
    if (number & 1)
        bits[number / 2] = (uint8_t)(bits[number / 2] | less << 4);
    else
        bits[number / 2] = (uint8_t)less;
}
static inline floats f_even(floats a, floats b) { return vuzp1q_f32(a, b); }
static inline floats f_odd(floats a, floats b) { return vuzp2q_f32(a, b); }
static inline void f_gather_pairs(const float *from, ints at, floats *first, floats *second) {
    floats a = vcombine_f32(vld1_f32(from + 2 * vgetq_lane_s32(at, 0)), vld1_f32(from + 2 * vgetq_lane_s32(at, 1)));
    floats b = vcombine_f32(vld1_f32(from + 2 * vgetq_lane_s32(at, 2)), vld1_f32(from + 2 * vgetq_lane_s32(at, 3)));
    *first = f_even(a, b);
    *second = f_odd(a, b);
}
static inline void f_store_fours(float *to, int64_t step, const floats of[4]) {
    float32x4x2_t low = vzipq_f32(of[0], of[2]), high = vzipq_f32(of[1], of[3]);
    float32x4x2_t first = vzipq_f32(low.val[0], high.val[0]), second = vzipq_f32(low.val[1], high.val[1]);
    vst1q_f32(to, first.val[0]);
    vst1q_f32(to + step, first.val[1]);
    vst1q_f32(to + 2 * step, second.val[0]);
    vst1q_f32(to + 3 * step, second.val[1]);
}
static inline void i_store_fours(int32_t *to, int64_t step, const ints of[4]) {
    int32x4x2_t low = vzipq_s32(of[0], of[2]), high = vzipq_s32(of[1], of[3]);
    int32x4x2_t first = vzipq_s32(low.val[0], high.val[0]), second = vzipq_s32(low.val[1], high.val[1]);
    vst1q_s32(to, first.val[0]);
    vst1q_s32(to + step, first.val[1]);
    vst1q_s32(to + 2 * step, second.val[0]);
    vst1q_s32(to + 3 * step, second.val[1]);
}

#else
#error "no vectors for this form of the processor"
#endif

#endif

/* What the processor can do, asked once when the library is loaded. */
#include "form.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

/* The registers that the system keeps when it switches threads. */
static uint64_t kept(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

/* Which C sources the library was built from: a checksum that the build gives. */
EXPORT uint32_t sarcodec_sources(void) { return SOURCES; }

enum { HAS_AVX2 = 1, HAS_AVX512VNNI = 2, HAS_NEON = 4 };

/* The forms that run here, as bits. */
EXPORT uint32_t sarcodec_processor(void) {
    uint32_t found = 0;
#if defined(__x86_64__) || defined(_M_X64)
    const uint32_t osxsave = 1u << 27, avx = 1u << 28, popcnt = 1u << 23;              /* leaf 1, ecx */
    const uint32_t bmi = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8;                      /* leaf 7, ebx */
    const uint32_t f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;          /* leaf 7, ebx */
    const uint32_t vnni = 1u << 11, lzcnt = 1u << 5;                                   /* leaf 7, ecx; 80000001h, ecx */
    uint32_t a, b, c, d, extended = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (osxsave | avx | popcnt)) != (osxsave | avx | popcnt)) return 0;
    if (__get_cpuid(0x80000001u, &a, &b, &extended, &d) == 0 || !(extended & lzcnt)) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if ((kept() & 0x06) == 0x06 && (b & (bmi | avx2 | bmi2)) == (bmi | avx2 | bmi2)) {
        found |= HAS_AVX2;
        if ((kept() & 0xe6) == 0xe6 && (b & (f | dq | bw | vl)) == (f | dq | bw | vl) && (c & vnni))
            found |= HAS_AVX512VNNI;
    }
#elif defined(__aarch64__)
    found |= HAS_NEON;
#endif
    return found;
}

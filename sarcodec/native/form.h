/* What every kernel is made for: one form of the processor, named by -DFORM=avx2 and the like. */
#ifndef SARCODEC_FORM_H
#define SARCODEC_FORM_H

#include <stdint.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#define JOINED(name, form) sarcodec_##name##_##form
#define EXPANDED(name, form) JOINED(name, form)
/* The exported name of a kernel: NAME(rans_write) is sarcodec_rans_write_avx2. */
#define NAME(name) EXPANDED(name, FORM)

/* What a kernel returns: 0, or what is wrong with its arguments. sarcodec/native/kernels.py has the same numbers. */
enum { FINE = 0, NO_ROOM = 1, NO_TABLE = 2 };

#endif

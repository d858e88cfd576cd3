/* What kernels over floats share: their target machines, a float's bits, reading and writing bf16
   (rounded to nearest, ties to even). */
#ifndef LINGLOOM_FLOATS_H
#define LINGLOOM_FLOATS_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
/* A product and a sum in one step are a fifth faster; the answers stay within the same bounds. */
#pragma GCC optimize("fp-contract=fast")
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

INLINE float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE uint32_t to_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE float read_bf16(uint16_t x) { return from_bits((uint32_t)x << 16); }

INLINE uint16_t write_bf16(float x) {
    uint32_t bits = to_bits(x);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (uint16_t)rounded; /* nan stays nan */
}

INLINE float read_f32(float x) { return x; }

INLINE float write_f32(float x) { return x; }

#endif

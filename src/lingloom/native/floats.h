/* What kernels over floats share: their target machines, a float's bits, reading and writing bf16
   (rounded to nearest, ties to even), the exponential function and the logarithm. */
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

/* Of exp(-v) = 2^k exp(r), for v in -87..87: r, in -0.35..0.35, and 2^k by its exponent's bits. */
INLINE float reduced(float v, float *two_to_k) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: added, it rounds to a whole number */
    float power = v * -1.44269504f, whole = (power + shift) - shift;
    *two_to_k = from_bits((to_bits(power + shift) << 23) + 0x3f800000); /* k modulo 512 */
    return (-v - whole * 0.693145752f) - whole * 1.42860677e-6f; /* ln 2 in two parts */
}

/* (exp(r) - 1 - r) / r^2 for r in -0.35..0.35, by the Taylor series, whose first term left out
 * is below 6e-9 of r. */
INLINE float beyond_linear(float r) {
    float p = 1.0f / 720 + r * (1.0f / 5040);
    p = 1.0f / 120 + r * p;
    p = 1.0f / 24 + r * p;
    p = 1.0f / 6 + r * p;
    return 0.5f + r * p;
}

/* exp(-v) for v in -87..87, within 2 units of the last place; nan for nan. */
INLINE float exp_minus(float v) {
    float two_to_k, r = reduced(v, &two_to_k);
    return (1.0f + r * (1.0f + r * beyond_linear(r))) * two_to_k;
}

/* exp(-v) - 1 for v in -87..87, exact to a few units of the last place near zero too, where exp
 * alone would lose what tanh needs: 2^k (exp(r) - 1) + (2^k - 1). */
INLINE float exp_minus_one(float v) {
    float two_to_k, r = reduced(v, &two_to_k);
    return two_to_k * (r + r * r * beyond_linear(r)) + (two_to_k - 1.0f);
}

/* log(x) for x of at least 1, within 1e-12: of x = 2^n m it is n log 2 + log m, and with
 * s = (m - 1) / (m + 1), at most 1/3, log m = 2 (s + s^3 / 3 + s^5 / 5 + ...). Inf and nan are
 * answered by themselves. */
INLINE double log_above_one(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (bits >= 0x7ff0000000000000) return x;
    int64_t n = (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
    memcpy(&x, &bits, sizeof x);
    double s = (x - 1) / (x + 1), square = s * s, sum = 0;
    for (int k = 23; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
    return (double)n * 0.69314718055994531 + 2 * s * sum;
}

#endif

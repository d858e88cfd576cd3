/* UTF-8, read one code point at a time. */
#ifndef LINGLOOM_UTF8_H
#define LINGLOOM_UTF8_H

#include <stdint.h>

/* The code point at `from`, and where the next begins; a cut sequence counts as one character. */
static inline uint32_t decode(const uint8_t *from, const uint8_t *end, const uint8_t **next) {
    uint8_t lead = *from;
    if (lead < 0x80) {
        *next = from + 1;
        return lead;
    }
    int size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (end - from < size) {
        *next = end;
        return 0xFFFD;
    }
    *next = from + size;
    if (size == 2) return (uint32_t)(lead & 0x1F) << 6 | (from[1] & 0x3F);
    if (size == 3) return (uint32_t)(lead & 0x0F) << 12 | (uint32_t)(from[1] & 0x3F) << 6 | (from[2] & 0x3F);
    return (uint32_t)(lead & 0x07) << 18 | (uint32_t)(from[1] & 0x3F) << 12 | (uint32_t)(from[2] & 0x3F) << 6
           | (from[3] & 0x3F);
}

#endif

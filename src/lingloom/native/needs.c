/* What each of many texts needs done, asked before anything is done.

   The kernels over texts take (data, offsets, texts): UTF-8 bytes end to end and texts + 1 places in
   them, and write one byte of flags for each. What the flags mean is told in text/needs.py. */
#include "utf8.h"

enum { CONTROL = 1, FORM = 2, BLANKS = 4, MANGLED = 8 };
enum { LEAD = 4, GOES_ON = 8 }; /* in the table of code points, where 1 and 2 are as above */
enum { EMAIL = 1, IDENTITY = 2, CARD = 4, MOBILE = 8, PHONE = 16, IP4 = 32, IP6 = 64 };
enum { BLOCK = 64 };

static inline int is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }
static inline int is_letter(uint8_t c) { return (uint8_t)((c | 32) - 'a') < 26; }

static inline int blank_before(const uint8_t *start, const uint8_t *at) {
    if (at - start >= 1 && (at[-1] == ' ' || at[-1] == '\t')) return 1;
    if (at - start >= 2 && at[-2] == 0xC2 && at[-1] == 0xA0) return 1;
    return at - start >= 3 && at[-3] == 0xE3 && at[-2] == 0x80 && at[-1] == 0x80;
}

static inline int bad_line_feed(const uint8_t *start, const uint8_t *at) {
    return at == start || blank_before(start, at) || (at - start >= 2 && at[-1] == '\n' && at[-2] == '\n');
}

static int plain_block(const uint8_t *at) {
    uint8_t special = 0;
    for (int i = 0; i < BLOCK; i++) special |= (uint8_t)(at[i] - 32) > 94;
    return !special;
}

static uint8_t needs_of(const uint8_t *start, const uint8_t *end, const uint8_t *table, int64_t known) {
    uint8_t found = 0;
    const uint8_t *at = start, *next, *after;
    while (at < end) {
        if (end - at >= BLOCK && plain_block(at)) {
            at += BLOCK;
            continue;
        }
        const uint8_t *stop = end - at > BLOCK ? at + BLOCK : end;
        for (; at < stop; at = next) {
            uint32_t code = decode(at, end, &next);
            uint8_t class = code < (uint64_t)known ? table[code] : FORM;
            found |= class & (CONTROL | FORM);
            if (code == '\n') {
                if (bad_line_feed(start, at)) found |= BLANKS;
            } else if ((class & LEAD) && next < end) {
                uint32_t second = decode(next, end, &after);
                if (second < (uint64_t)known && (table[second] & GOES_ON)) found |= MANGLED;
                if (code == 0xC3 && second == ' ') found |= MANGLED;
            }
        }
    }
    if (end > start && (end[-1] == '\n' || blank_before(start, end))) found |= BLANKS;
    return found;
}

/* `table`: `known` bytes, one for each code point; those beyond it count as FORM. */
void lingloom_text_needs(const uint8_t *data, const int64_t *offsets, int64_t texts, const uint8_t *table,
                         int64_t known, uint8_t *out) {
    for (int64_t i = 0; i < texts; i++)
        out[i] = needs_of(data + offsets[i], data + offsets[i + 1], table, known);
}

static int dull_block(const uint8_t *at) {
    uint8_t special = 0;
    for (int i = 0; i < BLOCK; i++) special |= ((uint8_t)(at[i] - '0') <= 10) | (at[i] == '@');
    return !special;
}

static inline int may_be_email(const uint8_t *start, const uint8_t *end, const uint8_t *at) {
    if (at == start || end - at < 2) return 0;
    uint8_t before = at[-1], after = at[1];
    return (is_letter(before) || is_digit(before) || before == '_' || before == '+' || before == '-')
           && (is_letter(after) || is_digit(after) || after == '-');
}

static inline int in_number(uint8_t c) {
    return is_digit(c) || c == ' ' || c == '.' || c == '-' || c == '(' || c == ')' || c == '+';
}

/* Flags of the run of digits and separators from `*from`, a digit; `*from` moves to its end. */
static uint8_t number(const uint8_t **from, const uint8_t *end) {
    int64_t digits = 0, streak = 0, longest = 0;
    int dots = 0;
    uint8_t found = 0;
    const uint8_t *at = *from;
    for (; at < end && in_number(*at); at++) {
        if (is_digit(*at)) {
            digits++;
            if (++streak > longest) longest = streak;
            continue;
        }
        int joins = *at == '.' && streak && end - at > 1 && is_digit(at[1]);
        dots = joins ? dots + 1 : 0;
        if (dots >= 3) found |= IP4;
        streak = 0;
    }
    *from = at;
    found |= (longest >= 17 ? IDENTITY : 0) | (digits >= 13 ? CARD : 0);
    return found | (digits >= 11 ? MOBILE : 0) | (digits >= 8 ? PHONE : 0);
}

/* Whether the run of hexadecimal digits and colons from `*from`, a colon, may hold an address of
   version 6; `*from` moves to its end. */
static uint8_t address(const uint8_t **from, const uint8_t *end) {
    int64_t colons = 0;
    uint8_t found = 0;
    const uint8_t *at = *from;
    for (; at < end && (*at == ':' || is_digit(*at) || (is_letter(*at) && (*at | 32) <= 'f')); at++) {
        if (*at != ':') continue;
        if (++colons >= 6 || (end - at > 1 && at[1] == ':')) found = IP6;
    }
    *from = at;
    return found;
}

void lingloom_text_personal(const uint8_t *data, const int64_t *offsets, int64_t texts, uint8_t *out) {
    for (int64_t i = 0; i < texts; i++) {
        const uint8_t *start = data + offsets[i], *end = data + offsets[i + 1], *at = start;
        const uint8_t *passed = start; /* where the last run with colons ended */
        uint8_t found = 0;
        while (at < end) {
            if (end - at >= BLOCK && dull_block(at)) {
                at += BLOCK;
                continue;
            }
            const uint8_t *stop = end - at > BLOCK ? at + BLOCK : end;
            while (at < stop) {
                if (is_digit(*at)) {
                    found |= number(&at, end);
                    continue;
                }
                if (*at == '@' && may_be_email(start, end, at)) found |= EMAIL;
                if (*at == ':' && at >= passed) {
                    passed = at;
                    found |= address(&passed, end);
                }
                at++;
            }
        }
        out[i] = found;
    }
}

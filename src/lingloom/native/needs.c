/* What each of many texts needs done, asked before anything is done.

   The kernels over texts take (data, offsets, texts): UTF-8 bytes end to end and texts + 1 places in
   them, and write one byte of flags for each. What the flags mean is told in text/needs.py. */
#include <string.h>

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

/* ------------------------------------------------------------------------- nested elements */

/* A name of elements, and how many of that name are open. */
typedef struct {
    const uint8_t *name;
    int64_t size, open;
    uint64_t hash;
    int lone;
} Element;

enum { NAMES = 512 }; /* names whose ends are known */
enum { ELEMENTS = 4 * NAMES };

static inline uint8_t lower(uint8_t c) { return (uint8_t)(c - 'A') < 26 ? c | 32 : c; }

/* Whether an element of this name needs no end, or ends where the next one begins. */
static int lone_element(const uint8_t *name, int64_t size) {
    static const char names[][8] = {"area",   "base", "br", "col", "embed", "hr",     "img", "input", "link",
                                    "meta",   "source", "track", "wbr", "p", "li",     "dt",  "dd",    "option",
                                    "tr",     "td",   "th", "thead", "tbody", "tfoot", "colgroup"};
    char wanted[8] = {0};
    if (size > (int64_t)sizeof wanted || memchr(name, 0, (size_t)size)) return 0;
    for (int64_t i = 0; i < size; i++) wanted[i] = (char)lower(name[i]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!memcmp(wanted, names[i], sizeof wanted)) return 1;
    return 0;
}

/* The slot of a name, in any case of its letters; an empty one where it is not there. */
static Element *slot_of_name(Element *elements, const uint8_t *name, int64_t size, uint64_t hash) {
    for (uint64_t place = hash >> 32;; place++) {
        Element *slot = &elements[place % ELEMENTS];
        if (!slot->name) return slot;
        if (slot->hash != hash || slot->size != size) continue;
        int64_t same = 0;
        while (same < size && lower(slot->name[same]) == lower(name[same])) same++;
        if (same == size) return slot;
    }
}

static inline int in_name(uint8_t c) {
    return c != ' ' && c != '\t' && c != '\n' && c != '\f' && c != '\r' && c != '/' && c != '>';
}

/* How deep the elements of a page are nested at most, those that need no end left out. An end counts
   where an element of its name is open, and where the name is one of the page's first NAMES. */
int64_t lingloom_html_depth(const uint8_t *page, int64_t size) {
    Element elements[ELEMENTS];
    int64_t depth = 0, deepest = 0, names = 0;
    const uint8_t *at = page, *end = page + size;
    memset(elements, 0, sizeof elements);
    while (at < end && (at = memchr(at, '<', (size_t)(end - at)))) {
        int closes = end - at > 1 && at[1] == '/';
        const uint8_t *name = at + 1 + closes;
        at++;
        if (name >= end || !is_letter(*name)) continue;
        uint64_t hash = 0;
        for (at = name; at < end && in_name(*at); at++) hash = (hash ^ lower(*at)) * 0x9E3779B97F4A7C15u;
        Element *slot = slot_of_name(elements, name, at - name, hash), unknown = {0};
        if (!slot->name && !closes) {
            int lone = lone_element(name, at - name);
            if (!lone && names == NAMES) slot = &unknown;
            *slot = (Element){name, at - name, 0, hash, lone};
            names += !lone && slot != &unknown;
        }
        if (slot->lone) continue;
        if (closes && !slot->open) continue;
        slot->open += closes ? -1 : 1;
        depth += closes ? -1 : 1;
        if (depth > deepest) deepest = depth;
    }
    return deepest;
}

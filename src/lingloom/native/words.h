/* The words of a text, told by a table `classes` of `known` bytes, one for each code point; those beyond
   it have no class. What a word is is told in text/statistics.py. */
#ifndef LINGLOOM_WORDS_H
#define LINGLOOM_WORDS_H

#include "utf8.h"

enum { WORD = 1, MARK = 2, CJK = 4, SPACE = 8, ALPHA = 16, BREAK = 32, TERMINAL = 64, PUNCTUATION = 128 };

typedef struct {
    const uint8_t *classes;
    int64_t known;
} Table;

typedef struct {
    const uint8_t *at, *end;
} Reader;

static inline uint8_t class_of(const Table *table, uint32_t code) {
    return code < (uint64_t)table->known ? table->classes[code] : 0;
}

/* One word: bytes [from, to), its characters, and the classes of all of them joined by or. */
typedef struct {
    const uint8_t *from, *to;
    uint32_t chars;
    uint8_t first, any;
} Word;

static inline int next_word(const Table *table, Reader *text, Word *word) {
    const uint8_t *at = text->at, *end = text->end, *next;
    uint8_t class = SPACE;
    for (; at < end; at = next) {
        class = class_of(table, decode(at, end, &next));
        if (!(class & SPACE)) break;
    }
    if (at >= end) {
        text->at = end;
        return 0;
    }
    *word = (Word){at, next, 1, class, class};
    uint8_t goes_on = class & WORD ? WORD | MARK : class & CJK ? MARK : 0;
    if (goes_on)
        for (at = next; at < end; at = next) {
            uint32_t code = decode(at, end, &next);
            class = class_of(table, code);
            if (!(class & goes_on)) {
                const uint8_t *after;
                if (!(goes_on & WORD) || (code != '\'' && code != 0x2019) || next >= end) break;
                class = class_of(table, decode(next, end, &after));
                if (!(class & WORD)) break;
                next = after;
                word->chars++;
            }
            word->chars++;
            word->any |= class;
            word->to = next;
        }
    text->at = word->to;
    return 1;
}

#endif

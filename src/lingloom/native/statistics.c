/* Counts of words and lines that quality rules are made of, for many texts at once.

   The kernel takes (data, offsets, texts): UTF-8 bytes end to end and texts + 1 places in them, and a
   table of classes (words.h). It returns 0, or -1 when there is no memory. What the counts mean is told
   in text/statistics.py. */
#include "seen.h"
#include "words.h"

enum {
    CHARS, WORDS, PROPER_WORDS, PROPER_CHARS, ALPHA_WORDS, HASHES, ELLIPSES, LINES, BULLET_LINES,
    ELLIPSIS_LINES, STOP_WORDS, NEWLINES, FILLED_LINES, TERMINAL_LINES, SHORT_LINES,
    REPEATED_FILLED_CHARS, CJK_CHARS, PUNCTUATION_CHARS, SPACE_CHARS, COUNTS
};

typedef struct {
    const uint8_t *data;
    const int64_t *offsets;
    int64_t words;
} List;

static void count_words(const Table *table, Reader text, const List *stop, int64_t *out) {
    uint64_t found = 0, firsts[4] = {0};
    Word word;
    for (int64_t s = 0; s < stop->words; s++) {
        uint8_t first = stop->data[stop->offsets[s]];
        firsts[first >> 6] |= (uint64_t)1 << (first & 63);
    }
    while (next_word(table, &text, &word)) {
        out[WORDS]++;
        out[ALPHA_WORDS] += (word.any & ALPHA) != 0;
        if (word.first & (WORD | CJK)) {
            out[PROPER_WORDS]++;
            out[PROPER_CHARS] += word.chars;
        }
        if (!(firsts[*word.from >> 6] >> (*word.from & 63) & 1)) continue;
        for (int64_t s = 0; s < stop->words; s++) {
            int64_t size = stop->offsets[s + 1] - stop->offsets[s];
            if (size == word.to - word.from && !memcmp(stop->data + stop->offsets[s], word.from, size))
                found |= (uint64_t)1 << s;
        }
    }
    out[STOP_WORDS] = __builtin_popcountll(found);
}

/* Lines as Python's splitlines() has them: how they begin and end. */
typedef struct {
    uint32_t first, last;
    int64_t dots;
    int filled, gap;
} Line;

static inline void end_line(const Line *line, int64_t *out) {
    out[LINES]++;
    out[BULLET_LINES] += line->first == '-' || line->first == 0x2022;
    out[ELLIPSIS_LINES] += line->last == 0x2026 || line->dots >= 3;
}

static void count_lines(const Table *table, Reader text, int64_t *out) {
    const uint8_t *at = text.at, *next;
    Line line = {0};
    int64_t dots = 0;
    for (; at < text.end; at = next) {
        uint32_t code = decode(at, text.end, &next);
        uint8_t class = class_of(table, code);
        out[CHARS]++;
        out[CJK_CHARS] += (class & CJK) != 0;
        out[PUNCTUATION_CHARS] += (class & PUNCTUATION) != 0;
        out[SPACE_CHARS] += (class & SPACE) != 0;
        out[HASHES] += code == '#';
        out[ELLIPSES] += code == 0x2026;
        if (code == '.') {
            if (++dots % 3 == 0) out[ELLIPSES]++;
        } else
            dots = 0;
        if (class & BREAK) {
            out[NEWLINES] += code == '\n';
            if (code == '\r' && next < text.end && *next == '\n') continue;
            end_line(&line, out);
            line = (Line){0};
            continue;
        }
        line.filled = 1;
        if (class & SPACE) {
            line.gap = 1;
            continue;
        }
        if (line.gap) line.dots = 0;
        line.gap = 0;
        line.dots = code == '.' ? line.dots + 1 : 0;
        line.last = code;
        if (!line.first) line.first = code ? code : 1; /* 0 means none yet */
    }
    if (line.filled) end_line(&line, out);
}

/* Lines between line feeds that are not blank, as FineWeb's rules count them. */
static int count_filled_lines(
    const Table *table, Reader text, int64_t short_chars, Seen *seen, int64_t *out) {
    if (empty(seen, (uint64_t)out[NEWLINES] + 1)) return -1;
    const uint8_t *at = text.at, *next;
    while (at <= text.end) {
        const uint8_t *from = at;
        const uint8_t *to = at < text.end ? memchr(at, '\n', (size_t)(text.end - at)) : NULL;
        if (!to) to = text.end;
        int64_t chars = 0;
        uint8_t last = 0, all = SPACE;
        for (; at < to; at = next, chars++) {
            last = class_of(table, decode(at, to, &next));
            all &= last;
        }
        at = to + 1;
        if (all & SPACE) continue;
        out[FILLED_LINES]++;
        out[TERMINAL_LINES] += (last & TERMINAL) != 0;
        out[SHORT_LINES] += chars <= short_chars;
        if (slot_of(seen, hash_bytes(from, to))->count++) out[REPEATED_FILLED_CHARS] += chars;
    }
    return 0;
}

int lingloom_text_statistics(
    const uint8_t *data, const int64_t *offsets, int64_t texts, const uint8_t *classes, int64_t known,
    const uint8_t *stop_data, const int64_t *stop_offsets, int64_t stop_words, int64_t short_chars,
    int64_t *out) {
    Table table = {classes, known};
    List stop = {stop_data, stop_offsets, stop_words > 64 ? 64 : stop_words};
    Seen seen = {0};
    int status = 0;
    memset(out, 0, (size_t)(texts * COUNTS) * sizeof *out);
    for (int64_t i = 0; i < texts && !status; i++, out += COUNTS) {
        Reader text = {data + offsets[i], data + offsets[i + 1]};
        count_words(&table, text, &stop, out);
        count_lines(&table, text, out);
        status = count_filled_lines(&table, text, short_chars, &seen, out);
    }
    free(seen.slots);
    return status;
}

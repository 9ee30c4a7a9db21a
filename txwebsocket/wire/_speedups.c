/* Part of txwebsocket. See LICENSE for details.

   The native twin of frames.py: the same reader and the same framers, item for item and
   word for word. What is explained there is not explained again here.

   It keeps to the limited API: one build serves Python 3.11 and what follows. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MINIMUM(a, b) ((a) < (b) ? (a) : (b))
#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))

/* What stands in a frame's first two bytes (RFC 6455, 5.2). */
enum { FIN = 0x80, RSV = 0x70, OPCODE = 0x0F };
enum { MASKED = 0x80, LENGTH = 0x7F };
enum { CONTINUATION = 0x0, TEXT = 0x1, BINARY = 0x2, CONTROL = 0x8 };
#define KNOWN_OPCODES 0x0707 /* bit n stands for opcode n: 0 to 2, and 8 to 10 */

/* Without a global lock, an object is locked while a statement reads or changes it. */
#ifdef Py_GIL_DISABLED
#define LOCKED(self, statement)          \
    do {                                 \
        Py_BEGIN_CRITICAL_SECTION(self); \
        statement;                       \
        Py_END_CRITICAL_SECTION();       \
    } while (0)
#else
#define LOCKED(self, statement) \
    do {                        \
        statement;              \
    } while (0)
#endif

#define KEY_SIZE 4
#define MAX_HEAD (2 + 8 + KEY_SIZE)

/* -- Masking (RFC 6455, 5.3) ------------------------------------------------------- */

/* Copy a payload, or a part that `before` bytes of it came before, and apply the key to
   it, if there is one. */
static void copyMasked(uint8_t *to, const uint8_t *from, size_t size,
                       const uint8_t *key, size_t before)
{
    if (key == NULL) {
        memcpy(to, from, size);
        return;
    }
    uint8_t octets[8];
    for (size_t i = 0; i < sizeof octets; i++) {
        octets[i] = key[(before + i) % KEY_SIZE];
    }
    uint64_t stream, word;
    memcpy(&stream, octets, sizeof stream);
    for (; size >= sizeof word; size -= sizeof word) {
        memcpy(&word, from, sizeof word);
        word ^= stream;
        memcpy(to, &word, sizeof word);
        from += sizeof word;
        to += sizeof word;
    }
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i] ^ octets[i];
    }
}

/* -- UTF-8 that arrives in pieces (RFC 3629, 4) ------------------------------------ */

/* Where a text stands. STEPS has an entry for each byte, and a state is the number of
   the bit at which an entry holds the state that the byte leads to from there. BAD is
   zero: an entry names the allowed steps only, and nothing leads out of BAD. */
enum {
    BAD = 0,
    BETWEEN = 6, /* characters: a text may end here only */
    LACKS_1 = 12,
    LACKS_2 = 18,
    LACKS_3 = 24,
    AFTER_E0 = 30, /* but for A0 to BF, what follows has a shorter form */
    AFTER_ED = 36, /* but for 80 to 9F, what follows is a surrogate */
    AFTER_F0 = 42, /* but for 90 to BF, what follows has a shorter form */
    AFTER_F4 = 48, /* but for 80 to 8F, what follows is beyond U+10FFFF */
    STATE = 0x3F,
};

#define STEP(from, to) ((uint64_t)(to) << (from))
#define ASCII STEP(BETWEEN, BETWEEN)
#define FIRST(state) STEP(BETWEEN, state)
#define TAIL (STEP(LACKS_1, BETWEEN) | STEP(LACKS_2, LACKS_1) | STEP(LACKS_3, LACKS_2))
#define TAIL_80 (TAIL | STEP(AFTER_ED, LACKS_1) | STEP(AFTER_F4, LACKS_2))
#define TAIL_90 (TAIL | STEP(AFTER_ED, LACKS_1) | STEP(AFTER_F0, LACKS_2))
#define TAIL_A0 (TAIL | STEP(AFTER_E0, LACKS_1) | STEP(AFTER_F0, LACKS_2))

#define TWICE(...) __VA_ARGS__, __VA_ARGS__
#define FOUR(...) TWICE(TWICE(__VA_ARGS__))
#define ROW(...) FOUR(FOUR(__VA_ARGS__))

static const uint64_t STEPS[256] = {
    /* 00 */ FOUR(ROW(ASCII)), FOUR(ROW(ASCII)),
    /* 80 */ ROW(TAIL_80), ROW(TAIL_90), TWICE(ROW(TAIL_A0)),
    /* C0 */ TWICE(BAD), TWICE(FIRST(LACKS_1)), FOUR(FOUR(FIRST(LACKS_1))),
    /* D4 */ FOUR(FIRST(LACKS_1)), FOUR(TWICE(FIRST(LACKS_1))),
    /* E0 */ FIRST(AFTER_E0), FOUR(TWICE(FIRST(LACKS_2))), FOUR(FIRST(LACKS_2)),
    /* ED */ FIRST(AFTER_ED), TWICE(FIRST(LACKS_2)),
    /* F0 */ FIRST(AFTER_F0), TWICE(FIRST(LACKS_3)), FIRST(LACKS_3), FIRST(AFTER_F4),
    /* F5 and all that follow are BAD. */
};

#define BLOCK 32

static bool isAscii(const uint8_t block[BLOCK])
{
    uint64_t words[BLOCK / 8];
    memcpy(words, block, sizeof words);
    return !((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u);
}

/* The state in which a piece of text leaves what was in the given one. */
static uint8_t followText(uint8_t state, const uint8_t *text, size_t size)
{
    uint64_t now = state;
    while (size > 0) {
        size_t step = MINIMUM(size, BLOCK);
        if (step < BLOCK || (now & STATE) != BETWEEN || !isAscii(text)) {
            for (size_t i = 0; i < step; i++) {
                now = STEPS[text[i]] >> (now & STATE);
            }
        }
        text += step;
        size -= step;
    }
    return now & STATE;
}

/* -- What a reader knows, and what it finds ---------------------------------------- */

/* What is imported. It is not cleared before it is freed: a reader must never meet it
   empty, and nothing in it leads back to this module. */
typedef struct {
    PyObject *closeCode;
    PyObject *failed;
    PyObject *frame;
    newfunc newTuple;
} Module;

typedef struct {
    PyObject_HEAD
    Module *module; /* our type keeps it alive */

    int64_t maxFrameSize;
    int64_t maxMessageSize;
    int64_t maxMarkedSize;
    uint8_t rsvAllowed;
    bool isMasked;
    bool isWhole;
    bool isInPieces;

    bool isDeaf;
    bool isFeeding;

    /* What is left of a chunk that ended inside a frame's head: 13 bytes at most. */
    uint8_t rest[MAX_HEAD];
    size_t restSize;

    /* The frame that is arriving; nothing is missing between frames. */
    uint8_t opcode;
    uint8_t rsv;
    bool fin;
    uint8_t key[KEY_SIZE];
    int64_t length;
    int64_t missing;
    PyObject *payload; /* bytes that nobody else has seen, and how many there are */
    int64_t room;

    /* The fragmented message that is arriving; its opcode is 0 between messages. */
    uint8_t messageOpcode;
    int64_t messageSize;
    bool isMarked;
    bool isPlainText;
    uint8_t text;
} FrameReader;

/* What is fed, and the items found in it. */
typedef struct {
    const uint8_t *next;
    size_t left;
    PyObject *items;
} Chunk;

typedef enum {
    ON,    /* there may be more */
    LATER, /* the chunk ended inside a head */
    OVER,  /* a rule was broken, which is among the items, or an exception is set */
} Progress;

/* Append an item, which is given away; NULL is what a call returned that failed. */
static Progress add(Chunk *chunk, PyObject *item)
{
    int status = item == NULL ? -1 : PyList_Append(chunk->items, item);
    Py_XDECREF(item);
    return status < 0 ? OVER : ON;
}

/* Append a Frame; the payload is given away. A named tuple's own __new__ is Python code
   that does the same. */
static Progress addFrame(FrameReader *reader, Chunk *chunk, PyObject *payload)
{
    PyTypeObject *type = (PyTypeObject *)reader->module->frame;
    PyObject *fields = Py_BuildValue("((iNNi))", reader->opcode, payload,
                                     PyBool_FromLong(reader->fin), reader->rsv);
    if (fields == NULL) return OVER;
    PyObject *frame = reader->module->newTuple(type, fields, NULL);
    Py_DECREF(fields);
    return add(chunk, frame);
}

/* Append a ProtocolFailure; its reason is put together as PyUnicode_FromFormat does it. */
static Progress fail(FrameReader *reader, Chunk *chunk, int code, const char *text, ...)
{
    Module *module = reader->module;
    va_list values;
    va_start(values, text);
    PyObject *reason = PyUnicode_FromFormatV(text, values);
    va_end(values);
    if (reason == NULL) return OVER;
    PyObject *member = PyObject_CallFunction(module->closeCode, "i", code);
    if (member != NULL) {
        add(chunk, PyObject_CallFunctionObjArgs(module->failed, member, reason, NULL));
        Py_DECREF(member);
    }
    Py_DECREF(reason);
    return OVER;
}

#define BROKEN(...) fail(reader, chunk, 1002, __VA_ARGS__)
#define NOT_TEXT() fail(reader, chunk, 1007, "a text message is not UTF-8")
#define TOO_BIG(...) fail(reader, chunk, 1009, __VA_ARGS__)

/* -- Heads (RFC 6455, 5.2 to 5.5) -------------------------------------------------- */

static Progress checkFirst(FrameReader *reader, Chunk *chunk, int first)
{
    int opcode = first & OPCODE;
    if (first & RSV & ~reader->rsvAllowed) {
        return BROKEN("an extension bit is set that was not agreed on");
    }
    if (!(KNOWN_OPCODES >> opcode & 1)) return BROKEN("opcode %d is unknown", opcode);
    if (opcode & CONTROL) {
        if (!(first & FIN)) return BROKEN("a control frame is fragmented");
        if (first & RSV) return BROKEN("an extension bit is set on a control frame");
    } else if (opcode == CONTINUATION) {
        if (!reader->messageOpcode) {
            return BROKEN("a continuation frame has nothing to continue");
        }
        if (first & RSV) {
            return BROKEN("an extension bit is set on a continuation frame");
        }
    } else if (reader->messageOpcode) {
        return BROKEN("a message starts inside a fragmented one");
    }
    return ON;
}

static Progress checkSecond(FrameReader *reader, Chunk *chunk, int first, int second)
{
    bool isMasked = second & MASKED;
    if (isMasked != reader->isMasked) {
        return isMasked ? BROKEN("a frame from a server is masked")
                        : BROKEN("a frame from a client is not masked");
    }
    if (first & CONTROL && (second & LENGTH) > 125) {
        return BROKEN("a control frame is longer than 125 bytes");
    }
    return ON;
}

/* Read an extended length; it must need its form. */
static Progress readLength(FrameReader *reader, Chunk *chunk, const uint8_t *octets,
                           size_t width, int64_t *length)
{
    uint64_t number = 0;
    for (size_t i = 0; i < width; i++) {
        number = number << 8 | octets[i];
    }
    if (number >> 63) return BROKEN("a length has its highest bit set");
    if (number < (width == 2 ? 126 : 0x10000)) {
        return BROKEN("a length is not in its shortest form");
    }
    *length = (int64_t)number;
    return ON;
}

static Progress checkSize(FrameReader *reader, Chunk *chunk, int first, int64_t length)
{
    if (length > reader->maxFrameSize) {
        return TOO_BIG("frame larger than %lld bytes (maxReceivedFrameSize)",
                       (long long)reader->maxFrameSize);
    }
    bool isContinuation = (first & OPCODE) == CONTINUATION;
    bool isMarked = isContinuation ? reader->isMarked : first & RSV;
    int64_t most = isMarked ? reader->maxMarkedSize : reader->maxMessageSize;
    /* What came before was no more, so that the difference can't overflow. */
    if (length > most - (isContinuation ? reader->messageSize : 0)) {
        return TOO_BIG("message larger than %lld bytes (maxReceivedMessageSize)",
                       (long long)reader->maxMessageSize);
    }
    return ON;
}

/* Note the frame whose payload comes next. */
static void begin(FrameReader *reader, int first, int64_t length)
{
    reader->opcode = first & OPCODE;
    reader->fin = first & FIN;
    reader->rsv = first & RSV;
    reader->length = length;
    if (reader->opcode == CONTINUATION) {
        reader->messageSize += length;
    } else if (!(reader->opcode & CONTROL)) {
        reader->messageOpcode = reader->opcode;
        reader->messageSize = length;
        reader->isMarked = reader->rsv;
        reader->isPlainText = reader->opcode == TEXT && !reader->rsv;
        reader->text = BETWEEN;
    }
}

/* Read a head of which `there` bytes are known, one at least, and tell its size. */
static Progress readHead(FrameReader *reader, Chunk *chunk, const uint8_t *head,
                         size_t there, size_t *size)
{
    if (checkFirst(reader, chunk, head[0]) == OVER) return OVER;
    if (there < 2) return LATER;
    if (checkSecond(reader, chunk, head[0], head[1]) == OVER) return OVER;
    int64_t length = head[1] & LENGTH;
    size_t width = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (there < 2 + width) return LATER;
    if (width > 0 && readLength(reader, chunk, head + 2, width, &length) == OVER) {
        return OVER;
    }
    if (!(head[0] & CONTROL) && checkSize(reader, chunk, head[0], length) == OVER) {
        return OVER;
    }
    *size = 2 + width + (reader->isMasked ? KEY_SIZE : 0);
    if (there < *size) return LATER;
    if (reader->isMasked) {
        memcpy(reader->key, head + 2 + width, KEY_SIZE);
    }
    begin(reader, head[0], length);
    return ON;
}

static void skip(Chunk *chunk, size_t size)
{
    chunk->next += size;
    chunk->left -= size;
}

/* Take a head from the chunk, or from what the last one left and this one adds. */
static Progress takeHead(FrameReader *reader, Chunk *chunk)
{
    const uint8_t *head = chunk->next;
    size_t there = MINIMUM(chunk->left, MAX_HEAD - reader->restSize), size = 0;
    if (reader->restSize > 0) {
        memcpy(reader->rest + reader->restSize, head, there);
        head = reader->rest;
        there += reader->restSize;
    }
    Progress progress = readHead(reader, chunk, head, there, &size);
    if (progress == ON) {
        skip(chunk, size - reader->restSize);
        reader->restSize = 0;
    } else if (progress == LATER) {
        memmove(reader->rest, head, there);
        reader->restSize = there;
    }
    return progress;
}

/* -- Payloads ---------------------------------------------------------------------- */

static uint8_t *octetsOf(PyObject *bytes)
{
    return (uint8_t *)PyBytes_AsString(bytes);
}

/* A text or binary message in a single plain frame comes out as it is. */
static bool isMessage(FrameReader *reader)
{
    return reader->isWhole && reader->fin && !reader->rsv &&
           (reader->opcode == TEXT || reader->opcode == BINARY);
}

static Progress addText(FrameReader *reader, Chunk *chunk, const uint8_t *octets)
{
    PyObject *text =
        PyUnicode_DecodeUTF8((const char *)octets, (Py_ssize_t)reader->length, NULL);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        return NOT_TEXT();
    }
    reader->messageOpcode = 0;
    return add(chunk, text);
}

/* Unmasked on the stack, a small text is made into a string and nothing else. */
#define SMALL 4096

static Progress takeText(FrameReader *reader, Chunk *chunk)
{
    uint8_t plain[SMALL];
    const uint8_t *octets = chunk->next;
    skip(chunk, (size_t)reader->length);
    if (reader->isMasked) {
        copyMasked(plain, octets, (size_t)reader->length, reader->key, 0);
        octets = plain;
    }
    return addText(reader, chunk, octets);
}

/* Deliver the frame whose payload is whole now. */
static Progress finish(FrameReader *reader, Chunk *chunk)
{
    PyObject *payload = reader->payload;
    Progress progress;
    reader->payload = NULL;
    if (reader->opcode & CONTROL) return addFrame(reader, chunk, payload);
    if (reader->fin) {
        reader->messageOpcode = 0;
    }
    if (!isMessage(reader)) {
        if (!reader->fin || !reader->isPlainText || reader->text == BETWEEN) {
            return addFrame(reader, chunk, payload);
        }
        progress = NOT_TEXT();
    } else if (reader->opcode == BINARY) {
        return add(chunk, payload);
    } else {
        progress = addText(reader, chunk, octetsOf(payload));
    }
    Py_DECREF(payload);
    return progress;
}

/* Nothing of such a payload is kept from one chunk to the next. */
static bool isPiece(FrameReader *reader)
{
    return reader->isInPieces && !(reader->opcode & CONTROL);
}

/* Deliver what there is of a payload as a fragment; another one continues it. */
static Progress givePart(FrameReader *reader, Chunk *chunk)
{
    PyObject *part = reader->payload;
    bool fin = reader->fin;
    reader->payload = NULL;
    reader->fin = false;
    Progress progress = addFrame(reader, chunk, part);
    reader->fin = fin;
    reader->opcode = CONTINUATION;
    reader->rsv = 0;
    return progress;
}

/* A payload that arrives in parts gets room for a little, then for eight times what is
   there: what is announced costs nothing. As it never gets more than its own size, it
   fills its room in the end, and is not copied once more. */
#define LEAST_ROOM 1024
#define GROWTH 8

static int64_t roomFor(FrameReader *reader, int64_t needed)
{
    int64_t room = reader->length;
    if (isPiece(reader)) return needed;
    if (room > LEAST_ROOM && room / GROWTH > needed) {
        room = MAXIMUM(LEAST_ROOM, needed * GROWTH);
    }
    return room;
}

static bool makeRoom(FrameReader *reader, int64_t arrived, int64_t needed)
{
    if (reader->payload != NULL && needed <= reader->room) return true;
    int64_t room = roomFor(reader, needed);
    PyObject *payload = (Py_ssize_t)room == room
                            ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room)
                            : PyErr_NoMemory();
    if (payload == NULL) return false;
    if (reader->payload != NULL) {
        memcpy(octetsOf(payload), octetsOf(reader->payload), (size_t)arrived);
        Py_DECREF(reader->payload);
    }
    reader->payload = payload;
    reader->room = room;
    return true;
}

/* Take what the chunk has of a payload. */
static Progress takePart(FrameReader *reader, Chunk *chunk, int64_t missing)
{
    size_t size = (size_t)MINIMUM((uint64_t)missing, chunk->left);
    int64_t arrived = reader->length - missing, kept = isPiece(reader) ? 0 : arrived;
    if (!makeRoom(reader, kept, kept + (int64_t)size)) return OVER;
    uint8_t *part = octetsOf(reader->payload) + kept;
    copyMasked(part, chunk->next, size, reader->isMasked ? reader->key : NULL,
               (size_t)arrived);
    /* A message that is here at once is decoded, which tells as much. */
    bool isDecodedNow = reader->missing == 0 && isMessage(reader);
    if (reader->isPlainText && !(reader->opcode & CONTROL) && !isDecodedNow) {
        reader->text = followText(reader->text, part, size);
        if (reader->text == BAD) return NOT_TEXT();
    }
    skip(chunk, size);
    reader->missing = missing - (int64_t)size;
    if (reader->missing == 0) return finish(reader, chunk);
    return isPiece(reader) ? givePart(reader, chunk) : ON;
}

static Progress takeFrame(FrameReader *reader, Chunk *chunk)
{
    Progress progress = takeHead(reader, chunk);
    if (progress != ON) return progress;
    if (chunk->left < (uint64_t)reader->length) {
        reader->missing = reader->length;
        return ON;
    }
    if (reader->opcode == TEXT && isMessage(reader) &&
        (!reader->isMasked || reader->length <= SMALL)) {
        return takeText(reader, chunk);
    }
    return takePart(reader, chunk, reader->length);
}

/* -- The reader -------------------------------------------------------------------- */

static PyObject *readChunk(FrameReader *reader, const Py_buffer *octets)
{
    Chunk chunk = {octets->buf, (size_t)octets->len, PyList_New(0)};
    Progress progress = chunk.items == NULL ? OVER : ON;
    while (progress == ON && chunk.left > 0) {
        progress = reader->missing > 0 ? takePart(reader, &chunk, reader->missing)
                                       : takeFrame(reader, &chunk);
    }
    if (progress == OVER) {
        /* After an exception, too: nobody knows where the next frame starts. */
        reader->isDeaf = true;
        Py_CLEAR(reader->payload);
        if (PyErr_Occurred()) {
            Py_CLEAR(chunk.items);
        }
    }
    return chunk.items;
}

/* A buffer, or what the garbage collector finds meanwhile, may run any Python code. It
   must not feed a reader that is inside a frame. */
static PyObject *feedAlone(FrameReader *reader, PyObject *chunk)
{
    PyObject *items = NULL;
    Py_buffer octets;
    if (reader->isDeaf) return PyList_New(0);
    if (reader->isFeeding) {
        PyErr_SetString(PyExc_RuntimeError, "this reader is being fed already");
        return NULL;
    }
    reader->isFeeding = true;
    if (PyObject_GetBuffer(chunk, &octets, PyBUF_SIMPLE) == 0) {
        items = readChunk(reader, &octets);
        PyBuffer_Release(&octets);
    }
    reader->isFeeding = false;
    return items;
}

static PyObject *feed(PyObject *self, PyObject *chunk)
{
    PyObject *items;
    LOCKED(self, items = feedAlone((FrameReader *)self, chunk));
    return items;
}

static PyObject *bytesNeeded(PyObject *self, PyObject *Py_UNUSED(none))
{
    int64_t missing = ((FrameReader *)self)->missing;
    return PyLong_FromLongLong(missing > 0 ? missing : 1);
}

/* Read a limit. One of more than 63 bits is beyond all lengths, and so is None. */
static bool readLimit(PyObject *number, int64_t *limit)
{
    int overflow = 1;
    long long value = 0;
    if (number != Py_None) {
        value = PyLong_AsLongLongAndOverflow(number, &overflow);
    }
    *limit = overflow == 0 ? value : overflow > 0 ? INT64_MAX : INT64_MIN;
    return !(value == -1 && PyErr_Occurred());
}

static bool readLimits(FrameReader *reader, PyObject *frameSize, PyObject *messageSize,
                       PyObject *slack)
{
    int64_t more = 0;
    if (!readLimit(frameSize, &reader->maxFrameSize) ||
        !readLimit(messageSize, &reader->maxMessageSize) ||
        (slack != NULL && !readLimit(slack, &more))) {
        return false;
    }
    if (more < 0) {
        PyErr_SetString(PyExc_ValueError, "slack can't be negative");
        return false;
    }
    more = MINIMUM(more, INT64_MAX - MAXIMUM(reader->maxMessageSize, 0));
    reader->maxMarkedSize = reader->maxMessageSize + more;
    return true;
}

static PyObject *newReader(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {
        "masked", "maxFrameSize", "maxMessageSize", "rsv",
        "slack",  "whole",        "pieces",         NULL};
    int masked = -1, rsv = 0, whole = 1, pieces = 0;
    PyObject *frameSize = NULL, *messageSize = NULL, *slack = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$pOOiOpp:FrameReader", names,
                                     &masked, &frameSize, &messageSize, &rsv, &slack,
                                     &whole, &pieces)) {
        return NULL;
    }
    if (masked < 0 || frameSize == NULL || messageSize == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "FrameReader() needs masked, maxFrameSize and maxMessageSize");
        return NULL;
    }
    PyObject *self = PyType_GenericAlloc(type, 0);
    FrameReader *reader = (FrameReader *)self;
    if (self == NULL || !readLimits(reader, frameSize, messageSize, slack)) {
        Py_XDECREF(self);
        return NULL;
    }
    reader->module = PyType_GetModuleState(type);
    reader->rsvAllowed = rsv & RSV;
    reader->isMasked = masked;
    reader->isWhole = whole && !pieces;
    reader->isInPieces = pieces;
    return self;
}

static void freeReader(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(((FrameReader *)self)->payload);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef readerMethods[] = {
    {"feed", feed, METH_O,
     "feed($self, chunk, /)\n--\n\n"
     "Take what the network gave; return, in order, what it completes."},
    {"bytesNeeded", bytesNeeded, METH_NOARGS,
     "bytesNeeded($self, /)\n--\n\n"
     "How many bytes can be fed without going beyond the frame that is arriving."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot readerSlots[] = {
    {Py_tp_doc,
     "FrameReader(*, masked, maxFrameSize, maxMessageSize, rsv=0, slack=0, whole=True, "
     "pieces=False)\n--\n\nCut the bytes of one connection into messages and frames."},
    {Py_tp_new, newReader},
    {Py_tp_dealloc, freeReader},
    {Py_tp_methods, readerMethods},
    {0, NULL},
};

static PyType_Spec readerSpec = {
    .name = "txwebsocket.wire._speedups.FrameReader",
    .basicsize = sizeof(FrameReader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = readerSlots,
};

/* -- The framers ------------------------------------------------------------------- */

/* The arguments of both framers, of which the second is a length or a payload. */
enum { ARG_OPCODE, ARG_BODY, ARG_MASK, ARG_FLAGS, ARGUMENTS };

static const char *const headNames[] = {"opcode", "length", "mask", "flags"};
static const char *const frameNames[] = {"opcode", "payload", "mask", "flags"};

/* The place of an argument by its name; beyond all places if there is none. */
static Py_ssize_t placeOf(const char *const names[], PyObject *name)
{
    Py_ssize_t place = 0;
    while (place < ARGUMENTS &&
           PyUnicode_CompareWithASCIIString(name, names[place]) != 0) {
        place++;
    }
    return place;
}

/* Put the arguments of a call in their places. PyArg_ParseTupleAndKeywords would take
   longer for this than making a frame takes. */
static bool placeArguments(const char *const names[], PyObject *const *args,
                           Py_ssize_t count, PyObject *keywords, PyObject *placed[])
{
    Py_ssize_t all = count + (keywords == NULL ? 0 : PyTuple_Size(keywords));
    for (Py_ssize_t i = 0; i < all; i++) {
        Py_ssize_t place =
            i < count ? i : placeOf(names, PyTuple_GetItem(keywords, i - count));
        if (place >= ARGUMENTS || placed[place] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "a framer takes opcode, %s, mask and flags, each once",
                         names[ARG_BODY]);
            return false;
        }
        placed[place] = args[i];
    }
    if (placed[ARG_OPCODE] == NULL || placed[ARG_BODY] == NULL) {
        PyErr_Format(PyExc_TypeError, "a framer needs opcode and %s", names[ARG_BODY]);
        return false;
    }
    return true;
}

/* A head to be made, but for its length. */
typedef struct {
    uint8_t first;
    uint8_t octets[KEY_SIZE];
    const uint8_t *key; /* NULL if there is no mask */
} Head;

static bool takeFirst(Head *head, PyObject *opcode, PyObject *flags)
{
    long first = PyLong_AsLong(opcode);
    if (first == -1 && PyErr_Occurred()) return false;
    long bits = flags == NULL ? FIN : PyLong_AsLong(flags);
    if (bits == -1 && PyErr_Occurred()) return false;
    if ((first | bits) & ~0xFFL) {
        PyErr_SetString(PyExc_ValueError, "opcode and flags must fit in one byte");
        return false;
    }
    head->first = (uint8_t)(first | bits);
    return true;
}

static bool takeKey(Head *head, PyObject *mask)
{
    Py_buffer octets;
    head->key = NULL;
    if (mask == NULL || (PyBytes_Check(mask) && PyBytes_Size(mask) == 0)) return true;
    if (PyObject_GetBuffer(mask, &octets, PyBUF_SIMPLE) < 0) return false;
    Py_ssize_t size = octets.len;
    if (size == KEY_SIZE) head->key = memcpy(head->octets, octets.buf, KEY_SIZE);
    PyBuffer_Release(&octets);
    if (size == 0 || size == KEY_SIZE) return true;
    PyErr_Format(PyExc_ValueError, "a mask has four bytes, not %zd", size);
    return false;
}

/* Write a head, MAX_HEAD bytes at most; return its size. */
static size_t writeHead(uint8_t *to, const Head *head, uint64_t length)
{
    size_t width = length < 126 ? 0 : length < 0x10000 ? 2 : 8, size = 2;
    to[0] = head->first;
    to[1] = width == 0 ? (uint8_t)length : width == 2 ? 126 : 127;
    while (width > 0) {
        to[size++] = (uint8_t)(length >> 8 * --width);
    }
    if (head->key != NULL) {
        to[1] |= MASKED;
        memcpy(to + size, head->key, KEY_SIZE);
        size += KEY_SIZE;
    }
    return size;
}

static PyObject *encodeHeader(PyObject *Py_UNUSED(self), PyObject *const *args,
                            Py_ssize_t count, PyObject *keywords)
{
    PyObject *placed[ARGUMENTS] = {NULL};
    Head head;
    if (!placeArguments(headNames, args, count, keywords, placed) ||
        !takeFirst(&head, placed[ARG_OPCODE], placed[ARG_FLAGS]) ||
        !takeKey(&head, placed[ARG_MASK])) {
        return NULL;
    }
    long long length = PyLong_AsLongLong(placed[ARG_BODY]);
    if (length < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "a length can't be negative");
        }
        return NULL;
    }
    uint8_t octets[MAX_HEAD];
    size_t size = writeHead(octets, &head, (uint64_t)length);
    return PyBytes_FromStringAndSize((const char *)octets, (Py_ssize_t)size);
}

static PyObject *joinFrame(const Head *head, const Py_buffer *payload)
{
    uint8_t octets[MAX_HEAD];
    size_t size = writeHead(octets, head, (uint64_t)payload->len);
    if (payload->len > PY_SSIZE_T_MAX - MAX_HEAD) return PyErr_NoMemory();
    PyObject *frame = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size + payload->len);
    if (frame != NULL) {
        memcpy(octetsOf(frame), octets, size);
        if (payload->len > 0) {
            copyMasked(octetsOf(frame) + size, payload->buf, (size_t)payload->len,
                       head->key, 0);
        }
    }
    return frame;
}

static PyObject *encodeFrame(PyObject *Py_UNUSED(self), PyObject *const *args,
                             Py_ssize_t count, PyObject *keywords)
{
    PyObject *placed[ARGUMENTS] = {NULL}, *frame = NULL, *text = NULL;
    Head head;
    Py_buffer payload;
    if (!placeArguments(frameNames, args, count, keywords, placed) ||
        !takeFirst(&head, placed[ARG_OPCODE], placed[ARG_FLAGS]) ||
        !takeKey(&head, placed[ARG_MASK])) {
        return NULL;
    }
    PyObject *body = placed[ARG_BODY];
    if (PyUnicode_Check(body)) {
        text = body = PyUnicode_AsUTF8String(body);
    }
    if (body != NULL && PyObject_GetBuffer(body, &payload, PyBUF_SIMPLE) == 0) {
        frame = joinFrame(&head, &payload);
        PyBuffer_Release(&payload);
    }
    Py_XDECREF(text);
    return frame;
}

/* The payload of a message, as long as that lives; false for what has none, and if
   there is an error. */
static bool smallPayload(PyObject *message, uint8_t *opcode, Py_buffer *octets)
{
    if (PyUnicode_Check(message)) {
        *opcode = TEXT;
        if (PyUnicode_GetLength(message) > SMALL) return false;
        octets->buf = (void *)PyUnicode_AsUTF8AndSize(message, &octets->len);
        return octets->buf != NULL;
    }
    *opcode = BINARY;
    if (!PyBytes_Check(message)) return false;
    octets->buf = octetsOf(message);
    octets->len = PyBytes_Size(message);
    return octets->len <= SMALL;
}

/* -- The writer of small messages --------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *nextMask; /* NULL if frames are not masked */
    PyObject *frames;   /* a list; NULL once the garbage collector has cleared it */
    Py_ssize_t size;
    Py_ssize_t messages;
    Py_ssize_t fastPathLimit;
} FrameQueue;

static bool askForKey(FrameQueue *writer, Head *head)
{
    if (writer->nextMask == NULL) return true;
    /* Whatever is asked may do anything, and take another's place as well. */
    PyObject *nextMask = Py_NewRef(writer->nextMask);
    PyObject *mask = PyObject_CallNoArgs(nextMask);
    bool isTaken = mask != NULL && takeKey(head, mask);
    Py_XDECREF(mask);
    Py_DECREF(nextMask);
    return isTaken;
}

static bool appendFrame(FrameQueue *writer, PyObject *frame)
{
    if (writer->frames == NULL) {
        PyErr_SetString(PyExc_AttributeError, "frames");
        return false;
    }
    PyObject *frames = Py_NewRef(writer->frames);
    int status = PyList_Append(frames, frame);
    Py_DECREF(frames);
    return status == 0;
}

/* Python code can set both counts to any number. */
static bool checkCounts(const FrameQueue *writer, Py_ssize_t size)
{
    if (writer->size <= PY_SSIZE_T_MAX - size && writer->messages < PY_SSIZE_T_MAX) {
        return true;
    }
    PyErr_SetString(PyExc_OverflowError, "size and messages must stay below the largest number");
    return false;
}

static bool addMessage(FrameQueue *writer, uint8_t opcode, const Py_buffer *payload)
{
    Head head = {.first = FIN | opcode, .key = NULL};
    if (!askForKey(writer, &head)) return false;
    PyObject *frame = joinFrame(&head, payload);
    if (frame == NULL) return false;
    Py_ssize_t size = PyBytes_Size(frame);
    bool isAdded = checkCounts(writer, size) && appendFrame(writer, frame);
    Py_DECREF(frame);
    if (isAdded) {
        writer->size += size;
        writer->messages++;
    }
    return isAdded;
}

static PyObject *putAlone(FrameQueue *writer, PyObject *message)
{
    Py_buffer payload;
    uint8_t opcode;
    bool isPut = false;
    if (writer->size < writer->fastPathLimit && smallPayload(message, &opcode, &payload)) {
        isPut = addMessage(writer, opcode, &payload);
    }
    return PyErr_Occurred() ? NULL : PyBool_FromLong(isPut);
}

static PyObject *putMessage(PyObject *self, PyObject *message)
{
    PyObject *isPut;
    LOCKED(self, isPut = putAlone((FrameQueue *)self, message));
    return isPut;
}

/* Put a reference, which is given away, in the place of another. What that was the last
   reference to may run any Python code, and finds the new one. */
static void replace(PyObject **place, PyObject *object)
{
    PyObject *before = *place;
    *place = object;
    Py_XDECREF(before);
}

static int startWriter(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"nextMask", NULL};
    FrameQueue *writer = (FrameQueue *)self;
    PyObject *nextMask = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:FrameQueue", names,
                                     &nextMask)) {
        return -1;
    }
    if (nextMask != Py_None && !PyCallable_Check(nextMask)) {
        PyErr_Format(PyExc_TypeError, "nextMask must be callable or None, not %R",
                     nextMask);
        return -1;
    }
    PyObject *frames = PyList_New(0);
    if (frames == NULL) return -1;
    PyObject *asked = nextMask == Py_None ? NULL : Py_NewRef(nextMask);
    LOCKED(self, replace(&writer->frames, frames));
    LOCKED(self, replace(&writer->nextMask, asked));
    return 0;
}

/* A subclass need not call __init__: frames is a list from the start. */
static PyObject *newWriter(PyTypeObject *type, PyObject *Py_UNUSED(args),
                           PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = PyType_GenericAlloc(type, 0);
    if (self == NULL) return NULL;
    ((FrameQueue *)self)->frames = PyList_New(0);
    if (((FrameQueue *)self)->frames == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

static PyObject *getFrames(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *frames;
    LOCKED(self, frames = ((FrameQueue *)self)->frames; Py_XINCREF(frames));
    if (frames == NULL) PyErr_SetString(PyExc_AttributeError, "frames");
    return frames;
}

/* Only a list may be there. This also keeps writers from forming a chain so long that
   freeing it would exhaust the C stack: CPython guards against that in lists. */
static int setFrames(PyObject *self, PyObject *frames, void *Py_UNUSED(closure))
{
    if (frames == NULL) {
        PyErr_SetString(PyExc_AttributeError, "frames can't be deleted");
        return -1;
    }
    if (!PyList_Check(frames)) {
        PyErr_Format(PyExc_TypeError, "frames must be a list, not %R", frames);
        return -1;
    }
    Py_INCREF(frames);
    LOCKED(self, replace(&((FrameQueue *)self)->frames, frames));
    return 0;
}

static int traverseWriter(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((FrameQueue *)self)->nextMask);
    Py_VISIT(((FrameQueue *)self)->frames);
    return 0;
}

static int clearWriter(PyObject *self)
{
    Py_CLEAR(((FrameQueue *)self)->nextMask);
    Py_CLEAR(((FrameQueue *)self)->frames);
    return 0;
}

static void freeWriter(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clearWriter(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef writerMethods[] = {
    {"putMessage", putMessage, METH_O,
     "putMessage($self, message, /)\n--\n\n"
     "Frame a small message: text for str, binary for bytes."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef writerMembers[] = {
    {"size", T_PYSSIZET, offsetof(FrameQueue, size), 0, NULL},
    {"messages", T_PYSSIZET, offsetof(FrameQueue, messages), 0, NULL},
    {"fastPathLimit", T_PYSSIZET, offsetof(FrameQueue, fastPathLimit), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef writerGetSet[] = {
    {"frames", getFrames, setFrames, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot writerSlots[] = {
    {Py_tp_doc, "FrameQueue(nextMask=None)\n--\n\n"
                "Frames that wait to be sent, and the short way for small messages."},
    {Py_tp_new, newWriter},
    {Py_tp_init, startWriter},
    {Py_tp_traverse, traverseWriter},
    {Py_tp_clear, clearWriter},
    {Py_tp_dealloc, freeWriter},
    {Py_tp_methods, writerMethods},
    {Py_tp_members, writerMembers},
    {Py_tp_getset, writerGetSet},
    {0, NULL},
};

static PyType_Spec writerSpec = {
    .name = "txwebsocket.wire._speedups.FrameQueue",
    .basicsize = sizeof(FrameQueue),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = writerSlots,
};

/* -- The module -------------------------------------------------------------------- */

static int addType(PyObject *self, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(self, spec, NULL);
    if (type == NULL) return -1;
    int status = PyModule_AddType(self, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}

static int execute(PyObject *self)
{
    Module *module = PyModule_GetState(self);
    PyObject *frames = PyImport_ImportModule("txwebsocket.wire.frames");
    if (frames == NULL) return -1;
    /* Each error is told: asking on would clear it. */
    bool isComplete =
        (module->closeCode = PyObject_GetAttrString(frames, "CloseCode")) != NULL &&
        (module->failed = PyObject_GetAttrString(frames, "ProtocolFailure")) != NULL &&
        (module->frame = PyObject_GetAttrString(frames, "Frame")) != NULL;
    module->newTuple = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    Py_DECREF(frames);
    if (!isComplete) return -1;
    /* Frames are filled in as tuples are, whatever that name stands for. */
    if (!PyType_Check(module->frame) ||
        !PyType_IsSubtype((PyTypeObject *)module->frame, &PyTuple_Type)) {
        PyErr_SetString(PyExc_ImportError, "Frame must be a subclass of tuple");
        return -1;
    }
    return addType(self, &readerSpec) || addType(self, &writerSpec) ? -1 : 0;
}

static int traverse(PyObject *self, visitproc visit, void *arg)
{
    Module *module = PyModule_GetState(self);
    Py_VISIT(module->closeCode);
    Py_VISIT(module->failed);
    Py_VISIT(module->frame);
    return 0;
}

static void freeModule(void *self)
{
    Module *module = PyModule_GetState(self);
    Py_CLEAR(module->closeCode);
    Py_CLEAR(module->failed);
    Py_CLEAR(module->frame);
}

#define FRAMER(function) \
    (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

static PyMethodDef moduleMethods[] = {
    {"encodeHeader", FRAMER(encodeHeader),
     "encodeHeader(opcode, length, mask=b'', flags=128)\n--\n\n"
     "Make the head of a frame, for a payload that is sent beside it."},
    {"encodeFrame", FRAMER(encodeFrame),
     "encodeFrame(opcode, payload, mask=b'', flags=128)\n--\n\n"
     "Make a whole frame; the parameters are those of encodeHeader."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot moduleSlots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef moduleDefinition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "txwebsocket.wire._speedups",
    .m_doc = "The native twin of txwebsocket.wire.frames.",
    .m_size = sizeof(Module),
    .m_methods = moduleMethods,
    .m_slots = moduleSlots,
    .m_traverse = traverse,
    .m_free = freeModule,
};

PyMODINIT_FUNC PyInit__speedups(void)
{
    return PyModuleDef_Init(&moduleDefinition);
}

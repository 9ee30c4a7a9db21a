/* Part of txwebsocket. See LICENSE for details.

   Puts load on a WebSocket server, and counts what comes back: one thread, with epoll.

       cc -O2 -o wsload wsload.c -lz
       wsload [OPTION...] HOST PORT [PATH]

   It is made so that the server is what limits: a frame is built once and sent over and
   over, replies are counted but not looked into, and nothing is allocated for a
   message. Options, with their defaults:

       -m echo      each connection keeps DEPTH messages in flight, which the server
                    sends back (the default)
       -m fanout    one message is sent, and the next when each connection has it
       -m connect   a connection is opened and closed, and then the next
       -m idle      CONNECTIONS are opened, and kept for SECONDS
       -c CONNECTIONS (1)
       -s SIZE      bytes of a message (32)
       -d DEPTH     (1)
       -t SECONDS   to measure, after half a second that does not count (3)
       -b           binary messages; otherwise they are text
       -z           offer permessage-deflate, and send compressed messages
       -f SIZE      send messages in fragments of this size
       -P PID       tell the resident memory of a process before and after

   What it prints is one line of key=value: mode, conns, size, depth, msgs, seconds,
   rate (messages received in a second), mbytes_s, p50_us and p99_us (time until a
   reply, if DEPTH is 1), and with -P rss_before_kb and rss_after_kb. The status is 0, 1
   if something failed, 2 if the server closed a connection, 3 if it does not compress,
   and 64 if the command line is wrong. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { FAILED = 1, CLOSED = 2, NOT_COMPRESSED = 3, WRONG_USAGE = 64 };
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8 };
enum { MAX_HEAD = 14, MAX_EVENTS = 256, MAX_TIMES = 1 << 22 };
#define WARM_UP 0.5

static const char *mode = "echo", *host, *port, *path = "/";
static int connections = 1, depth = 1, fragmentSize, process;
static bool isBinary, isCompressed;
static size_t messageSize = 32;
static double seconds = 3;

typedef struct {
    int descriptor;
    uint8_t head[MAX_HEAD]; /* as far as it has arrived */
    unsigned headSize;
    uint64_t payloadLeft; /* bytes of this frame that are still to come */
    int opcode;
    bool isLast;
    size_t outLeft; /* bytes that are still to be written */
    size_t outAt;   /* where in the burst they begin */
    bool isWaiting; /* for room to write */
    double sentAt;
} Connection;

static Connection *all;
static uint8_t *burst; /* DEPTH times the same message, framed and masked */
static size_t framedSize, burstSize;
static int poller;
static uint64_t received;
static uint32_t *times;
static size_t timed;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void giveUp(int status, const char *what, const char *why)
{
    fprintf(stderr, "wsload: %s: %.80s\n", what, why);
    exit(status);
}

static void fail(const char *what)
{
    giveUp(FAILED, what, errno ? strerror(errno) : "failed");
}

static void *take(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (memory == NULL) fail("memory");
    return memory;
}

static void note(double since)
{
    if (timed < MAX_TIMES) times[timed++] = (now() - since) * 1e6;
}

static long residentKiB(void)
{
    char name[64], line[256];
    long found = -1;
    snprintf(name, sizeof name, "/proc/%d/status", process);
    FILE *file = fopen(name, "r");
    if (file == NULL) fail(name);
    while (found < 0 && fgets(line, sizeof line, file)) {
        sscanf(line, "VmRSS: %ld", &found);
    }
    fclose(file);
    return found;
}

/* -- The opening ------------------------------------------------------------------- */

static int dial(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, port, &hints, &found)) fail("getaddrinfo");
    int descriptor = socket(found->ai_family, SOCK_STREAM, 0);
    if (descriptor < 0 || connect(descriptor, found->ai_addr, found->ai_addrlen)) {
        fail("connect");
    }
    freeaddrinfo(found);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return descriptor;
}

static void ask(int descriptor)
{
    char request[1024];
    int size = snprintf(
        request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        path, host, port,
        isCompressed ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
    if (write(descriptor, request, size) != size) fail("write the request");
}

static int openOne(void)
{
    char reply[8192];
    size_t size = 0;
    int descriptor = dial();
    ask(descriptor);
    do { /* byte by byte, to leave the frames behind it unread */
        if (size == sizeof reply - 1) giveUp(FAILED, "the reply is too long", reply);
        if (read(descriptor, reply + size, 1) <= 0) fail("read the reply");
        reply[++size] = 0;
    } while (size < 4 || memcmp(reply + size - 4, "\r\n\r\n", 4));
    if (strncmp(reply, "HTTP/1.1 101", 12)) giveUp(FAILED, "refused", reply);
    if (isCompressed && !strcasestr(reply, "permessage-deflate")) {
        giveUp(NOT_COMPRESSED, "not compressed", reply);
    }
    return descriptor;
}

static void openAll(void)
{
    all = take(connections * sizeof *all);
    poller = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        Connection *one = &all[i];
        one->descriptor = openOne();
        fcntl(one->descriptor, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, one->descriptor, &event)) fail("epoll");
    }
}

/* -- What is sent ------------------------------------------------------------------ */

static size_t frame(uint8_t *to, int first, const uint8_t *payload, size_t size)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t *at = to;
    int octets = size < 126 ? 0 : size < 65536 ? 2 : 8;
    *at++ = first;
    *at++ = 0x80 | (octets == 0 ? size : octets == 2 ? 126 : 127);
    while (octets--) *at++ = (uint64_t)size >> 8 * octets;
    memcpy(at, mask, sizeof mask);
    at += sizeof mask;
    for (size_t i = 0; i < size; i++) at[i] = payload[i] ^ mask[i & 3];
    return at + size - to;
}

static uint8_t *makeMessage(void)
{
    static const char text[] =
        "{\"symbol\":\"ACME\",\"price\":102.57,\"volume\":3100,\"side\":\"buy\"} ";
    uint8_t *message = take(messageSize);
    for (size_t i = 0; i < messageSize; i++) {
        uint8_t character = text[i % (sizeof text - 1)];
        message[i] = isBinary ? i * 131 + (i >> 8) : character;
    }
    return message;
}

static uint8_t *compressMessage(uint8_t *message, size_t *size)
{
    z_stream stream = {0};
    size_t room = *size * 2 + 64;
    uint8_t *made = take(room);
    deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = message;
    stream.avail_in = *size;
    stream.next_out = made;
    stream.avail_out = room;
    deflate(&stream, Z_SYNC_FLUSH);
    *size = stream.total_out - 4; /* RFC 7692, 7.2.1 */
    deflateEnd(&stream);
    return made;
}

static void makeBurst(void)
{
    size_t size = messageSize;
    uint8_t *payload = makeMessage();
    if (isCompressed) payload = compressMessage(payload, &size);
    size_t piece = fragmentSize ? (size_t)fragmentSize : size;
    uint8_t *one = take(size + MAX_HEAD * (piece ? size / piece + 2 : 1));
    size_t at = 0;
    do {
        size_t rest = size - at < piece ? size - at : piece;
        int first = at ? CONTINUATION : isBinary ? BINARY : TEXT;
        if (isCompressed && at == 0) first |= 0x40;
        if (at + rest == size) first |= 0x80;
        framedSize += frame(one + framedSize, first, payload + at, rest);
        at += rest;
    } while (at < size);
    burstSize = framedSize * depth;
    burst = take(burstSize);
    for (int i = 0; i < depth; i++) memcpy(burst + i * framedSize, one, framedSize);
}

static void waitToWrite(Connection *one, bool isWaiting)
{
    uint32_t events = isWaiting ? EPOLLIN | EPOLLOUT : EPOLLIN;
    struct epoll_event event = {.events = events, .data.ptr = one};
    one->isWaiting = isWaiting;
    epoll_ctl(poller, EPOLL_CTL_MOD, one->descriptor, &event);
}

static void flush(Connection *one)
{
    while (one->outLeft) {
        size_t size = burstSize - one->outAt;
        if (size > one->outLeft) size = one->outLeft;
        ssize_t written = write(one->descriptor, burst + one->outAt, size);
        if (written < 0) {
            if (errno != EAGAIN) fail("write");
            if (!one->isWaiting) waitToWrite(one, true);
            return;
        }
        one->outLeft -= written;
        one->outAt = (one->outAt + written) % burstSize;
    }
    if (one->isWaiting) waitToWrite(one, false);
}

static void sendMessages(Connection *one, int count)
{
    one->outLeft += count * framedSize;
    one->sentAt = now();
    flush(one);
}

/* -- What comes back --------------------------------------------------------------- */

static unsigned wantedHead(const Connection *one)
{
    if (one->headSize < 2) return 2;
    int length = one->head[1] & 127;
    return length == 126 ? 4 : length == 127 ? 10 : 2;
}

static void beginFrame(Connection *one)
{
    uint64_t length = one->head[1] & 127;
    if (one->headSize > 2) {
        length = 0;
        for (unsigned i = 2; i < one->headSize; i++) {
            length = length << 8 | one->head[i];
        }
    }
    one->isLast = one->head[0] >> 7;
    one->opcode = one->head[0] & 15;
    one->headSize = 0;
    one->payloadLeft = length;
    if (one->opcode == CLOSE) giveUp(CLOSED, "the server", "closed a connection");
}

/* Count the messages that a chunk completes. */
static int consume(Connection *one, const uint8_t *chunk, size_t size)
{
    int count = 0;
    while (size) {
        size_t step = 1;
        if (one->payloadLeft) {
            step = size < one->payloadLeft ? size : one->payloadLeft;
            one->payloadLeft -= step;
        } else {
            one->head[one->headSize++] = *chunk;
            if (one->headSize == wantedHead(one)) beginFrame(one);
        }
        chunk += step;
        size -= step;
        if (one->headSize == 0 && one->payloadLeft == 0) {
            count += one->isLast && one->opcode < CLOSE;
        }
    }
    return count;
}

static int receive(Connection *one)
{
    static uint8_t buffer[1 << 18];
    ssize_t size = read(one->descriptor, buffer, sizeof buffer);
    if (size == 0) giveUp(CLOSED, "the server", "ended a connection");
    if (size < 0 && errno != EAGAIN) fail("read");
    return size < 0 ? 0 : consume(one, buffer, size);
}

/* -- The modes, each of which returns the seconds that count ----------------------- */

/* A message has come back, to one of those that wait for it: what is sent next. */
static void answer(Connection *one, int count, bool isFanout)
{
    static int waiting;
    if (!isFanout) {
        if (depth == 1) note(one->sentAt);
        sendMessages(one, count);
        return;
    }
    if (waiting == 0) waiting = connections;
    waiting -= count;
    if (waiting == 0) {
        note(all[0].sentAt);
        sendMessages(&all[0], 1);
    }
}

static double exchange(bool isFanout)
{
    struct epoll_event events[MAX_EVENTS];
    openAll();
    for (int i = 0; i < (isFanout ? 1 : connections); i++) {
        sendMessages(&all[i], isFanout ? 1 : depth);
    }
    double begin = now() + WARM_UP, end = begin + seconds, time;
    bool isMeasuring = false;
    while ((time = now()) < end) {
        if (!isMeasuring && time >= begin) {
            isMeasuring = true;
            received = timed = 0;
            begin = time;
        }
        int ready = epoll_wait(poller, events, MAX_EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            Connection *one = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) flush(one);
            if (!(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
            int count = receive(one);
            received += count;
            if (count) answer(one, count, isFanout);
        }
    }
    return now() - begin;
}

static double connectAgainAndAgain(void)
{
    static const uint8_t bye[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
    char rest[256];
    double begin = now();
    while (now() < begin + seconds) {
        double started = now();
        int descriptor = openOne();
        if (write(descriptor, bye, sizeof bye) < 0) fail("write a close");
        while (read(descriptor, rest, sizeof rest) > 0) continue;
        close(descriptor);
        note(started);
        received++;
    }
    return now() - begin;
}

static double stay(void)
{
    double begin = now();
    openAll();
    double took = now() - begin;
    received = connections;
    usleep(seconds * 1e6);
    return took;
}

static double putLoad(void)
{
    if (!strcmp(mode, "echo")) return exchange(false);
    if (!strcmp(mode, "fanout")) return exchange(true);
    if (!strcmp(mode, "connect")) return connectAgainAndAgain();
    if (!strcmp(mode, "idle")) return stay();
    giveUp(WRONG_USAGE, "there is no mode", mode);
    return 0;
}

/* -- The command line -------------------------------------------------------------- */

static void wrongUsage(void)
{
    giveUp(WRONG_USAGE, "usage", "wsload [OPTION...] HOST PORT [PATH]");
}

static void readOptions(int count, char **words)
{
    int option;
    while ((option = getopt(count, words, "m:c:s:d:t:bzf:P:")) != -1) {
        switch (option) {
        case 'm': mode = optarg; break;
        case 'c': connections = atoi(optarg); break;
        case 's': messageSize = strtoull(optarg, NULL, 10); break;
        case 'd': depth = atoi(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'b': isBinary = true; break;
        case 'z': isCompressed = true; break;
        case 'f': fragmentSize = atoi(optarg); break;
        case 'P': process = atoi(optarg); break;
        default: wrongUsage();
        }
    }
    if (count - optind < 2 || depth < 1 || connections < 1 || fragmentSize < 0) {
        wrongUsage();
    }
    host = words[optind];
    port = words[optind + 1];
    if (count - optind > 2) path = words[optind + 2];
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void printResult(double took)
{
    qsort(times, timed, sizeof *times, compare);
    printf("mode=%s conns=%d size=%zu depth=%d msgs=%llu seconds=%.3f rate=%.0f "
           "mbytes_s=%.1f p50_us=%u p99_us=%u",
           mode, connections, messageSize, depth, (unsigned long long)received, took,
           received / took, received * (double)messageSize / took / 1e6,
           timed ? times[timed / 2] : 0, timed ? times[timed * 99 / 100] : 0);
}

int main(int count, char **words)
{
    readOptions(count, words);
    times = take(MAX_TIMES * sizeof *times);
    makeBurst();
    long before = process ? residentKiB() : 0;
    printResult(putLoad());
    if (process) printf(" rss_before_kb=%ld rss_after_kb=%ld", before, residentKiB());
    printf("\n");
    return 0;
}

/* wsload: load one WebSocket server, check what it answers, and say what that cost it.
 *
 *     wsload mode=echo port=9001 pids=4242 send=message.bin expect=payload.bin connections=64
 *
 * The bytes to send are prepared by who calls: `send` is one whole message as masked frames, and
 * `expect` the payload that has to come back, so that nothing here frames, masks or compresses. One
 * thread, one epoll. What it prints is one line of JSON: {"error": ...} where anything went wrong.
 *
 *     echo       keep `flight` messages on their way on each connection
 *     raw        the same without WebSocket: every byte comes back as it was sent
 *     broadcast  the first connection sends, and all of them get it
 *     handshake  connect, upgrade, close and begin again, on each connection
 *     idle       connect, echo `send` once where it is given, and then do nothing
 *
 * Replies that are compressed are counted; those of the first connection are kept in `capture`. So
 * many `greetings`, messages that a server sends of itself when it is connected to, are passed over.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wsload.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="    /* RFC 6455, 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
/* a reply may be as long as the last one, so whose window is larger would have less to do */
#define OFFER "Sec-WebSocket-Extensions: permessage-deflate; " \
              "client_max_window_bits=12; server_max_window_bits=12\r\n"
#define CLOSE "\x88\x82\0\0\0\0\x03\xe8" /* 1000; a masking key of zeros masks nothing */
#define PATIENCE 30                       /* seconds without anything */
#define AT_ONCE 4                         /* connections that are opening: some backlogs are 5 */
#define PER_SOURCE 10000                  /* connections from one address: ports are few */
#define CHUNK (256 * 1024)
#define PLENTY (2LL << 30)                /* bytes that are enough, however many are under way */
#define HEAD 4096

enum { UNUSED, OPENING, OPEN, CLOSING };

struct connection {
    int fd, state, listening_for; /* EPOLLOUT too where the kernel took less than it was given */
    uint64_t pending, sent;       /* bytes of messages that have to leave, and that have left */
    uint64_t left, at;            /* bytes left of this frame, and received of this message */
    unsigned char header[10];
    int have, opcode, begun, greetings; /* so many of them are still to come */
    char *head; /* the opening handshake so far */
    int head_length;
    double since;
};

static struct connection *connections;
static struct bytes message, expected, burst;
static char chunk[CHUNK], request[512];
static long opening, opened, answered, started, late_opened;
static uint64_t messages, handshakes;
static int epoll;
static double slowest;
static FILE *capture;

static void listen_for(struct connection *c, int events) {
    if (c->listening_for == events) return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, c->listening_for ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
    c->listening_for = events;
}

static void give(struct connection *c, const char *data, size_t length) {
    if (send(c->fd, data, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail("a short message could not be sent");
}

/* Write what is pending: the messages, one after another, are one long repetition. */
static void flush(struct connection *c) {
    while (c->pending) {
        size_t offset = c->sent % message.length, whole = burst.length - offset;
        size_t length = c->pending < whole ? c->pending : whole;
        ssize_t done = send(c->fd, burst.data + offset, length, MSG_NOSIGNAL);
        if (done < 0 && errno != EAGAIN) fail("send: %s", strerror(errno));
        if (done < 0) break;
        c->sent += done;
        c->pending -= done;
    }
    listen_for(c, c->pending ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void say(struct connection *c, long count) {
    c->pending += count * message.length;
    flush(c);
}

static void begin(struct connection *c) {
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(ask.port)}, own = peer;
    int yes = 1;
    memset(c, 0, sizeof *c);
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (started + handshakes) / PER_SOURCE % 250);
    own.sin_port = 0;
    c->state = OPENING;
    c->greetings = ask.greetings;
    c->since = now();
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (bind(c->fd, (struct sockaddr *)&own, sizeof own)) fail("bind: %s", strerror(errno));
    if (connect(c->fd, (struct sockaddr *)&peer, sizeof peer) && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    opening++;
    listen_for(c, EPOLLOUT);
}

static void finish(struct connection *c) {
    close(c->fd);
    c->state = UNUSED;
}

static void is_open(struct connection *c) {
    c->state = OPEN;
    opening--;
    if (c - connections >= ask.connections) {
        double took = now() - c->since;
        if (took > slowest) slowest = took;
        late_opened++;
        finish(c);
    } else if (handshake) {
        c->state = CLOSING;
        give(c, CLOSE, sizeof CLOSE - 1);
    } else {
        opened++;
        if (idle && message.length) say(c, 1);
    }
}

/* Read the answer to the opening handshake; return how much of *data* was of it. */
static size_t open_with(struct connection *c, const char *data, size_t length) {
    if (!c->head) c->head = malloc(HEAD);
    for (size_t i = 0; i < length; i++) {
        if (c->head_length == HEAD - 1) fail("an endless answer");
        c->head[c->head_length++] = data[i];
        c->head[c->head_length] = 0;
        if (c->head_length < 4 || memcmp(c->head + c->head_length - 4, "\r\n\r\n", 4)) continue;
        if (strncmp(c->head, "HTTP/1.1 101 ", 13)) fail("refused: %.12s", c->head);
        if (!strstr(c->head, ACCEPT)) fail("a wrong Sec-WebSocket-Accept");
        if (!strcasestr(c->head, "permessage-deflate") != !ask.offer) fail("no permessage-deflate");
        free(c->head);
        c->head = NULL;
        is_open(c);
        return i + 1;
    }
    return length;
}

/* Count a message that ended; return 0 where it was a greeting. */
static int got_message(struct connection *c) {
    if (c->greetings) {
        c->greetings--;
        c->at = c->begun = 0;
        return 0;
    }
    if (!ask.offer && c->at != expected.length)
        fail("%llu bytes came back", (unsigned long long)c->at);
    c->at = c->begun = 0;
    messages++;
    answered++;
    return 1;
}

/* Return how long the header of the frame is, as far as what is here of it tells. */
static int header_length(struct connection *c) {
    if (c->have < 2) return 2;
    return c->header[1] == 126 ? 4 : c->header[1] == 127 ? 10 : 2;
}

/* Take the header of a frame; return how much of *data* is of it, and begin the frame if whole. */
static size_t head_of(struct connection *c, const unsigned char *data, size_t length) {
    size_t used = 0;
    while (used < length && c->have < header_length(c)) c->header[c->have++] = data[used++];
    if (c->have < header_length(c)) return used;
    c->left = c->have > 2 ? 0 : c->header[1];
    for (int i = 2; i < c->have; i++) c->left = c->left << 8 | c->header[i];
    c->opcode = c->header[0] & 15;
    if (c->header[1] > 127) fail("a masked frame");
    if (c->opcode < 8 && !c->greetings && c->opcode != (c->begun ? 0 : ask.opcode))
        fail("opcode %d", c->opcode);
    if (c->opcode < 8 && !c->greetings && !c->begun && !(c->header[0] & 64) != !ask.offer) fail("RSV1 is wrong");
    if (c->opcode < 8) c->begun = 1;
    return used;
}

/* Take frames, or parts of them, from *data*; return how many messages ended. */
static long frames(struct connection *c, const char *data, size_t length) {
    long ended = 0;
    for (size_t used = 0; used < length;) {
        if (!c->left) {
            used += head_of(c, (const unsigned char *)data + used, length - used);
            if (c->have < header_length(c)) break;
        }
        size_t part = length - used < c->left ? length - used : c->left;
        if (c->opcode == 8)
            fail("the server closed: %d",
                 part < 2 ? 1005 : (data[used] & 255) << 8 | (data[used + 1] & 255));
        if (c->opcode < 8 && !ask.offer && !c->greetings &&
            (c->at + part > expected.length || memcmp(expected.data + c->at, data + used, part)))
            fail("a reply differs");
        if (c->opcode < 8) c->at += part;
        c->left -= part;
        used += part;
        if (c->left) break;
        c->have = 0;
        if (c->opcode < 8 && c->header[0] & 128) ended += got_message(c);
    }
    return ended;
}

/* Take bytes of messages that come back as they went; return how many ended. */
static long echoes(struct connection *c, const char *data, size_t length) {
    uint64_t before = c->at / message.length;
    for (size_t used = 0, part; used < length; used += part) {
        size_t offset = (c->at + used) % message.length;
        part = length - used < burst.length - offset ? length - used : burst.length - offset;
        if (memcmp(burst.data + offset, data + used, part)) fail("a reply differs");
    }
    c->at += length;
    messages += c->at / message.length - before;
    return c->at / message.length - before;
}

static void take(struct connection *c, const char *data, size_t length) {
    if (c->state == OPENING) {
        size_t used = open_with(c, data, length);
        data += used;
        length -= used;
    }
    if (c->state == UNUSED || !length) return;
    if (c->state == CLOSING && !c->begun++ && (unsigned char)*data != 0x88) fail("no close frame");
    if (c->state == CLOSING) return;
    if (capture && c == connections && ftell(capture) < CHUNK) fwrite(data, 1, length, capture);
    long ended = raw ? echoes(c, data, length) : frames(c, data, length);
    if (!broadcast && !idle && ended) say(c, ended);
    for (; broadcast && answered >= ask.connections; answered -= ask.connections)
        say(connections, 1);
}

static void readable(struct connection *c) {
    ssize_t length;
    do {
        length = recv(c->fd, chunk, CHUNK, 0);
        if (length > 0) take(c, chunk, length);
    } while (length == CHUNK && c->state != UNUSED);
    if (length > 0 || (length < 0 && errno == EAGAIN)) return;
    if (length < 0 || c->state != CLOSING) fail("the server went away");
    handshakes++;
    finish(c);
    begin(c);
}

static void writable(struct connection *c) {
    int error = 0;
    socklen_t length = sizeof error;
    if (c->state != OPENING) {
        flush(c);
        return;
    }
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) fail("connect: %s", strerror(error));
    listen_for(c, EPOLLIN);
    if (raw)
        is_open(c);
    else
        give(c, request, strlen(request));
}

static void turn(int wait) {
    struct epoll_event events[512];
    int count = epoll_wait(epoll, events, 512, wait);
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        if (events[i].events & EPOLLOUT) writable(c);
        if (c->state != UNUSED && events[i].events & ~EPOLLOUT) readable(c);
    }
}

static void go_on(double seconds) {
    for (double end = now() + seconds; now() < end;) turn(10);
}

static uint64_t done(void) { return messages + handshakes; }

/* Go on to the end of a message, for at least *seconds* and until *count* more of them are done;
 * meanwhile open *late* more connections, one after another, as far as PATIENCE goes. */
static void measure(double seconds, uint64_t count, long late) {
    double end = now() + seconds, limit = end + PATIENCE, since;
    uint64_t before = done(), last;
    while (now() < end || done() - before < count || (late_opened < late && now() < limit)) {
        if (late_opened < late && !opening) begin(connections + ask.connections);
        for (last = done(), since = now(); done() == last; turn(10))
            if (now() > since + PATIENCE) fail("no answer");
    }
}

static void open_all(long count) {
    double limit = now() + PATIENCE;
    while (handshake ? started < count : opened < count) {
        long before = opened;
        while (started < count && opening < AT_ONCE) begin(connections + started++);
        turn(10);
        if (opened > before) limit = now() + PATIENCE;
        if (now() > limit) fail("%ld of %ld connections opened", opened, count);
    }
}

/* Measure what is resident for each of many connections that do nothing. */
static void measure_memory(void) {
    long first = ask.connections / 50 + 1; /* after these, what is made but once is made */
    if (first >= ask.connections) fail("too few connections to tell what each takes");
    open_all(first);
    go_on(ask.warm);
    double before = used_by_server(resident_bytes);
    open_all(ask.connections);
    double limit = now() + PATIENCE;
    while (message.length && messages < (uint64_t)ask.connections) {
        turn(10);
        if (now() > limit) fail("no answer");
    }
    go_on(ask.seconds);
    double more = used_by_server(resident_bytes) - before;
    printf("{\"bytes_each\": %.1f}\n", more / (ask.connections - first));
}

/* Two rounds of all that is under way, which evens out how far each has come; or PLENTY. */
static uint64_t enough(void) {
    uint64_t rounds = 2 * ask.connections * ask.flight, one = message.length + 1;
    uint64_t least = 2 * ask.connections, plenty = PLENTY / one;
    return rounds * one < PLENTY ? rounds : plenty > least ? plenty : least;
}

static void measure_time(void) {
    open_all(ask.connections);
    if (broadcast) {
        go_on(ask.warm); /* a server may count those in after it has answered them */
        say(connections, ask.flight);
    } else if (!handshake)
        for (long i = 0; i < ask.connections; i++) say(connections + i, ask.flight);
    measure(ask.warm, 1, 0);
    uint64_t before = done();
    double start = now(), cpu = used_by_server(processor_time);
    measure(ask.seconds, enough(), ask.late);
    cpu = used_by_server(processor_time) - cpu;
    if (ask.late && opening && now() - connections[ask.connections].since > slowest)
        slowest = now() - connections[ask.connections].since;
    printf("{\"messages\": %llu, \"seconds\": %.6f, \"cpu\": %.9f, \"late\": %ld, "
           "\"slowest\": %.6f}\n",
           (unsigned long long)(done() - before), now() - start, cpu, late_opened, slowest);
}

static void prepare(void) {
    if (*ask.send) message = read_file(ask.send);
    if (*ask.expect) expected = read_file(ask.expect);
    if (*ask.capture && !(capture = fopen(ask.capture, "wb"))) fail("cannot write the capture");
    if (!message.length && !handshake && !idle) fail("nothing to send");
    burst.length = message.length * ask.flight;
    burst.data = malloc(burst.length + 1);
    for (long i = 0; i < ask.flight && message.length; i++)
        memcpy(burst.data + i * message.length, message.data, message.length);
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
             "Sec-WebSocket-Version: 13\r\n%s\r\n",
             ask.path, ask.port, ask.offer ? OFFER : "");
    connections = calloc(ask.connections + 1, sizeof *connections);
    epoll = epoll_create1(0);
}

int main(int count, char **words) {
    (void)count;
    read_arguments(words);
    prepare();
    if (idle)
        measure_memory();
    else
        measure_time();
    return 0;
}

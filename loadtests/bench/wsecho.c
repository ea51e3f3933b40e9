/* wsecho: an echo server that is the kernel's cost and little else; the fixed end of the clients.
 *
 *     wsecho 9001        a WebSocket server that trusts its peers: no UTF-8, no limits, no pings
 *     wsecho 9001 raw    the bytes that come, as they come
 *
 * One thread, one epoll. It prints "listening" once it does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define CHUNK (256 * 1024)

struct buffer {
    unsigned char *data;
    size_t length, room;
};

struct connection {
    int fd, open, writing;
    struct buffer in, out; /* what is not whole yet, and what the kernel did not take */
};

static int epoll, raw;
static unsigned char chunk[CHUNK];
static struct buffer replies;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void append(struct buffer *buffer, const void *data, size_t length) {
    if (buffer->length + length > buffer->room) {
        buffer->room = (buffer->length + length) * 2;
        if (!(buffer->data = realloc(buffer->data, buffer->room))) die("realloc");
    }
    if (length) memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

/* An idle connection keeps no buffer. */
static void drop(struct buffer *buffer, size_t length) {
    buffer->length -= length;
    if (buffer->length) {
        memmove(buffer->data, buffer->data + length, buffer->length);
    } else {
        free(buffer->data);
        *buffer = (struct buffer){0};
    }
}

static uint32_t rotate(uint32_t word, int by) { return word << by | word >> (32 - by); }

static void sha1_block(uint32_t *state, const unsigned char *block) {
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                              : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = rotate(a, 5) + f + e + w[i];
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

/* Write the Sec-WebSocket-Accept for a key of 24 characters: 60 bytes hashed, as two blocks. */
static void accept_of(const char *key, char *accept) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char blocks[128] = {0}, hash[21] = {0};
    memcpy(blocks, key, 24);
    memcpy(blocks + 24, GUID, 36);
    blocks[60] = 0x80;
    blocks[126] = 60 * 8 >> 8;
    blocks[127] = 60 * 8 & 255;
    sha1_block(state, blocks);
    sha1_block(state, blocks + 64);
    for (int i = 0; i < 20; i++) hash[i] = state[i / 4] >> (24 - i % 4 * 8);
    for (int i = 0; i < 7; i++) {
        uint32_t three = hash[3 * i] << 16 | hash[3 * i + 1] << 8 | hash[3 * i + 2];
        for (int j = 0; j < 4; j++) *accept++ = digits[three >> (18 - 6 * j) & 63];
    }
    strcpy(accept - 1, "=");
}

/* Answer the opening handshake where it is whole; return its length, or 0. */
static size_t answer(char *head, size_t length) {
    char accept[32], text[160];
    char *end = memmem(head, length, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *key = strcasestr(head, "sec-websocket-key:");
    if (!key) return 0;
    accept_of(key + 18 + strspn(key + 18, " "), accept);
    int wrote = snprintf(text, sizeof text,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    append(&replies, text, wrote);
    return end + 4 - head;
}

static void unmask(unsigned char *data, size_t length, const unsigned char *key) {
    uint64_t word, wide;
    size_t i = 0;
    memcpy(&wide, key, 4);
    memcpy((char *)&wide + 4, key, 4);
    for (; i + 8 <= length; i += 8) {
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(data + i, &word, 8);
    }
    for (; i < length; i++) data[i] ^= key[i & 3];
}

/* Answer the frame that begins *data* where it is whole; return its length, or 0. */
static size_t frame(unsigned char *data, size_t length) {
    if (length < 2) return 0;
    int extended = (data[1] & 127) == 126 ? 2 : (data[1] & 127) == 127 ? 8 : 0;
    size_t header = 2 + extended + 4;
    if (length < header) return 0;
    uint64_t size = extended ? 0 : data[1] & 127;
    for (int i = 0; i < extended; i++) size = size << 8 | data[2 + i];
    if (length - header < size) return 0;
    unmask(data + header, size, data + header - 4);
    data[1] &= 127;
    append(&replies, data, 2 + extended);
    append(&replies, data + header, size);
    return header + size;
}

static void finish(struct connection *c) {
    replies.length = 0; /* what could not be sent is nobody else's */
    close(c->fd);
    free(c->in.data);
    free(c->out.data);
    free(c);
}

/* Write *buffer*; what the kernel does not take goes to, or stays in, the connection's own. */
static int write_out(struct connection *c, struct buffer *buffer) {
    ssize_t done = send(c->fd, buffer->data, buffer->length, MSG_NOSIGNAL);
    if (done < 0 && errno != EAGAIN) return 0;
    if (done < 0) done = 0;
    if (buffer == &c->out) {
        drop(buffer, done);
    } else {
        append(&c->out, buffer->data + done, buffer->length - done);
        buffer->length = 0;
    }
    if (c->writing != (c->out.length > 0)) { /* it reads no more than it can write */
        c->writing = !c->writing;
        struct epoll_event event = {.events = c->writing ? EPOLLOUT : EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
    }
    return 1;
}

/* Answer what is whole of *data*, and return how much that was; closed says if the peer closes. */
static size_t answers(struct connection *c, unsigned char *data, size_t length, int *closed) {
    size_t used = 0, more;
    if (!c->open && !(c->open = (used = answer((char *)data, length)) > 0)) return 0;
    for (; (more = frame(data + used, length - used)) && !*closed; used += more)
        *closed = (data[used] & 15) == 8;
    return used;
}

static int readable(struct connection *c) {
    ssize_t length = recv(c->fd, chunk, CHUNK, 0);
    if (length <= 0) return length < 0 && errno == EAGAIN;
    int closed = 0;
    if (raw) {
        append(&replies, chunk, length);
    } else if (c->in.length) {
        append(&c->in, chunk, length);
        drop(&c->in, answers(c, c->in.data, c->in.length, &closed));
    } else {
        size_t used = answers(c, chunk, length, &closed);
        append(&c->in, chunk + used, length - used);
    }
    return (!replies.length || write_out(c, &replies)) && !closed;
}

static void take_in(int listener) {
    int yes = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        c->fd = fd;
        c->open = raw;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int count, char **words) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct epoll_event events[512], event = {.events = EPOLLIN};
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sin_port = htons(count > 1 ? atoi(words[1]) : 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    raw = count > 2 && !strcmp(words[2], "raw");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) die("bind");
    if (listen(listener, 4096)) die("listen");
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    puts("listening");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c)
                take_in(listener);
            else if (!(events[i].events & EPOLLOUT ? write_out(c, &c->out) : readable(c)))
                finish(c);
        }
    }
}

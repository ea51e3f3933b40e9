/* What wsload is asked for, and what it reads of the machine: files, clocks, the processes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct bytes {
    char *data;
    size_t length;
};

static struct { /* what the caller asks for */
    const char *mode, *send, *expect, *pids, *capture, *path;
    long port, connections, flight, opcode, offer, late, greetings;
    double seconds, warm;
} ask;
static int raw, broadcast, handshake, idle; /* the mode; none of them is echo */

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("{\"error\": \"");
    vprintf(format, arguments);
    printf("\"}\n");
    exit(1);
}

static double seconds_of(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time)) fail("the server is gone");
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double now(void) { return seconds_of(CLOCK_MONOTONIC); }

static double processor_time(int pid) {
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock)) fail("the server is gone");
    return seconds_of(clock);
}

static double resident_bytes(int pid) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) fail("the server is gone");
    fclose(file);
    return (double)pages * sysconf(_SC_PAGESIZE);
}

/* Return the sum of *what* the server's processes have used, all their threads included. */
static double used_by_server(double (*what)(int)) {
    double sum = 0;
    for (const char *pid = ask.pids; *pid; pid += strcspn(pid, ","), pid += *pid == ',')
        sum += what(atoi(pid));
    return sum;
}

static struct bytes read_file(const char *path) {
    struct bytes read = {0};
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail("cannot read %s", path);
    read.length = ftell(file);
    rewind(file);
    read.data = malloc(read.length + 1);
    if (fread(read.data, 1, read.length, file) != read.length) fail("cannot read %s", path);
    fclose(file);
    return read;
}

/* Return the value of the word "name=value", or what holds otherwise. */
static const char *option(char **words, const char *name, const char *otherwise) {
    size_t length = strlen(name);
    while (*++words)
        if (!strncmp(*words, name, length) && (*words)[length] == '=') return *words + length + 1;
    return otherwise;
}

static void read_arguments(char **words) {
    ask.mode = option(words, "mode", "echo");
    ask.send = option(words, "send", "");
    ask.expect = option(words, "expect", "");
    ask.pids = option(words, "pids", "");
    ask.capture = option(words, "capture", "");
    ask.path = option(words, "path", "/");
    ask.port = atol(option(words, "port", "9001"));
    ask.connections = atol(option(words, "connections", "1"));
    ask.flight = atol(option(words, "flight", "1"));
    ask.opcode = atol(option(words, "opcode", "2"));
    ask.offer = atol(option(words, "offer", "0"));
    ask.late = atol(option(words, "late", "0"));
    ask.greetings = atol(option(words, "greetings", "0"));
    ask.seconds = atof(option(words, "seconds", "1"));
    ask.warm = atof(option(words, "warm", "0.2"));
    raw = !strcmp(ask.mode, "raw");
    broadcast = !strcmp(ask.mode, "broadcast");
    handshake = !strcmp(ask.mode, "handshake");
    idle = !strcmp(ask.mode, "idle");
    if (!raw && !broadcast && !handshake && !idle && strcmp(ask.mode, "echo"))
        fail("no such mode: %s", ask.mode);
}

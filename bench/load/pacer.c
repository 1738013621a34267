/* The streaming upstream: a server that sends chat deltas at a fixed pace, each carrying the moment it was sent.
 *
 * Usage: pacer TLS_PORT PLAIN_PORT CERTIFICATE KEY. Gateways use the TLS port; the plain one is the client's own baseline.
 * The model's name is the script (`pace-20x64`: 64 deltas, one each 20 ms). Deltas
 * leave on an absolute schedule, so a slow reader does not slow the load (no coordinated omission), and hold
 * `@CLOCK_MONOTONIC nanoseconds@` as their content. Asked for speech it sends chunks of sound the same way: 320 bytes,
 * which for 20 ms is MP3 at 128 kbit/s. Headers and the first delta leave at once, in two writes: a gateway
 * that leaves Nagle's algorithm on shows its 40 ms here.
 *
 * In C because it shares one core with the client: 25 000 deltas a second cost a Python server that whole core
 * (36 us each, uvloop and TLS), and the client would then measure its neighbour instead of the gateway.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 8192, REQUEST_BYTES = 65536, READY_EVENTS = 512, NS_PER_MS = 1000000 };

static const char HEAD[] =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
static const char SPEECH_HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n";
#define SOUND_BYTES 320
#define CHUNK_ID "data: {\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion.chunk\"," \
                 "\"created\":1767225600,\"model\":\"gpt-bench\",\"system_fingerprint\":\"fp_bench\","
#define FINISH CHUNK_ID "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE CHUNK_ID "\"choices\":[],\"usage\":{\"prompt_tokens\":190,\"completion_tokens\":64,\"total_tokens\":254}}\n\n"
#define DONE "data: [DONE]\n\n"

/* One connection, one exchange at a time. `previous` and `next` link it into the wheel's slot of its next delta. */
struct stream {
    int fd;
    SSL *tls; /* NULL on the plain port */
    struct stream *previous, *next;
    int slot; /* -1: not waiting for a delta */
    long long started_ms;
    int pace_ms, events, sent, usage, speech;
    char request[REQUEST_BYTES];
    size_t request_bytes;
    char *unsent;
    size_t unsent_bytes, unsent_room;
};

static struct stream *wheel[SLOTS];
static int epoll_fd;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void unlink_stream(struct stream *s) {
    if (s->slot < 0) return;
    if (s->previous) s->previous->next = s->next; else wheel[s->slot] = s->next;
    if (s->next) s->next->previous = s->previous;
    s->slot = -1;
}

static void schedule(struct stream *s) {
    int slot = (int)((s->started_ms + (long long)s->sent * s->pace_ms) % SLOTS);
    s->slot = slot;
    s->previous = NULL;
    s->next = wheel[slot];
    if (s->next) s->next->previous = s;
    wheel[slot] = s;
}

static void end_stream(struct stream *s) {
    unlink_stream(s);
    if (s->tls) SSL_free(s->tls);
    close(s->fd);
    free(s->unsent);
    free(s);
}

/* Bytes moved; 0 when there is nothing to move now; -1 when the connection is lost. */
static int outcome(struct stream *s, int n) {
    if (n > 0) return n;
    if (!s->tls) return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    int why = SSL_get_error(s->tls, n);
    return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? 0 : -1;
}

static int put(struct stream *s) {
    ERR_clear_error();
    return outcome(s, s->tls ? SSL_write(s->tls, s->unsent, (int)s->unsent_bytes)
                             : (int)write(s->fd, s->unsent, s->unsent_bytes));
}

static int get(struct stream *s) {
    char *to = s->request + s->request_bytes;
    size_t room = REQUEST_BYTES - 1 - s->request_bytes;
    ERR_clear_error();
    return room ? outcome(s, s->tls ? SSL_read(s->tls, to, (int)room) : (int)read(s->fd, to, room)) : -1;
}

/* Sends what waits; 0 when the connection is lost. */
static int flush(struct stream *s) {
    while (s->unsent_bytes) {
        int n = put(s);
        if (n <= 0) return !n;
        s->unsent_bytes -= (size_t)n;
        memmove(s->unsent, s->unsent + n, s->unsent_bytes);
    }
    return 1;
}

static int send_bytes(struct stream *s, const char *data, size_t bytes) {
    if (s->unsent_bytes + bytes > s->unsent_room) {
        s->unsent_room = 2 * (s->unsent_bytes + bytes);
        s->unsent = realloc(s->unsent, s->unsent_room);
        if (!s->unsent) abort();
    }
    memcpy(s->unsent + s->unsent_bytes, data, bytes);
    s->unsent_bytes += bytes;
    return flush(s);
}

/* A chunk of speech. Its stamp ends as a delta does, so that the client finds both alike. */
static int sound(char *body) {
    int stamp = sprintf(body, "@%lld@\n\n", now_ns());
    memset(body + stamp, 'x', SOUND_BYTES - (size_t)stamp);
    body[SOUND_BYTES] = 0;
    return SOUND_BYTES;
}

static int send_delta(struct stream *s) {
    char body[512], chunk[640];
    int bytes = s->speech ? sound(body)
                          : snprintf(body, sizeof body,
                         CHUNK_ID "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"@%lld@\"},\"logprobs\":null,"
                                  "\"finish_reason\":null}]}\n\n",
                         now_ns());
    int all = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", bytes, body);
    s->sent++;
    schedule(s);
    return send_bytes(s, chunk, (size_t)all);
}

static int send_tail(struct stream *s) {
    const char *tail = s->speech ? DONE : s->usage ? FINISH USAGE DONE : FINISH DONE;
    char chunk[1536];
    int all = snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n0\r\n\r\n", strlen(tail), tail);
    return send_bytes(s, chunk, (size_t)all);
}

/* Whether the request is whole; content-length, or chunked and ending with the last chunk. */
static int request_complete(struct stream *s) {
    s->request[s->request_bytes] = 0;
    char *end = strstr(s->request, "\r\n\r\n");
    if (!end) return 0;
    char *length = strcasestr(s->request, "\r\ncontent-length:");
    if (length && length < end) return s->request + s->request_bytes >= end + 4 + atol(length + 17);
    return s->request_bytes > 5 && !memcmp(s->request + s->request_bytes - 5, "0\r\n\r\n", 5) && end[4];
}

/* 0 when the connection is to be dropped: a request without a script is a mistake in the benchmark. */
static int answer(struct stream *s) {
    char *script = strstr(s->request, "pace-"), *usage = strstr(s->request, "\"include_usage\"");
    s->request_bytes = 0;
    if (!script || sscanf(script, "pace-%dx%d", &s->pace_ms, &s->events) != 2) return 0;
    if (s->pace_ms < 1 || s->pace_ms >= SLOTS) return 0;
    s->usage = usage && usage[15 + strspn(usage + 15, ": ")] == 't';
    s->speech = !!strstr(s->request, "/audio/speech HTTP");
    s->sent = 0;
    s->started_ms = now_ns() / NS_PER_MS;
    const char *head = s->speech ? SPEECH_HEAD : HEAD;
    return send_bytes(s, head, strlen(head)) && send_delta(s);
}

static int read_request(struct stream *s) {
    for (;;) {
        int n = get(s);
        if (n <= 0) return !n;
        s->request_bytes += (size_t)n;
        if (request_complete(s) && !answer(s)) return 0;
    }
}

static void accept_all(int listener, SSL_CTX *context) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct stream *s = calloc(1, sizeof *s);
        if (!s) abort();
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        s->fd = fd;
        s->slot = -1;
        if (context) {
            s->tls = SSL_new(context);
            SSL_set_fd(s->tls, fd);
            SSL_set_accept_state(s->tls);
        }
        struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &interest);
    }
}

/* Sends every delta due up to that millisecond. */
static void turn_wheel(long long *turned_ms) {
    for (long long now_ms = now_ns() / NS_PER_MS; *turned_ms < now_ms;) {
        ++*turned_ms;
        struct stream *s = wheel[*turned_ms % SLOTS];
        wheel[*turned_ms % SLOTS] = NULL;
        while (s) {
            struct stream *following = s->next;
            s->slot = -1;
            if (!(s->sent < s->events ? send_delta(s) : send_tail(s))) end_stream(s);
            s = following;
        }
    }
}

/* `who` is what epoll reports for the listener. */
static int listen_on(int port, void *who) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("pacer: listen");
        exit(1);
    }
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = who};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &interest);
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "usage: pacer TLS_PORT PLAIN_PORT CERTIFICATE KEY\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(context, argv[3]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[4], SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready[READY_EVENTS];
    int secure, plain;
    secure = listen_on(atoi(argv[1]), &secure);
    plain = listen_on(atoi(argv[2]), &plain);
    long long turned_ms = now_ns() / NS_PER_MS;
    for (;;) {
        int count = epoll_wait(epoll_fd, ready, READY_EVENTS, 1);
        for (int i = 0; i < count; i++) {
            void *who = ready[i].data.ptr;
            if (who == &secure) accept_all(secure, context);
            else if (who == &plain) accept_all(plain, NULL);
            else if (!read_request(who) || !flush(who)) end_stream(who);
        }
        turn_wheel(&turned_ms);
    }
}

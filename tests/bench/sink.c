/* An ingestion endpoint that only counts: HTTP/1.1 over TLS on 127.0.0.1, a thread per connection.
 *
 *   sink PORT CERTIFICATE KEY
 *
 * POST .../oauth2/v2.0/token   a token that is good for nothing else
 * POST anything else           204 once the body was read; it is counted and thrown away, not inflated
 * GET  anything                {"requests": N, "bytes": N} since the start
 *
 * Limits: bodies need a Content-Length; what is wrong ends the connection. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static SSL_CTX *context;
static atomic_ullong requests, bytes;

static const char token[] = "{\"token_type\":\"Bearer\",\"expires_in\":86399,\"access_token\":\"bench\"}";

static int answer(SSL *tls, const char *status, const char *body) {
    char head[512];
    int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                          status, strlen(body), body);
    return SSL_write(tls, head, length) == length;
}

/* Answers one request whose head ends at `head_end`; returns how much of the buffer it took, 0 to end the connection. */
static size_t serve_one(SSL *tls, char *buffer, size_t held, char *head_end) {
    static _Thread_local char waste[256 * 1024];
    *head_end = 0;
    size_t head = head_end + 4 - buffer, length = 0;
    char *field = strcasestr(buffer, "\r\ncontent-length:");
    if (field) length = strtoull(field + 17, NULL, 10);
    if (strcasestr(buffer, "\r\nexpect: 100-continue") && SSL_write(tls, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 25) return 0;
    size_t in_buffer = held - head < length ? held - head : length;
    for (size_t left = length - in_buffer; left > 0;) {
        int count = SSL_read(tls, waste, left < sizeof waste ? left : sizeof waste);
        if (count <= 0) return 0;
        left -= count;
    }
    int ok;
    if (!strncmp(buffer, "GET", 3)) {
        char counts[128];
        snprintf(counts, sizeof counts, "{\"requests\": %llu, \"bytes\": %llu}", atomic_load(&requests), atomic_load(&bytes));
        ok = answer(tls, "200 OK", counts);
    } else if (strstr(buffer, "/oauth2/v2.0/token")) {
        ok = answer(tls, "200 OK", token);
    } else {
        atomic_fetch_add(&requests, 1);
        atomic_fetch_add(&bytes, length);
        ok = SSL_write(tls, "HTTP/1.1 204 No Content\r\n\r\n", 27) == 27;
    }
    return ok ? head + in_buffer : 0;
}

static void *serve(void *argument) {
    int socket = (int)(long)argument;
    SSL *tls = SSL_new(context);
    SSL_set_fd(tls, socket);
    char buffer[64 * 1024];
    size_t held = 0;
    if (SSL_accept(tls) == 1) {
        for (;;) {
            buffer[held] = 0;
            char *head_end = strstr(buffer, "\r\n\r\n");
            if (head_end) {
                size_t taken = serve_one(tls, buffer, held, head_end);
                if (!taken) break;
                held -= taken;
                memmove(buffer, buffer + taken, held);
                continue;
            }
            int count = SSL_read(tls, buffer + held, (int)(sizeof buffer - 1 - held));
            if (count <= 0) break;
            held += count;
        }
    }
    SSL_free(tls);
    close(socket);
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 4) return fprintf(stderr, "sink PORT CERTIFICATE KEY\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_file(context, arguments[2], SSL_FILETYPE_PEM) != 1) return 1;
    if (SSL_CTX_use_PrivateKey_file(context, arguments[3], SSL_FILETYPE_PEM) != 1) return 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) return perror("listen"), 1;
    puts("listening");
    fflush(stdout);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(long)client)) close(client);
        else pthread_detach(thread);
    }
}

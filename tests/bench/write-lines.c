/* write-lines BYTES SEED: writes lines of a log to standard output until they are BYTES long or a little more, then the line
   `bench: all is written`, and waits to be ended. The same seed (any text) gives the same lines but for their times.

   Lines are what services write: 45 % of requests (combined log format), 25 % JSON, 20 % of Kubernetes' own components,
   10 % stack traces. 60 to 400 bytes without the newline, 200 on average. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SHORTEST = 60, LONGEST = 400 };

static uint64_t state;

/* xorshift64*: 0 to below - 1 */
static unsigned below(unsigned limit) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (unsigned)((state * 2685821657736338717ULL) >> 33) % limit;
}

#define ONE_OF(list) (list)[below(sizeof(list) / sizeof((list)[0]))]

static const char *const agents[] = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "kube-probe/1.36",
    "Go-http-client/2.0",
};
static const char *const paths[] = {"/api/v1/orders", "/api/v1/carts", "/catalogue/search", "/healthz", "/login", "/static/app.js"};
static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT", "DELETE"};
static const char *const messages[] = {"order placed", "payment authorised", "cache miss, asking the database",
                                       "retrying after a timeout of the upstream service", "session renewed"};
static const char *const services[] = {"checkout", "payment", "catalogue", "shipping"};
static const char *const words[] = {"queued", "customer", "warehouse", "shard", "replica", "pending", "refund", "basket", "invoice"};

static int request(char *line, const struct tm *now) {
  char time[64];
  strftime(time, sizeof time, "%d/%b/%Y:%H:%M:%S +0000", now);
  return sprintf(line, "10.%u.%u.%u - - [%s] \"%s %s/%u?session=%08x%08x&page=%u HTTP/1.1\" %u %u \"https://shop.example/%s\" \"%s\"",
                 below(256), below(256), below(256), time, ONE_OF(methods), ONE_OF(paths), below(1000000), below(1u << 30),
                 below(1u << 30), below(40), below(10) ? 200 : 404, below(90000), ONE_OF(services), ONE_OF(agents));
}

static int json(char *line, const struct tm *now) {
  char time[64];
  strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", now);
  int length = sprintf(line,
                       "{\"level\":\"%s\",\"ts\":\"%s.%06uZ\",\"caller\":\"%s/handler.go:%u\",\"msg\":\"%s\",\"trace_id\":\"%08x%08x%08x\","
                       "\"duration_ms\":%u",
                       below(12) ? "info" : "warn", time, below(1000000), ONE_OF(services), below(400) + 1, ONE_OF(messages),
                       below(1u << 30), below(1u << 30), below(1u << 30), below(5000));
  for (unsigned more = below(8) ? below(6) : 6 + below(9); more > 0; more--) {
    length += sprintf(line + length, ",\"%s_%u\":\"%s\"", ONE_OF(words), more, ONE_OF(words));
  }
  return length + sprintf(line + length, "}");
}

static int component(char *line, const struct tm *now) {
  char time[64];
  strftime(time, sizeof time, "%m%d %H:%M:%S", now);
  return sprintf(line, "I%s.%06u       1 %s_controller.go:%u] \"Reconciled\" object=\"%s/%s-%x\" generation=%u duration=\"%u.%03ums\"", time,
                 below(1000000), ONE_OF(words), below(900) + 1, ONE_OF(services), ONE_OF(words), below(1u << 30), below(30),
                 below(900), below(1000));
}

static int stack(char *line) {
  const char *service = ONE_OF(services);
  return sprintf(line, "\tat com.example.%s.%s.Service$$Lambda.invoke(%sService.java:%u) ~[%s-%u.%u.jar:na]", service, ONE_OF(words),
                 ONE_OF(words), below(900) + 1, service, below(9) + 1, below(30));
}

static int one(char *line, const struct tm *now) {
  unsigned kind = below(100);
  int length = kind < 45 ? request(line, now) : kind < 70 ? json(line, now) : kind < 90 ? component(line, now) : stack(line);
  while (length < SHORTEST) length += sprintf(line + length, " %s", ONE_OF(words));
  return length > LONGEST ? LONGEST : length;
}

static void end(int signal_number) {
  (void)signal_number;
  _exit(0);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: write-lines BYTES SEED\n");
    return 2;
  }
  signal(SIGTERM, end);
  state = 0xCBF29CE484222325ULL;
  for (const char *seed = arguments[2]; *seed; seed++) state = (state ^ (unsigned char)*seed) * 0x100000001B3ULL;
  state |= 1; /* of a state of zero nothing comes but zeros */
  uint64_t left = strtoull(arguments[1], NULL, 10);
  char line[2048];
  while (left > 0) {
    time_t seconds = time(NULL);
    struct tm now;
    gmtime_r(&seconds, &now);
    int length = one(line, &now);
    line[length] = '\n';
    if (fwrite(line, 1, (size_t)length + 1, stdout) != (size_t)length + 1) return 1;
    left -= left < (uint64_t)length + 1 ? left : (uint64_t)length + 1;
  }
  puts("bench: all is written");
  fflush(stdout);
  for (;;) pause();
}

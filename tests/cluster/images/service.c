/* A service in an image without a shell: says three lines and waits. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void end(int signal_number) {
  (void)signal_number;
  exit(0);
}

int main(void) {
  signal(SIGTERM, end);
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int line = 1; line <= 3; line++) printf("service line %d\n", line);
  for (;;) pause();
}

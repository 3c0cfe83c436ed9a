/* SPDX-License-Identifier: Apache-2.0 */
/* bench-launch PROGRAM [ARGUMENT...]: runs the program and writes to descriptor 3 what that cost: exit status as of
 * wait(2), wall ms, CPU ms, peak KiB. Small and static, because a process's peak memory includes that of the one it was
 * before it executed its program. Source: getrusage(2); fs/exec.c setmax_mm_hiwater_rss. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REPORT = 3 };

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double ms(struct timeval time) {
  return (double)time.tv_sec * 1e3 + (double)time.tv_usec / 1e3;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  fcntl(REPORT, F_SETFD, FD_CLOEXEC);
  const double begin = now_ms();
  const pid_t pid = vfork();
  if (pid < 0) return 2;
  if (pid == 0) {
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  int status = 0;
  struct rusage usage;
  if (wait4(pid, &status, 0, &usage) != pid) return 2;
  dprintf(REPORT, "%d %.4f %.4f %ld\n", status, now_ms() - begin, ms(usage.ru_utime) + ms(usage.ru_stime),
          usage.ru_maxrss);
  return 0;
}

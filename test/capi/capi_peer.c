/* The other end of test/integration/capi.test.ts: makes a region with the C API, sends its fd as a message of the channel
 * protocol, and then does what it is told, a line at a time.
 *
 * Usage: capi_peer SOCKET PAGES, or capi_peer - PAGES with a region of somebody else's as fd 3. Commands: pin FIRST COUNT, unpin FIRST COUNT, purge FIRST COUNT (answer: the result, or
 * the error), fill LETTER, show (a letter per page, '.' for zeros), protect. */
#include <cutils/ashmem.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd_message.h"

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void send_region(const char* path, int fd) {
  /* Magic, kind 0, 0, one descriptor, no payload. */
  char frame[12] = {'A', 'C', 'H', '1', 0, 0, 1, 0, 0, 0, 0, 0};
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  if (connect(connection, (struct sockaddr*)&address, sizeof address) != 0) die("connect");
  if (send_with_fd(connection, frame, sizeof frame, fd) != (ssize_t)sizeof frame) die("sendmsg");
}

static void answer(long result) {
  if (result < 0) {
    printf("%s\n", strerrorname_np(errno));
  } else {
    printf("%ld\n", result);
  }
}

int main(int argc, char** argv) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char line[100], word[20], *base;
  size_t pages, i, first, count;
  int fd;
  if (argc < 3) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  pages = strtoul(argv[2], NULL, 10);
  fd = strcmp(argv[1], "-") == 0 ? 3 : ashmem_create_region("from C", pages * page);
  if (fd < 0) die("ashmem_create_region");
  base = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) die("mmap");
  if (strcmp(argv[1], "-") != 0) {
    memset(base, 'c', pages * page);
    send_region(argv[1], fd);
  }
  while (fgets(line, sizeof line, stdin)) {
    first = count = 0;
    if (sscanf(line, "%19s %zu %zu", word, &first, &count) < 1) return 2;
    if (strcmp(word, "pin") == 0) {
      answer(ashmem_pin_region(fd, first * page, count * page));
    } else if (strcmp(word, "unpin") == 0) {
      answer(ashmem_unpin_region(fd, first * page, count * page));
    } else if (strcmp(word, "purge") == 0) {
      answer((long)ashmem_compat_purge_region(fd, first * page, count * page));
    } else if (strcmp(word, "protect") == 0) {
      answer(ashmem_set_prot_region(fd, PROT_READ));
    } else if (strcmp(word, "fill") == 0) {
      memset(base, line[5], pages * page);
      printf("0\n");
    } else if (strcmp(word, "show") == 0) {
      for (i = 0; i < pages; i++) putchar(base[i * page] ? base[i * page] : '.');
      putchar('\n');
    } else {
      return 2;
    }
  }
  return 0;
}

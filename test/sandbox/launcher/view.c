// What an app sees of the file system: mounts over the folders that differ. The host's own are not touched.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox.h"

static void must_mount(const char* source, const char* target, const char* type, unsigned long flags,
                       const char* data) {
  if (mount(source, target, type, flags, data) != 0) give_up("mount %s on %s", type ? type : source, target);
}

static void make_folders(const char* path) {
  char part[4096];
  snprintf(part, sizeof part, "%s", path);
  for (char* slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(part, 0755);
    *slash = '/';
  }
  mkdir(part, 0755);
}

// The topmost folder on the way to `path` that other users may not enter. False if there is none.
static bool closed_above(const char* path, char* out, size_t size) {
  for (const char* slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(out, size, "%.*s", (int)(slash - path), path);
    struct stat st;
    if (stat(out, &st) == 0 && !(st.st_mode & S_IXOTH)) return true;
  }
  return false;
}

// An empty /tmp, and empty folders in place of those that are closed to other users; in them, what must stay reachable.
static void make_reachable(const struct policy* policy) {
  int fds[kMaxPaths];
  for (size_t i = 0; i < policy->kept_count; ++i) {
    fds[i] = open(policy->kept[i], O_PATH | O_CLOEXEC);
    if (fds[i] < 0) give_up("%s", policy->kept[i]);
  }
  must_mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
  for (size_t i = 0; i < policy->kept_count; ++i) {
    char closed[4096];
    if (closed_above(policy->kept[i], closed, sizeof closed))
      must_mount("tmpfs", closed, "tmpfs", 0, "mode=755");
  }
  for (size_t i = 0; i < policy->kept_count; ++i) {
    struct stat now, before;
    if (fstat(fds[i], &before) == 0 && (stat(policy->kept[i], &now) != 0 || now.st_ino != before.st_ino)) {
      make_folders(policy->kept[i]);
      char link[32];
      snprintf(link, sizeof link, "/proc/self/fd/%d", fds[i]);
      must_mount(link, policy->kept[i], NULL, MS_BIND | MS_REC, NULL);
    }
    close(fds[i]);
  }
}

// Nodes that every app may use, and no /dev/shm.
static void make_devices(const struct policy* policy) {
  static const char* const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
  char from[64], to[64];
  int kept[sizeof nodes / sizeof *nodes];
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; ++i) {
    snprintf(from, sizeof from, "/dev/%s", nodes[i]);
    kept[i] = open(from, O_PATH | O_CLOEXEC);
  }
  must_mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755");
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; ++i) {
    if (kept[i] < 0) continue;
    snprintf(to, sizeof to, "/dev/%s", nodes[i]);
    close(open(to, O_CREAT | O_CLOEXEC | O_WRONLY, 0600));
    snprintf(from, sizeof from, "/proc/self/fd/%d", kept[i]);
    must_mount(from, to, NULL, MS_BIND, NULL);
    close(kept[i]);
  }
  mkdir("/dev/pts", 0755);
  mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
  if (symlink("pts/ptmx", "/dev/ptmx") || symlink("/proc/self/fd", "/dev/fd") ||
      symlink("fd/0", "/dev/stdin") || symlink("fd/1", "/dev/stdout") || symlink("fd/2", "/dev/stderr")) {
    give_up("/dev");
  }
  if (!strcmp(policy->device, "denied")) close(open("/dev/ashmem", O_CREAT | O_CLOEXEC | O_WRONLY, 0));
}

// EACCES for whoever opens it, or anything in it, as the security module has it.
static void hide(const char* path) {
  struct stat st;
  if (stat(path, &st) != 0) return;
  if (S_ISDIR(st.st_mode)) {
    must_mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0,size=4k");
  } else {
    must_mount("/dev/.hidden", path, NULL, MS_BIND, NULL);
  }
}

// The user has a name, as on Android: programs ask for it.
static void name_user(uid_t uid) {
  FILE* from = fopen("/etc/passwd", "re");
  FILE* to = fopen("/dev/.passwd", "we");
  char line[1024];
  while (from && to && fgets(line, sizeof line, from)) fputs(line, to);
  if (to) fprintf(to, "u0_a%u:x:%u:%u::/tmp:/bin/sh\n", uid - 10000, uid, uid);
  if (from) fclose(from);
  if (to) fclose(to);
  chmod("/dev/.passwd", 0644);
  must_mount("/dev/.passwd", "/etc/passwd", NULL, MS_BIND, NULL);
}

void make_view(const struct policy* policy) {
  must_mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible") != 0) {
    must_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2");
  }
  make_reachable(policy);
  make_devices(policy);
  name_user(policy->uid);
  close(open("/dev/.hidden", O_CREAT | O_CLOEXEC | O_WRONLY, 0));
  for (size_t i = 0; i < policy->hidden_count; ++i) hide(policy->hidden[i]);
  char data[64];
  snprintf(data, sizeof data, "mode=700,uid=%u,gid=%u", policy->uid, policy->uid);
  for (size_t i = 0; i < policy->scratch_count; ++i) {
    must_mount("tmpfs", policy->scratch[i], "tmpfs", MS_NOSUID | MS_NODEV, data);
  }
  // A working folder that was reached before the mounts may lie below one of them.
  char folder[4096];
  if (!getcwd(folder, sizeof folder) || chdir(folder) != 0) {
    if (policy->kept_count == 0 || chdir(policy->kept[0]) != 0) give_up("working folder");
  }
}

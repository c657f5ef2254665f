// A process that lives as an Android app does: what the launcher's parts know of each other.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { kMaxCalls = 512, kMaxPaths = 64, kMaxText = 256 };

// What the sandbox is to be like, read from a policy file (test/sandbox/policy.mjs writes it).
struct policy {
  uid_t uid;
  int children;           // how many processes the first one may have below it
  char device[kMaxText];  // "absent", or "denied": a node that an app may not open
  char cgroup[kMaxText];  // what /proc/PID/cgroup says; every %d is the pid
  bool observe;           // forbidden calls are named on stderr and let through
  int calls[kMaxCalls];   // numbers of the calls that an app may make
  size_t call_count;
  int unknown
      [kMaxCalls];  // numbers of those that are answered ENOSYS, as by a kernel that does not know them
  size_t unknown_count;
  char* hidden[kMaxPaths];  // files and folders that nobody may open
  size_t hidden_count;
  char* kept[kMaxPaths];  // folders that must stay reachable, whatever is above them
  size_t kept_count;
  char* scratch[kMaxPaths];  // folders that are empty, writable and thrown away
  size_t scratch_count;
};

// Says what failed, with errno's text, and ends with 77: there is no sandbox to be had here.
__attribute__((noreturn, format(printf, 1, 2))) void give_up(const char* format, ...);

void read_policy(const char* path, struct policy* out);

bool is_listed(const struct policy* policy, int call);

// In a mount namespace of one's own: makes /proc, /dev, /sys and /tmp what an app sees of them.
void make_view(const struct policy* policy);

// Becomes the app's user, without any right, under its filter. Returns the fd on which a supervisor hears of what it must judge.
int enter(const struct policy* policy);

// Judges until `child`, the first process, has ended. Returns its exit status, or 128 and its signal.
int supervise(const struct policy* policy, int listener, pid_t child);

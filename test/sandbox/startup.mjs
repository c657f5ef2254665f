// System calls outside an app's list that programs make here only because their libc is glibc, or their Node was built for Linux. Each is
// named with its reason; nothing else is let through. A call that this project makes itself does not belong here.

/** glibc's spelling of a call: it is let through only on releases that allow what bionic makes of the same function. */
export const spellings = {
  accept: 'accept4',
  access: 'faccessat',
  alarm: 'setitimer',
  chmod: 'fchmodat',
  dup2: 'dup3',
  epoll_wait: 'epoll_pwait',
  getdents: 'getdents64',
  link: 'linkat',
  lstat: 'newfstatat',
  mkdir: 'mkdirat',
  open: 'openat',
  pause: 'ppoll',
  pipe: 'pipe2',
  poll: 'ppoll',
  readlink: 'readlinkat',
  rename: 'renameat',
  rmdir: 'unlinkat',
  stat: 'newfstatat',
  symlink: 'symlinkat',
  unlink: 'unlinkat',
};

/** Answered ENOSYS, as by a kernel that does not know them: their callers have another way, and take it on Android too. */
export const unknown = {
  set_robust_list: 'glibc, at the start of every thread; bionic has no robust mutexes',
  rseq: 'glibc, at the start of every thread',
  statx: 'libuv, which falls back to fstatat; the list has it from Android 11 on',
  pkey_alloc:
    'V8, which then goes without memory protection keys; Node for Android is built without glibc, whose wrapper V8 looks for',
  clone3:
    'glibc, for threads and processes, and falls back to clone, whose flags a filter can see; bionic does not call it',
};

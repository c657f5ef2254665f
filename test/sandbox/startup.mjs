// System calls outside an app's list that programs make here only because their libc is glibc, or their Node was built for Linux. Each is
// named with its reason; nothing else is let through. A call that this project makes itself does not belong here.

/**
 * glibc makes the call on the left for a function for which bionic makes the one on the right, which must be in the release's list. Found by
 * leaving all of them out and looking what the suites run into (`npm run sandbox -- --observe`).
 */
export const spellings = {
  accept: 'accept4', // accept()
  access: 'faccessat', // access(); the loader too
  alarm: 'setitimer', // alarm()
  dup2: 'dup3', // dup2(); the shell
  epoll_wait: 'epoll_pwait', // epoll_wait(); libuv
  lstat: 'newfstatat', // lstat(), which Node is linked with in its older form; so for stat
  mkdir: 'mkdirat', // mkdir()
  pause: 'ppoll', // pause()
  poll: 'ppoll', // poll()
  readlink: 'readlinkat', // readlink()
  rename: 'renameat', // rename()
  rmdir: 'unlinkat', // rmdir()
  stat: 'newfstatat',
  symlink: 'symlinkat', // symlink()
  unlink: 'unlinkat', // unlink()
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

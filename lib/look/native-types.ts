/** What native/addon/others.cc exports. */
export interface NativeLook {
  /**
   * A descriptor of this process's own for the open file that is `fd` in process `pid`. Throws ERR_NO_SUCH_PROCESS, ERR_NOT_PERMITTED,
   * ERR_NOT_SUPPORTED (before Linux 5.6, or a seccomp filter), ERR_SYSTEM (EBADF: no such descriptor there).
   */
  takeFd(pid: number, fd: number): number;
  /** Bytes of an ashmem area; 0 for what is none. */
  areaSize(fd: number): number;
  /** Whether two descriptors of processes are one open file; undefined where the system does not tell. */
  sameOpenFile(pid: number, fd: number, otherPid: number, otherFd: number): boolean | undefined;
  /**
   * Attaches to the pool or the cache in `fd` and holds its blocks that were not lost, for as long as `keeper` is not collected. Bytes of blocks held, and
   * of those that were lost. Throws ERR_UNTRUSTED_FD, ERR_READ_ONLY, ERR_REGION_BUSY, ERR_TOO_MANY_PROCESSES.
   */
  holdBlocks(fd: number, isCache: boolean): { keeper: object; held: number; lost: number };
}

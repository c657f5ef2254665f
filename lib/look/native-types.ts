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
}

import { native } from '../native.ts';
import { type ReclaimAdvice, type ReclaimKind, type ReclaimOptions, reclaimArguments } from './options.ts';

/** Memory of a process, in bytes. What the kernel does not tell is missing. */
export interface MemoryUsage {
  /** Mapped in the process and in memory, shared pages in full. */
  rss?: number;
  /** The same, with each shared page divided by the number of those who have it mapped. Linux 4.14 and later. */
  pss?: number;
  /** Of `rss`, what belongs to no file. */
  anonymous?: number;
  /** In swap. */
  swap?: number;
}

/** What reclaim() did. Bytes. */
export interface ReclaimResult {
  pid: number;
  kind: ReclaimKind;
  advice: ReclaimAdvice;
  /**
   * 'proc-reclaim': /proc/PID/reclaim, of some Android kernels. 'madvise': on the calling process itself. 'process_madvise': on any
   * other.
   */
  means: 'proc-reclaim' | 'process_madvise' | 'madvise';
  /** Mappings that the kernel accepted the advice for; with proc-reclaim, which tells nothing, those that it was asked for. */
  mappings: number;
  /** The addresses in them, whether or not there was memory: no measure of success. */
  advised: number;
  /** Mappings that the kernel refused: locked, of huge pages, special ([vvar], [vsyscall]), or gone since they were listed. */
  skippedMappings: number;
  skipped: number;
  /** Kind 'all' only: why anonymous memory was left out, and only files were asked for. Not set if nothing was left out. */
  anonLeftOut?: string;
  /** The whole process right before and right after, not just the range. It goes on running, and may take pages back at once. */
  before: MemoryUsage;
  after: MemoryUsage;
  /**
   * By how much `rss` fell, at least 0. What has left the process need not be free: the page may still be in the page cache, or go on in
   * swap that itself is memory (zram). What was freed is in the next two.
   */
  left: number;
  /** By how much the process has more in swap, at least 0: those bytes of memory are free, less what a zram device took for them. */
  swapped: number;
  /**
   * By how much the page cache of the whole system shrank, without shared memory, at least 0: pages of files that are free now. Others
   * read and write files meanwhile, so it is a bound only on an idle machine. Missing where /proc/meminfo cannot be read.
   */
  pageCacheDropped?: number;
}

const fall = (before = 0, after = 0) => Math.max(0, before - after);

/**
 * Asks the kernel to take memory of the process `pid` (or our own) out of memory now, or first when it gets short. All contents are
 * kept: they come back from the file or from swap when the process touches them. Runs on a thread of libuv's pool, takes a fixed
 * amount of memory, and may take seconds for gigabytes that have to be written to swap.
 *
 * - 'file': mappings of files. Clean pages are dropped from memory; pages that were changed and not yet written back stay; private
 *   copies of pages (the data of libraries) go to swap, if there is any.
 * - 'anon': what only swap can take: heaps, stacks, shared anonymous and System V memory, memfd, ashmem, and files of a tmpfs. A
 *   tmpfs under another file system (overlayfs) counts as files; /proc/PID/reclaim counts memfd, ashmem and tmpfs as files too.
 * - 'all' (the default): both; without free swap only files, and `anonLeftOut` says so.
 *
 * The kernel leaves alone, without saying so: pages that more than one process has mapped, and files that we neither own nor may write. A
 * cgroup that may not swap (memory.swap.max of 0) looks like success with `swapped` 0. RSS proves nothing: without swap, MADV_PAGEOUT of a
 * memfd makes RSS fall and frees no byte; therefore such memory is not advised then.
 *
 * /proc/PID/reclaim is used where the kernel has it and `advice` is 'pageout'; it wants the process's user, or root. Else another process
 * takes Linux 5.10 (Android 12), CAP_SYS_NICE, and the right to read its memory map (same user and a dumpable process, or
 * CAP_SYS_PTRACE); our own takes Linux 5.4 and no rights. A process that gets the pid meanwhile is not touched.
 *
 * Rejects with: ERR_NO_SUCH_PROCESS (nobody, a thread, a zombie, a thread of the kernel, or ended meanwhile: a part may have been advised
 * then); ERR_NOT_PERMITTED (the message says which right is missing); ERR_NO_SWAP ('anon', when there is no swap or it is full);
 * ERR_NOT_SUPPORTED (the kernel has no means, or a seccomp filter forbids it); ERR_SYSTEM. TypeError ERR_INVALID_ARG_TYPE,
 * ERR_INVALID_ARG_VALUE (kind, advice); RangeError ERR_OUT_OF_RANGE (pid, start, length; start that is no multiple of the page size).
 *
 * @param pid 1 to 2^31 - 1, in our PID namespace
 */
export async function reclaim(
  pid: number,
  kind?: ReclaimKind,
  options?: ReclaimOptions,
): Promise<ReclaimResult> {
  const o = reclaimArguments(pid, kind, options, native.pageSize);
  const outcome = await native.reclaim(o.pid, o.kindNumber, o.advice === 'cold', o.start, o.end);
  const { pageCacheBefore, pageCacheAfter, ...rest } = outcome;
  const result: ReclaimResult = {
    pid: o.pid,
    kind: o.kind,
    advice: o.advice,
    ...rest,
    left: fall(rest.before.rss, rest.after.rss),
    swapped: fall(rest.after.swap, rest.before.swap),
  };
  if (pageCacheBefore !== undefined) result.pageCacheDropped = fall(pageCacheBefore, pageCacheAfter);
  return result;
}

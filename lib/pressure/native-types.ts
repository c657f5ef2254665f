/** What the watcher said at one moment; native/core/pressure/watcher.h, Verdict. Bytes. */
export interface NativeVerdict {
  /** Index into `levels`. */
  level: number;
  source: string;
  /** Missing if no source counts bytes. */
  available?: number;
  wanted: number;
  /** Of `wanted`, what unpinned regions could not give. */
  remaining: number;
  /** Bit i: the regions of this process have nothing left of `priorities[i]`. */
  exhausted: number;
  /** Bytes that the reclaimer has freed of regions of each priority, since the watcher began. */
  freedCheap: number;
  freedNormal: number;
  freedPrecious: number;
  /** Bytes that shrink signals have asked for and unpinned regions could not give, since the watcher began. */
  unmet: number;
  /** When it was said: microseconds of process.hrtime(). */
  at: number;
}

/** What one gauge shows. Bytes; what it does not count is missing. */
export interface NativeGauge {
  source: string;
  where: string;
  level: number;
  wanted: number;
  limit?: number;
  available?: number;
  low?: number;
  medium?: number;
  critical?: number;
}

export interface NativeWatcherStats {
  /** Of the watcher's thread, since it began. */
  wakeups: number;
  /** Milliseconds of processor time that it has used. */
  cpu: number;
  /** Bytes that the reclaimer of this process has freed, and how many times it began. */
  reclaimed: number;
  reclaims: number;
}

/** An open monitor: keeps its callback until it is closed. */
export type NativeMonitor = object;

/** A signal that is listened for. It must be kept: when it is collected, the listening ends. */
export type NativeSignal = object;

/** What native/addon/pressure.cc exports. */
export interface NativePressure {
  /** The names of all sources, in the order of the bits of openMonitor. */
  readonly pressureSources: readonly string[];
  /** Tried once per process. */
  probePressure(): { name: string; available: boolean; reason: string }[];
  lookAtPressure(): NativeGauge[];
  watcherStats(): NativeWatcherStats;
  /**
   * `schedule` is called when the watcher has news for this thread, and must have deliverNews() called later, once: that calls the callbacks
   * of openMonitor() and watchPurges().
   */
  setNewsScheduler(schedule: () => void): void;
  deliverNews(): void;
  /** `sources`: a bit for each; a watermark of 0: the default. Throws ERR_SYSTEM. */
  openMonitor(
    sources: number,
    low: number,
    medium: number,
    critical: number,
    onVerdict: (verdict: NativeVerdict) => void,
  ): NativeMonitor;
  closeMonitor(monitor: NativeMonitor): void;
  /** Whether it keeps the event loop alive; at first it does not. */
  holdMonitor(monitor: NativeMonitor, on: boolean): void;
  /** A fresh look; after closeMonitor() what it heard last. */
  monitorVerdict(monitor: NativeMonitor): NativeVerdict;
  /** SIGRTMIN and SIGRTMAX, as libc has them. */
  readonly sigrtMin: number;
  readonly sigrtMax: number;
  /** Throws ERR_SYSTEM. */
  listenForSignal(signo: number): NativeSignal;
  stopListeningForSignal(signal: NativeSignal): void;
}

import { constants } from 'node:os';
import { typeError, valueError } from '../errors.ts';
import { native } from '../native.ts';
import type { NativeSignal } from './native-types.ts';

/** A name of a signal, SIGRTMIN, SIGRTMIN+n, SIGRTMAX, SIGRTMAX-n, or a number. */
export type ShrinkSignal = NodeJS.Signals | `SIGRT${'MIN' | 'MAX'}${string}` | number;

/** Listens until close(). */
export interface ShrinkSignalListener extends Disposable {
  /** The last one in the process gives the signal back to whoever had it before. Safe to repeat. */
  close(): void;
}

/** What cannot be caught, means a fault, or belongs to the kernel's or Node's own bookkeeping. */
const refused: Record<string, string> = {
  SIGKILL: 'cannot be caught',
  SIGSTOP: 'cannot be caught',
  SIGSEGV: 'is a fault',
  SIGBUS: 'is a fault',
  SIGFPE: 'is a fault',
  SIGILL: 'is a fault',
  SIGSYS: 'is a fault',
  SIGTRAP: 'is a fault',
  SIGABRT: 'is a fault',
  SIGCHLD: 'tells of children',
  SIGPIPE: 'tells of a closed pipe',
  SIGUSR1: "starts Node's inspector",
  SIGPROF: "is the profiler's",
  SIGVTALRM: "is the profiler's",
};

const names = new Map(Object.entries(constants.signals).map(([name, number]) => [number as number, name]));

function realTime(name: string): number | undefined {
  const match = /^SIGRT(?:(MIN)(?:\+(\d{1,3}))?|(MAX)(?:-(\d{1,3}))?)$/.exec(name);
  if (!match) return undefined;
  const { sigrtMin, sigrtMax } = native;
  const number = match[1] ? sigrtMin + Number(match[2] ?? 0) : sigrtMax - Number(match[4] ?? 0);
  // Beyond them are other signals, which were not meant.
  return number >= sigrtMin && number <= sigrtMax ? number : 0;
}

/** The number of a signal that may be listened for; else an error. */
export function signalNumber(signal: unknown): number {
  if (typeof signal !== 'string' && typeof signal !== 'number') {
    throw typeError('signal', "a signal's name or number", signal);
  }
  const number =
    typeof signal === 'number'
      ? signal
      : (realTime(signal) ??
        (Object.hasOwn(constants.signals, signal) ? constants.signals[signal as NodeJS.Signals] : 0));
  const { sigrtMin, sigrtMax } = native;
  const known = names.has(number) || (number >= sigrtMin && number <= sigrtMax);
  if (!Number.isInteger(number) || !known) {
    const realTimeRange = `SIGRTMIN (${sigrtMin}) to SIGRTMAX (${sigrtMax})`;
    throw valueError('signal', `a signal, for instance of ${realTimeRange}`, signal);
  }
  for (const [name, why] of Object.entries(refused)) {
    if (constants.signals[name as NodeJS.Signals] === number) {
      throw valueError('signal', `one that is free (${name} ${why})`, signal);
    }
  }
  return number;
}

/** What must not be collected while it listens. */
const listening = new Set<NativeSignal>();

/**
 * From here on the signal tells this process to give memory back, in a handler that needs no event loop: the value of sigqueue(3) is the KiB
 * wanted, which the reclaimer takes from unpinned regions, and shrinkers give the rest; a value of 0, or kill(2), raises the level to
 * 'medium' for a second. In a shell: `kill -s RTMIN+3 -q 32768 PID` (util-linux, procps) wants 32 MiB.
 *
 * It does something where this process has a region, an open PressureMonitor or a shrinker. Several listeners share a signal. A handler
 * that was there is called too; but do not also give the signal to process.on(): when Node's last listener of it goes, Node resets the
 * signal, and the next one ends the process. The same goes for close(): before it, see to it that nobody sends any more.
 *
 * Errors: TypeError ERR_INVALID_ARG_TYPE; TypeError ERR_INVALID_ARG_VALUE (no signal; one that cannot be caught; a fault; SIGCHLD, SIGPIPE;
 * SIGUSR1, SIGPROF and SIGVTALRM, which Node uses); ERR_SYSTEM (sigaction(2)).
 */
export function listenForShrinkSignal(signal: ShrinkSignal): ShrinkSignalListener {
  const held = native.listenForSignal(signalNumber(signal));
  listening.add(held);
  const close = () => {
    listening.delete(held);
    native.stopListeningForSignal(held);
  };
  return { close, [Symbol.dispose]: close };
}

// Who is attached to a region, as its slots tell: docs/protocol.md, "Slots and liveness". A look decides nothing, so it may err where the
// protocol may not: it takes 24 bits of a start time for all of them where there are no more.

import { readFileSync, readlinkSync } from 'node:fs';
import type { Header } from './header.ts';

/** A slot that has an owner. */
export interface Owner {
  slot: number;
  /** In the owner's PID namespace. */
  pid: number;
  /** 'elsewhere': of another PID namespace, or hidden from us; it counts as alive. */
  state: 'alive' | 'dead' | 'attaching' | 'elsewhere';
  life: bigint;
}

function inode(path: string): number {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(path))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** PID and time namespace of this process as a region notes them, 0 if they are not known. */
export function ownNamespaces(): bigint {
  const pid = inode('/proc/self/ns/pid');
  return pid === 0 ? 0n : (BigInt(pid) << 32n) | BigInt(inode('/proc/self/ns/time'));
}

/** State, threads and start time of /proc/PID/stat; undefined if it cannot be read. */
export function processStat(
  pid: number,
): { state: string; threads: number; startTime: bigint; command: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name may hold anything, so fields are counted from the last ')'.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  if (end < 0 || fields.length < 20) return undefined;
  return {
    state: fields[0]!,
    threads: Number(fields[17]),
    startTime: BigInt(fields[19]!),
    command: text.slice(text.indexOf('(') + 1, end),
  };
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function verdict(pid: number, startTime: bigint): 'alive' | 'dead' | 'elsewhere' {
  if (pid === 0 || !exists(pid)) return 'dead';
  const stat = processStat(pid);
  if (!stat) return exists(pid) ? 'elsewhere' : 'dead';
  if (startTime !== 0n && ((stat.startTime ^ startTime) & 0xffffffn) !== 0n) return 'dead';
  return (stat.state === 'Z' || stat.state === 'X') && stat.threads <= 1 ? 'dead' : 'alive';
}

/** The owners in a table of slots, whose `namespaces` are those of the region. */
export function ownersOf(header: Header, slots: Buffer, namespaces: Buffer): Owner[] {
  const own = ownNamespaces();
  const owners: Owner[] = [];
  for (let slot = 0; slot < header.slotCount; slot++) {
    const life = slots.readBigUInt64LE(slot * 64);
    const phase = Number(life >> 62n);
    if (phase === 0) continue;
    const namespace = Number((life >> 46n) & 15n);
    const pid = Number((life >> 24n) & 0x3fffffn);
    const entry = namespace < 15 ? namespaces.readBigUInt64LE(namespace * 8) : 0n;
    const here = entry !== 0n && entry === own;
    const judged = here ? verdict(pid, life & 0xffffffn) : 'elsewhere';
    const state = phase > 2 ? 'dead' : phase === 1 && judged !== 'dead' ? 'attaching' : judged;
    owners.push({ slot, pid, state, life });
  }
  return owners;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { AshmemError } from '../../lib/errors.ts';

/** Open descriptors of the kinds that these tests pass around. Node opens and closes others whenever it likes. */
export function openFds(kinds = /^(socket:|\/dev\/null|\/memfd:|.*channel)/): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return kinds.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false; // the one that lists them
    }
  }).length;
}

/** The code of the AshmemError that a promise rejects with, or that a function throws; a message if there is none. */
export async function failure(attempt: Promise<unknown> | (() => unknown)): Promise<AshmemError> {
  try {
    await (typeof attempt === 'function' ? attempt() : attempt);
  } catch (error) {
    expect(error, String(error)).to.be.instanceOf(AshmemError);
    return error as AshmemError;
  }
  throw new Error('expected a failure');
}

export async function codeOf(attempt: Promise<unknown> | (() => unknown)): Promise<string> {
  return (await failure(attempt)).code;
}

/** Runs `body` with the path of a new directory that is gone afterwards. */
export async function withDirectory<T>(body: (directory: string) => Promise<T> | T): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'channel-'));
  try {
    return await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Lets the event loop turn until `done`; the suite's own time limit ends a test that waits in vain. */
export async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 2));
}

export interface Child {
  process: ChildProcess;
  /** Exit code, or the signal that ended it. */
  exit: Promise<number | string>;
  output: () => string;
}

/** A process of which descriptor 3 is `fd`. What it writes to stderr shows up here. */
export function start(command: string, args: readonly string[], fd?: number): Child {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit', ...(fd === undefined ? [] : [fd])],
  });
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const exit = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { process: child, exit, output: () => output };
}

/** What makes another Node run one part of test/helpers/channel-child.ts. */
export function childCommand(part: string, ...args: string[]): string[] {
  const script = fileURLToPath(new URL('channel-child.ts', import.meta.url));
  return ['--expose-gc', '--import', 'tsx', script, part, ...args];
}

export function startPart(part: string, fd?: number, ...args: string[]): Child {
  return start(process.execPath, childCommand(part, ...args), fd);
}

/** A peer in Python on descriptor 3, with the two functions of docs/protocol.md and nothing else of ours. */
export function startPython(program: string, fd: number, ...args: string[]): Child {
  return start('python3', ['-c', `${pythonPrelude}\n${program}`, ...args], fd);
}

const pythonPrelude = `
import array, fcntl, mmap, os, signal, socket, stat, struct, sys

def send(sock, kind, payload, fds=()):
    frame = struct.pack('<4sBBHI', b'ACH1', kind, 0, len(fds), len(payload)) + payload
    sent = socket.send_fds(sock, [frame], fds)
    sock.sendall(frame[sent:])

def receive(sock):
    fds = []
    def exactly(size):
        data = b''
        while len(data) < size:
            piece, more, flags, _ = socket.recv_fds(sock, size - len(data), 253)
            fds.extend(more)
            if not piece:
                raise EOFError
            data += piece
        return data
    magic, kind, zero, fd_count, length = struct.unpack('<4sBBHI', exactly(12))
    payload = exactly(length)
    assert magic == b'ACH1' and len(fds) == fd_count
    return kind, payload, fds

def header(kind, length, fd_count=0, magic=b'ACH1', zero=0):
    return struct.pack('<4sBBHI', magic, kind, zero, fd_count, length)

sock = socket.socket(fileno=3)
null = os.open('/dev/null', os.O_RDONLY)
`;

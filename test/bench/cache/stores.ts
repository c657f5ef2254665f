// Everybody who is measured, behind one interface. A get looks at the bytes and gives them up again.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { check, countOf, keyOf, makeValue } from './values.ts';

/** One process's way to the values. */
export interface Client {
  get(i: number): void | Promise<void>;
  close(): void | Promise<void>;
}

/** What the trial's process does for all of them. */
export interface Store {
  /** Descriptors that each worker inherits from 4 on, and a word for it. */
  fds: number[];
  word: string;
  server?: number;
  /** Bytes of a file of shared memory, which no process's own memory counts as a whole. */
  file?: () => number;
  close(): void | Promise<void>;
}

export const names = ['cache', 'lru-cache', 'lmdb', 'redis', 'memcached', 'messages'] as const;
export type Name = (typeof names)[number];

async function listening(path: string, child: ChildProcess): Promise<void> {
  while (!existsSync(path)) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended: is it installed?`);
    await wait(5);
  }
}

async function server(program: string, args: (folder: string) => string[]): Promise<Store> {
  const folder = mkdtempSync(`${tmpdir()}/ashmem-bench-`);
  const child = spawn(program, args(folder), { stdio: 'ignore' });
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  const word = `${folder}/socket`;
  await Promise.race([listening(word, child), failed]);
  const close = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  return { fds: [], word, server: child.pid!, close };
}

/** Made by the trial's process and filled by it, but for those of which each worker has its own. */
export async function createStore(name: Name, size: number, count = countOf(size)): Promise<Store> {
  if (name === 'lru-cache' || name === 'messages') return { fds: [], word: String(count), close() {} };
  if (name === 'cache') {
    const { VolatileCache } = await import('../../../lib/index.ts');
    const { fstatSync } = await import('node:fs');
    const cache = VolatileCache.create({
      name: 'bench',
      // Room for the keys and for what cutting costs.
      capacity: Math.ceil(count * (size + 256) * 1.25) + 2 ** 20,
      maxEntries: count * 2 + 1024,
      backend: 'memfd',
      reclaimer: false,
    });
    for (let i = 0; i < count; i++) cache.set(keyOf(i), makeValue(i, size));
    return {
      fds: [cache.fd],
      word: '',
      file: () => fstatSync(cache.fd).blocks * 512,
      close: () => cache.close(),
    };
  }
  if (name === 'lmdb') {
    const { open } = await import('lmdb');
    const folder = mkdtempSync(`${existsSync('/dev/shm') ? '/dev/shm' : tmpdir()}/ashmem-bench-`);
    const db = open({ path: folder, encoding: 'binary', mapSize: 2 ** 30 });
    for (let i = 0; i < count; i++) db.put(keyOf(i), makeValue(i, size));
    await db.flushed;
    const { statSync } = await import('node:fs');
    const close = async () => {
      await db.close();
      rmSync(folder, { recursive: true, force: true });
    };
    return { fds: [], word: folder, file: () => statSync(`${folder}/data.mdb`).blocks * 512, close };
  }
  if (name === 'redis') {
    const store = await server('redis-server', (folder) => [
      '--port',
      '0',
      '--unixsocket',
      `${folder}/socket`,
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      folder,
    ]);
    const { createClient } = await import('redis');
    const client = createClient({ socket: { path: store.word, tls: false } });
    await client.connect();
    for (let i = 0; i < count; i++) await client.set(keyOf(i), makeValue(i, size));
    await client.close();
    return store;
  }
  const store = await server('memcached', (folder) => [
    '-s',
    `${folder}/socket`,
    '-m',
    '1024',
    '-I',
    '8m',
    ...(process.getuid?.() === 0 ? ['-u', 'root'] : []),
  ]);
  const client = await memcached(store.word);
  for (let i = 0; i < count; i++) await client.set(keyOf(i), makeValue(i, size));
  client.close();
  return store;
}

/** The text protocol of memcached, one question at a time. */
async function memcached(path: string) {
  const socket = connect(path);
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let pieces: Buffer[] = [];
  let have = 0;
  let wanted = 0;
  let answer: ((bytes: Buffer) => void) | undefined;
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece);
    have += piece.length;
    if (wanted === 0) {
      const head = Buffer.concat(pieces);
      const line = head.indexOf('\r\n');
      if (line < 0) return;
      const value = /^VALUE \S+ \d+ (\d+)$/.exec(head.toString('latin1', 0, line));
      wanted = value ? line + 2 + Number(value[1]) + '\r\nEND\r\n'.length : line + 2;
    }
    if (have < wanted) return;
    const bytes = Buffer.concat(pieces);
    pieces = [];
    have = wanted = 0;
    answer!(bytes);
  });
  const ask = (...parts: (string | Buffer)[]) =>
    new Promise<Buffer>((resolve) => {
      answer = resolve;
      socket.cork();
      for (const part of parts) socket.write(part);
      socket.uncork();
    });
  return {
    async set(key: string, value: Buffer): Promise<void> {
      const said = await ask(`set ${key} 0 0 ${value.length}\r\n`, value, '\r\n');
      if (said.toString() !== 'STORED\r\n') throw new Error(`memcached: ${said}`);
    },
    async get(key: string): Promise<Buffer> {
      const bytes = await ask(`get ${key}\r\n`);
      return bytes.subarray(bytes.indexOf('\r\n') + 2, -'\r\nEND\r\n'.length);
    },
    close: () => void socket.destroy(),
  };
}

/** Loads a store's code. */
export async function load(name: Name): Promise<void> {
  if (name === 'cache') await import('../../../lib/index.ts');
  else if (name === 'lru-cache') await import('lru-cache');
  else if (name === 'lmdb') await import('lmdb');
  else if (name === 'redis') await import('redis');
}

/** In a worker. */
export async function openStore(name: Name, word: string, size: number): Promise<Client> {
  if (name === 'cache') {
    const { VolatileCache } = await import('../../../lib/index.ts');
    const cache = VolatileCache.fromFd(4, { reclaimer: false });
    const get = (i: number) => {
      const entry = cache.get(keyOf(i));
      if (!entry) throw new Error(`no key ${i}`);
      check(entry.bytes, i, size);
      entry.release();
    };
    return { get, close: () => cache.close() };
  }
  if (name === 'lru-cache') {
    const { LRUCache } = await import('lru-cache');
    const max = Number(word);
    const cache = new LRUCache<string, Buffer>({ max });
    for (let i = 0; i < max; i++) cache.set(keyOf(i), makeValue(i, size));
    return { get: (i) => check(cache.get(keyOf(i))!, i, size), close() {} };
  }
  if (name === 'lmdb') {
    const { open } = await import('lmdb');
    const db = open({ path: word, encoding: 'binary', mapSize: 2 ** 30, readOnly: true });
    // Its own fastest: into a buffer that the next get uses again.
    return { get: (i) => check(db.getBinaryFast(keyOf(i))!, i, size), close: () => db.close() };
  }
  if (name === 'redis') {
    const { createClient, RESP_TYPES } = await import('redis');
    const plain = createClient({ socket: { path: word, tls: false } });
    await plain.connect();
    const client = plain.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const get = async (i: number) => check((await client.get(keyOf(i))) as unknown as Buffer, i, size);
    return { get, close: () => plain.destroy() };
  }
  if (name === 'memcached') {
    const client = await memcached(word);
    return { get: async (i) => check(await client.get(keyOf(i)), i, size), close: client.close };
  }
  // The trial's process has the values, and answers.
  let answer: (bytes: Uint8Array) => void = () => {};
  process.on('message', (message) => {
    if (message instanceof Uint8Array) answer(message);
  });
  const get = (i: number) =>
    new Promise<void>((resolve, reject) => {
      answer = (bytes) => {
        try {
          check(bytes, i, size);
          resolve();
        } catch (error) {
          reject(error);
        }
      };
      process.send!(i);
    });
  return { get, close() {} };
}

import { openSync } from 'node:fs';
import { expect } from 'chai';
import { VolatilePool } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { Peer } from '../helpers/region-processes.ts';

describe('a VolatilePool between processes', () => {
  let pool: VolatilePool;
  beforeEach(() => {
    pool = VolatilePool.create({ capacity: 4 << 20, name: 'between' });
  });
  afterEach(() => pool.close());

  const peer = (command: string, ...numbers: number[]) =>
    new Peer(
      process.execPath,
      [
        '--import',
        'tsx',
        new URL('../helpers/pool-child.ts', import.meta.url).pathname,
        command,
        ...numbers.map(String),
      ],
      pool,
    );

  it('passes a block by its handle', async () => {
    const block = pool.alloc(70_000);
    block.bytes.fill(5);
    const reader = peer('read', block.handle);
    expect(await reader.line()).to.equal('kept 5 70000');
    await reader.exit();
    block.unpin();
    pool.purge();
    expect(await peer('read', block.handle).line()).to.equal('purged 0 70000');
  });

  it('keeps what a process allocated and told of, also when it is gone', async () => {
    const maker = peer('make', 3000, 10);
    const handles: number[] = JSON.parse((await maker.line())!);
    await maker.exit();
    for (const [i, handle] of handles.entries()) {
      const block = pool.block(handle);
      expect(block.pin()).to.equal('kept');
      expect(block.bytes.every((byte) => byte === i + 1)).to.equal(true);
      block.free();
    }
    expect(pool.stats().blocks).to.equal(0);
  });

  it('holds a block for a process, and not for a dead one', async () => {
    const block = pool.alloc(9000);
    block.bytes.fill(5);
    const holder = peer('hold', block.handle);
    expect(await holder.line()).to.equal('ready');
    block.unpin();
    expect(pool.purge()).to.equal(0);
    await holder.killed();
    expect(pool.purge()).to.be.at.least(9000);
    expect(block.pin()).to.equal('purged');
  });

  it('frees from any process, and leaves the bytes to who holds them', async () => {
    const block = pool.alloc(9000);
    block.bytes.fill(5);
    expect(await peer('free', block.handle).line()).to.equal('freed');
    expect(block.bytes.every((byte) => byte === 5)).to.equal(true);
    expect(pool.stats().doomed).to.equal(1);
    block.unpin();
    expect(pool.stats().blocks).to.equal(0);
    expectCode(() => block.pin(), 'ERR_BLOCK_FREED');
  });

  it('frees what a process that was killed had told nobody of', async () => {
    const maker = peer('untold', 3 << 20);
    expect(await maker.line()).to.equal('ready');
    expectCode(() => pool.alloc(2 << 20), 'ERR_NO_SPACE');
    await maker.killed();
    pool.alloc(2 << 20).free();
    expect(pool.stats().blocks).to.equal(0);
  });

  it('is shared by processes that allocate and free at once, and one that is killed meanwhile', async () => {
    const workers = [1, 2, 3].map((seed) => peer('churn', 30_000, seed));
    const victim = peer('churn', 1e9, 4);
    const said = await Promise.all(workers.map((worker) => worker.line()));
    await victim.killed();
    expect(said).to.deep.equal(['done', 'done', 'done']);
    await Promise.all(workers.map((worker) => worker.exit()));
    expect(pool.stats()).to.include({ blocks: 0, live: 0, allocated: 0 });
    pool.alloc(pool.capacity).free();
  });

  it('can be read through an fd that cannot be written', function () {
    let fd: number;
    try {
      fd = openSync(`/proc/self/fd/${pool.fd}`, 'r');
    } catch {
      return this.skip();
    }
    const block = pool.alloc(5000);
    block.bytes.fill(5);
    const { handle } = block;
    using reader = VolatilePool.fromFd(fd);
    expect(reader.readonly).to.equal(true);
    const seen = reader.block(handle);
    expect(seen.size).to.equal(5000);
    expect(seen.tryRead((bytes) => bytes[4999])).to.equal(5);
    block.unpin();
    expect(seen.tryRead((bytes) => bytes[0])).to.equal(5);
    pool.purge();
    expect(seen.tryRead((bytes) => bytes[0])).to.equal(undefined);
    block.pin();
    block.bytes.fill(6);
    block.unpin();
    expect(seen.tryRead((bytes) => bytes[0])).to.equal(6);
    expect(reader.stats()).to.include({ blocks: 1, live: 5000 });
    for (const call of [
      () => reader.alloc(1),
      () => seen.pin(),
      () => seen.unpin(),
      () => seen.free(),
      () => seen.access(() => 1),
      () => reader.purge(),
    ]) {
      expectCode(call, 'ERR_READ_ONLY');
    }
    expectCode(() => seen.bytes, 'ERR_NOT_PINNED');
    block.free();
    expect(seen.tryRead(() => 1)).to.equal(undefined);
    expectCode(() => reader.block(handle), 'ERR_BLOCK_FREED');
  });
});

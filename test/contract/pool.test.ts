import { expect } from 'chai';
import { type Block, type PoolOptions, SharedRegion, VolatilePool } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { turn } from '../helpers/turn.ts';
import { wrongNumbers, wrongTypes } from '../helpers/wrong-values.ts';
import { describeContract } from './backends.ts';

const capacity = 1 << 20;

describeContract('VolatilePool', (backend) => {
  const open: VolatilePool[] = [];
  const create = (options: Partial<PoolOptions> = {}) => {
    const { name, scope } = backend;
    const pool = VolatilePool.create({ capacity, backend: name, scope, name: 'a pool', ...options });
    open.push(pool);
    return pool;
  };
  let pool: VolatilePool;
  beforeEach(() => {
    pool = create();
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });

  it('says what it is', () => {
    expect(pool.capacity).to.equal(capacity);
    expect(pool.maxBlocks).to.equal(1024);
    expect(create({ maxBlocks: 3 }).maxBlocks).to.equal(3);
    expect(pool.name).to.equal('a pool');
    expect(pool.backend).to.equal(backend.name);
    expect(pool.scope).to.equal(backend.scope);
    expect(pool.readonly).to.equal(false);
    expect(pool.closed).to.equal(false);
    if (backend.shared) expect(pool.fd).to.be.greaterThan(2);
    else expectCode(() => pool.fd, 'ERR_NOT_SHAREABLE');
  });

  it('gives blocks of any size, pinned once, whose bytes are theirs alone', () => {
    const blocks = [1, 64, 65, 1000, 4096, 5000, 70_000, 300_000].map((size, i) => {
      const block = pool.alloc(size);
      expect(block.size).to.equal(size);
      expect(block.pinned).to.equal(true);
      expect(block.bytes).to.be.instanceOf(Uint8Array);
      expect(block.bytes.length).to.equal(size);
      expect(block.bytes.buffer.byteLength).to.equal(size);
      block.bytes.fill(i + 1);
      return block;
    });
    for (const [i, block] of blocks.entries()) {
      expect(block.bytes.every((byte) => byte === i + 1)).to.equal(true);
      block.unpin();
      expect(block.pin()).to.equal('kept');
      block.free();
    }
    const { blocks: left, live, allocated, fragmentation } = pool.stats();
    expect({ left, live, allocated, fragmentation }).to.deep.equal({
      left: 0,
      live: 0,
      allocated: 0,
      fragmentation: 0,
    });
    pool.alloc(capacity); // all of the room came back
  });

  it('gives the bytes only while the block is pinned, by this object', () => {
    const block = pool.alloc(100);
    const other = pool.block(block.handle);
    expect(other.pinned).to.equal(false);
    expectCode(() => other.bytes, 'ERR_NOT_PINNED');
    expectCode(() => other.unpin(), 'ERR_NOT_PINNED');
    block.pin();
    block.unpin();
    block.bytes[0] = 7;
    expect(other.pin()).to.equal('kept');
    expect(other.bytes[0]).to.equal(7);
    block.unpin();
    expectCode(() => block.bytes, 'ERR_NOT_PINNED');
    expectCode(() => block.unpin(), 'ERR_NOT_PINNED');
  });

  it('discards what nobody has pinned, and tells whoever pins it', () => {
    const held = pool.alloc(8000); // too large to share its pages
    held.bytes.fill(1);
    const block = pool.alloc(8000);
    block.bytes.fill(2);
    block.unpin();
    expect(pool.purge()).to.be.at.least(8000);
    expect(pool.stats().pinned).to.equal(8000);
    expect(block.pin()).to.equal('purged');
    expect(block.pin()).to.equal('kept'); // nested
    expect(pool.stats().purged).to.equal(8000); // not refilled yet
    block.bytes.fill(3);
    block.unpin();
    block.unpin();
    expect(block.pin()).to.equal('kept');
    expect(block.bytes[7999]).to.equal(3);
    expect(held.bytes[7999]).to.equal(1);
    const { purged, blocks, live } = pool.stats();
    expect({ purged, blocks, live }).to.deep.equal({ purged: 0, blocks: 2, live: 16_000 });
  });

  it('holds and discards small blocks together with those that share their pages', () => {
    const [held, block] = [pool.alloc(100), pool.alloc(100)];
    block.unpin();
    expect(pool.purge()).to.equal(0);
    expect(block.pin()).to.equal('kept');
    block.unpin();
    held.unpin();
    pool.purge();
    expect([held.pin(), block.pin()]).to.deep.equal(['purged', 'purged']);
    block.unpin(); // says that it is refilled
    expect(pool.stats().purged).to.equal(100);
  });

  it('finds a block by its handle until it is freed, and never another', () => {
    const block = pool.alloc(100, { priority: 'cheap' });
    const { handle } = block;
    expect(handle).to.be.at.most(Number.MAX_SAFE_INTEGER);
    expect(block.handle).to.equal(handle);
    const found = pool.block(JSON.parse(JSON.stringify(handle)));
    expect(found.size).to.equal(100);
    expect(found.priority).to.equal('cheap');
    found.free();
    expect(block.pin()).to.equal('kept'); // who holds it goes on
    block.unpin();
    block.unpin();
    for (const one of [block, found]) {
      for (const call of [() => one.pin(), () => one.access(() => 1), () => one.free()]) {
        expectCode(call, 'ERR_BLOCK_FREED');
      }
    }
    expectCode(() => pool.block(handle), 'ERR_BLOCK_FREED');
    for (let i = 0; i < 50; i++) expect(pool.alloc(100).handle).to.not.equal(handle);
    for (const none of [2 ** 53 - 1, 2 ** 40, 77]) expectCode(() => pool.block(none), 'ERR_BLOCK_FREED');
  });

  it('keeps the bytes of a freed block for whoever holds it', () => {
    const block = pool.alloc(2000);
    block.bytes.fill(1);
    const other = pool.block(block.handle);
    other.pin();
    const { bytes } = other;
    block.free();
    expect(pool.stats().doomed).to.equal(1);
    for (let i = 0; i < 100; i++) pool.alloc(2000).bytes.fill(9);
    expect(bytes.every((byte) => byte === 1)).to.equal(true);
  });

  it('says when it is full, and which sizes it cannot have', () => {
    const blocks: Block[] = [];
    expectCode(() => {
      for (;;) blocks.push(pool.alloc(100_000));
    }, 'ERR_NO_SPACE');
    expect(blocks.length).to.be.at.least(8);
    blocks.pop()!.free();
    blocks.push(pool.alloc(100_000));
    const few = create({ maxBlocks: 1 });
    few.alloc(1);
    expectCode(() => few.alloc(1), 'ERR_NO_SPACE');
    expectCode(() => pool.alloc(capacity + 1), 'ERR_OUT_OF_RANGE', RangeError);
  });

  it('holds the block while fn of access runs, or its promise', async () => {
    const block = pool.alloc(10);
    block.bytes.fill(1);
    block.unpin();
    expect(block.access((bytes, state) => `${state} ${bytes[0]} ${block.pinned}`)).to.equal('kept 1 true');
    expect(block.pinned).to.equal(false);
    expect(() =>
      block.access(() => {
        throw new Error('mine');
      }),
    ).to.throw('mine');
    expect(block.pinned).to.equal(false);
    let settle = () => {};
    const work = block.access(
      () =>
        new Promise<void>((resolve) => {
          settle = resolve;
        }),
    );
    await turn();
    expect(block.pinned).to.equal(true);
    settle();
    await work;
    expect(block.pinned).to.equal(false);
    pool.purge();
    block.access((_bytes, state) => expect(state).to.equal('purged'));
    block.access((_bytes, state) => expect(state).to.equal('kept'));
    block.access(() => block.free()); // its business
    expectCode(() => block.access(() => 1), 'ERR_BLOCK_FREED');
    const last = pool.alloc(10);
    await last.access(async () => pool.close());
  });

  it('reads without a pin what was there throughout', () => {
    const block = pool.alloc(5000);
    block.bytes.fill(4);
    const other = pool.block(block.handle);
    block.unpin();
    expect(other.tryRead((bytes) => bytes[4999])).to.equal(4);
    expect(other.pinned).to.equal(false);
    pool.purge();
    expect(other.tryRead(() => expect.fail('called'))).to.equal(undefined);
    block.pin();
    block.bytes.fill(5);
    block.unpin();
    expect(other.tryRead((bytes) => bytes[0])).to.equal(5);
    // In a pool of one process a read holds what it reads, whatever the backend.
    if (backend.shared && !backend.readsHold) {
      expect(
        other.tryRead(() => {
          pool.purge();
          return 1;
        }),
      ).to.equal(undefined);
    }
    block.access((bytes) => bytes.fill(6));
    expect(() =>
      other.tryRead(() => {
        throw new Error('mine');
      }),
    ).to.throw('mine');
    expect(other.tryRead(() => block.free())).to.equal(undefined);
    expect(other.tryRead(() => 1)).to.equal(undefined);
  });

  it('refuses wrong arguments', () => {
    for (const value of wrongTypes) {
      expectCode(() => create({ capacity: value as never }), 'ERR_INVALID_ARG_TYPE', TypeError);
      expectCode(() => pool.alloc(value as never), 'ERR_INVALID_ARG_TYPE', TypeError);
      expectCode(() => pool.block(value as never), 'ERR_INVALID_ARG_TYPE', TypeError);
      if (typeof value !== 'function') {
        expectCode(() => pool.alloc(1).access(value as never), 'ERR_INVALID_ARG_TYPE', TypeError);
        expectCode(() => pool.alloc(1).tryRead(value as never), 'ERR_INVALID_ARG_TYPE', TypeError);
      }
    }
    for (const value of wrongNumbers) {
      expectCode(() => create({ capacity: value }), 'ERR_OUT_OF_RANGE', RangeError);
      expectCode(() => create({ maxBlocks: value }), 'ERR_OUT_OF_RANGE', RangeError);
      expectCode(() => pool.alloc(value), 'ERR_OUT_OF_RANGE', RangeError);
      expectCode(() => pool.block(value), 'ERR_OUT_OF_RANGE', RangeError);
    }
    expectCode(() => pool.alloc(0), 'ERR_OUT_OF_RANGE', RangeError);
    expectCode(() => create({ capacity: 2 ** 52 }), 'ERR_OUT_OF_RANGE', RangeError);
    expectCode(() => create({ maxBlocks: 2 ** 28 + 1 }), 'ERR_OUT_OF_RANGE', RangeError);
    expectCode(() => pool.alloc(1, { priority: 'dear' as never }), 'ERR_INVALID_ARG_VALUE', TypeError);
    expectCode(() => pool.alloc(1, 5 as never), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => create({ name: 'x'.repeat(250) }), 'ERR_OUT_OF_RANGE', RangeError);
    expectCode(() => VolatilePool.create(undefined as never), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => Reflect.construct(VolatilePool, []), 'ERR_INVALID_ARG_TYPE', TypeError);
  });

  it('answers everything with ERR_REGION_CLOSED after close(), and bytes that somebody kept read as zeros', () => {
    const block = pool.alloc(5000);
    const { bytes } = block;
    bytes.fill(1);
    const { handle } = block;
    pool.close();
    pool.close();
    expect(pool.closed).to.equal(true);
    expect(bytes.every((byte) => byte === 0)).to.equal(true);
    const calls = [
      () => pool.alloc(1),
      () => pool.block(handle),
      () => pool.purge(),
      () => pool.stats(),
      () => pool.fd,
      () => block.pin(),
      () => block.unpin(),
      () => block.bytes,
      () => block.handle,
      () => block.free(),
      () => block.access(() => 1),
      () => block.tryRead(() => 1),
    ];
    for (const call of calls) expectCode(call, 'ERR_REGION_CLOSED');
    expect(block.pinned).to.equal(false);
    expect(block.size).to.equal(5000);
  });

  it('gives the pins of collected blocks back, and frees what nobody can know of', async () => {
    const { handle } = (() => {
      for (let i = 0; i < 50; i++) pool.alloc(3000);
      return pool.alloc(3000);
    })();
    for (let i = 0; i < 200 && (pool.stats().blocks > 1 || pool.stats().pinned > 0); i++) {
      global.gc!();
      await turn();
    }
    const { blocks, pinned } = pool.stats();
    expect({ blocks, pinned }).to.deep.equal({ blocks: 1, pinned: 0 });
    expect(pool.block(handle).size).to.equal(3000);
  });

  it('keeps a block pinned for who has its bytes', async () => {
    const bytes = (() => pool.alloc(3000).bytes.subarray(5, 10))();
    for (let i = 0; i < 20; i++) {
      global.gc!();
      await turn();
    }
    expect(pool.stats().pinned).to.equal(3000);
    expect(bytes.length).to.equal(5);
  });

  if (backend.shared) {
    it('is found by other objects, through its fd', () => {
      const block = pool.alloc(9000);
      block.bytes.fill(6);
      using second = VolatilePool.fromFd(pool.fd);
      const seen = second.block(block.handle);
      expect(seen.pin()).to.equal('kept');
      expect(seen.bytes[8999]).to.equal(6);
      block.unpin();
      expect(pool.purge()).to.equal(0); // it is one process, and holds it still
      second.close();
      expect(pool.purge()).to.be.at.least(9000);
      expect(block.pin()).to.equal('purged');
    });

    it('is no region, and a region is no pool, and both say so', () => {
      const asRegion = expectCode(() => SharedRegion.fromFd(pool.fd), 'ERR_UNTRUSTED_FD');
      expect(asRegion.message).to.match(/pool/);
      using region = backend.create(capacity);
      const asPool = expectCode(() => VolatilePool.fromFd(region.fd), 'ERR_UNTRUSTED_FD');
      expect(asPool.message).to.match(/plain region|SharedRegion/);
      expectCode(() => VolatilePool.fromFd(0x7ffffff), 'ERR_UNTRUSTED_FD');
      expectCode(() => VolatilePool.fromFd('3' as never), 'ERR_INVALID_ARG_TYPE', TypeError);
    });
  }
});

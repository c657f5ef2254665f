import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { type Block, probe, SharedRegion, VolatileCache, VolatilePool } from '../../lib/index.ts';
import { nodePeer, Remote } from '../helpers/region-processes.ts';
import { runProgram } from '../helpers/run-program.ts';

const program = 'lib/cli/main.ts';
const run = (...args: string[]) => runProgram(program, args).done;
const json = async (...args: string[]) => {
  const { code, output, errors } = await run(...args, '--json');
  expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
  return JSON.parse(output);
};
const me = String(process.pid);
const page = 4 * 65536;
const sharable = probe().backends.filter(
  ({ name, available }) => available && (name === 'memfd' || name === 'ashmem'),
);

for (const { name: backend } of sharable as { name: 'memfd' | 'ashmem' }[]) {
  describe(`the command line: regions of other processes (${backend})`, () => {
    let region: SharedRegion;
    beforeEach(() => {
      region = SharedRegion.create({ name: 'seen\x1b[31m', size: 8 * page - 1, granularity: page, backend });
    });
    afterEach(() => region.close());
    const inspect = (...more: string[]) => json('inspect', me, String(region.fd), ...more);

    it('ps lists a region once, with all who have it, and a cache', async () => {
      const peer = nodePeer(region, 'hold');
      using cache = VolatileCache.create({ name: 'of-caches', capacity: 2 ** 20, backend });
      cache.set('key', Buffer.from('value'));
      expect(await peer.line()).to.equal('ready');
      const { regions } = await json('ps');
      const found = regions.filter(({ name }: { name: string }) => name === 'seen\x1b[31m');
      expect(found.length).to.equal(1);
      expect(found[0]).to.include({
        kind: 'region',
        backend,
        size: 8 * page - 1,
        pinned: 8 * page - 1,
        unpinned: 0,
      });
      expect(found[0].attached).to.equal(2);
      const holders = found[0].processes.filter(({ attached }: { attached: boolean }) => attached);
      expect(holders.map(({ pid }: { pid: number }) => pid)).to.have.members([process.pid, peer.pid]);
      const mine = holders.find(({ pid }: { pid: number }) => pid === process.pid);
      expect(mine.fds).to.include(region.fd);
      const caches = regions.filter(({ name }: { name: string }) => name === 'of-caches');
      expect(caches.length).to.equal(1);
      expect(caches[0].kind).to.equal('cache');
      await peer.killed();
    });

    it('names of others cannot write to the terminal', async () => {
      const { code, output } = await run('ps');
      expect(code).to.equal(0);
      expect(output).to.include('seen?[31m').and.to.not.include('\x1b');
    });

    it('inspect agrees with stats(), says who holds what, and changes nothing', async () => {
      const peer = new Remote(region);
      await peer.ask('pin', page, 3 * page);
      region.unpin();
      region.purge(5 * page, page);
      const seen = await inspect('--units');
      const { pinned, unpinned, purged } = region.stats();
      expect({ pinned: seen.pinned, unpinned: seen.unpinned, purged: seen.purged }).to.deep.equal({
        pinned,
        unpinned,
        purged,
      });
      expect({ pinned, purged }).to.deep.equal({ pinned: 3 * page, purged: page });
      expect(seen.states).to.deep.equal({ ready: 7, purging: 0, purged: 1, refilling: 0 });
      expect(seen.generations).to.include({ least: 0, most: 1, sum: 1, discardedUnits: 1 });
      const holding = seen.owners.filter((owner: { pinned: number }) => owner.pinned > 0);
      expect(holding.map(({ pid, pinned }: { pid: number; pinned: number }) => [pid, pinned])).to.deep.equal([
        [peer.pid, 3 * page],
      ]);
      const slot = holding[0].slot;
      expect(seen.runs).to.deep.equal([
        { offset: 0, length: page, state: 'ready', holders: [] },
        { offset: page, length: 3 * page, state: 'ready', holders: [slot] },
        { offset: 4 * page, length: page, state: 'ready', holders: [] },
        { offset: 5 * page, length: page, state: 'purged', holders: [] },
        { offset: 6 * page, length: 2 * page - 1, state: 'ready', holders: [] },
      ]);
      expect(seen.attached).to.equal(2);
      expect((await inspect('--units')).owners).to.deep.equal(seen.owners);
      await peer.killed();
      const after = await inspect();
      expect(after.pinned).to.equal(0);
      expect(after.owners.find((owner: { pid: number }) => owner.pid === peer.pid)?.state ?? 'dead').to.equal(
        'dead',
      );
    });

    it('purge discards what nobody holds, and its user is told', async () => {
      region.unpin(0, 4 * page);
      expect(
        await json('purge', me, String(region.fd), '--offset', '0', '--length', String(page)),
      ).to.deep.equal({
        discarded: page,
      });
      expect(await json('purge', me, String(region.fd))).to.deep.equal({ discarded: 3 * page });
      expect(region.pin(0, page)).to.equal('purged');
      expect(region.pin(4 * page, page)).to.equal('kept');
    });

    it('pin holds what is not lost until unpin, and leaves the loss to be told', async () => {
      region.unpin();
      region.purge(0, page);
      const holder = runProgram(program, ['pin', me, String(region.fd)]);
      await holder.line(`held by process`);
      expect(region.purge()).to.equal(0);
      expect((await inspect()).pinned).to.equal(7 * page - 1);
      expect(await json('unpin', me, String(region.fd))).to.deep.equal({ ended: [holder.child.pid] });
      expect((await holder.done).code).to.equal(0);
      using later = SharedRegion.fromFd(region.fd);
      expect(later.pin(0, page)).to.equal('purged');
      expect(later.pin(page, page)).to.equal('kept');
      later.unpin(page, page);
      expect(region.purge()).to.equal(7 * page - 1);
      const none = await run('unpin', me, String(region.fd));
      expect(none).to.include({ code: 1, output: '' });
    });

    it('pin --seconds ends by itself', async () => {
      region.unpin();
      const { code, output } = await run('pin', me, String(region.fd), '--seconds', '1', '--json');
      expect({ code, output }).to.deep.equal({ code: 0, output: `{"held":${8 * page - 1},"lost":0}\n` });
      expect(region.pinStatus()).to.equal('unpinned');
    });

    it('a pool is shown by its extents, and purged but for what is held', async () => {
      using pool = VolatilePool.create({ name: 'of-pools', capacity: 2 ** 22, backend });
      const held = pool.alloc(100000);
      const left = pool.alloc(200000);
      left.unpin();
      const seen = await json('inspect', me, String(pool.fd));
      expect(seen).to.include({ kind: 'pool', name: 'of-pools' });
      expect(seen.pinned).to.be.within(100000, 200000);
      expect(seen.pinned + seen.unpinned).to.equal(seen.size);
      expect(seen.extents).to.be.at.least(2);
      expect((await json('purge', me, String(pool.fd))).discarded).to.be.at.least(200000);
      expect(left.pin()).to.equal('purged');
      held.unpin();
      expect(held.pin()).to.equal('kept');
    });

    describe('pin of a pool', () => {
      let pool: VolatilePool;
      let large: Block;
      let small: Block[];
      let lost: Block;
      const smallBytes = 16 * 100;
      beforeEach(() => {
        pool = VolatilePool.create({ capacity: 2 ** 22, backend });
        lost = pool.alloc(300000);
        lost.bytes.fill(3);
        lost.unpin();
        expect(pool.purge()).to.be.at.least(300000);
        large = pool.alloc(200000);
        large.bytes.fill(1);
        large.unpin();
        small = Array.from({ length: 16 }, () => pool.alloc(100));
        for (const block of small) {
          block.bytes.fill(2);
          block.unpin();
        }
      });
      let holder: ReturnType<typeof runProgram> | undefined;
      afterEach(() => {
        holder?.child.kill('SIGKILL');
        pool.close();
      });
      const held = { held: 200000 + smallBytes, lost: 300000 };
      const hold = async () => {
        holder = runProgram(program, ['pin', me, String(pool.fd), '--json']);
        await holder.line(`${JSON.stringify(held)}\n`);
        return holder;
      };
      const wholeness = () => [large, small[0]!, small[15]!].map((block) => block.tryRead((b) => b[0]));
      const isWhole = [1, 2, 2];
      const isGone = [undefined, undefined, undefined];

      it('holds what is there until unpin, and says how much was lost', async () => {
        const holder = await hold();
        pool.purge();
        expect((await json('purge', me, String(pool.fd))).discarded).to.equal(0);
        expect(wholeness()).to.deep.equal(isWhole);
        expect(pool.stats().pinned).to.equal(200000 + smallBytes);
        expect(await json('unpin', me, String(pool.fd))).to.deep.equal({ ended: [holder.child.pid] });
        expect((await holder.done).code).to.equal(0);
        expect(pool.stats().pinned).to.equal(0);
        expect(pool.purge()).to.be.at.least(200000 + smallBytes);
        expect(wholeness()).to.deep.equal(isGone);
      });

      it('ends when who holds is killed', async () => {
        const holder = await hold();
        expect(pool.purge()).to.equal(0);
        holder.child.kill('SIGKILL');
        await holder.done;
        expect(pool.purge()).to.be.at.least(200000 + smallBytes);
        expect(wholeness()).to.deep.equal(isGone);
      });

      it('leaves what was lost as it was, and to be told', async () => {
        const states = async () => (await json('inspect', me, String(pool.fd))).states;
        const before = await states();
        expect(before.purged).to.be.at.least(1);
        const holder = await hold();
        expect(await states()).to.deep.equal(before);
        expect(lost.pin()).to.equal('purged');
        expect(large.pin()).to.equal('kept');
        holder.child.kill('SIGKILL');
        await holder.done;
      });

      it('does not stand in the way of its users', async () => {
        const holder = await hold();
        const later = pool.alloc(100);
        later.bytes.fill(4);
        later.unpin();
        large.pin();
        large.bytes.fill(5);
        large.unpin();
        expect(large.tryRead((bytes) => bytes[0])).to.equal(5);
        // Nobody else can know of it: its room is given back at once. That of the other waits for who holds it.
        later.free();
        expect(large.handle).to.be.a('number');
        large.free();
        expect(pool.stats()).to.include({ doomed: 1, blocks: 18 });
        expect(await json('unpin', me, String(pool.fd))).to.deep.equal({ ended: [holder.child.pid] });
        expect(pool.stats()).to.include({ doomed: 0, blocks: 17 });
      });

      it('has no ranges', async () => {
        const { code, errors } = await run('pin', me, String(pool.fd), '--offset', '0', '--length', '4096');
        expect(code).to.equal(1);
        expect(errors).to.include('ERR_NOT_SUPPORTED');
      });
    });

    it('pin and purge of a cache, in which an entry that was lost is still a miss', async () => {
      using cache = VolatileCache.create({ capacity: 2 ** 20, backend });
      cache.set('gone', Buffer.alloc(70000));
      cache.purge();
      for (let i = 0; i < 8; i++) cache.set(`key ${i}`, Buffer.alloc(5000, i));
      const holder = runProgram(program, ['pin', me, String(cache.fd), '--json']);
      await holder.line('{"held":40040,"lost":70004}\n');
      expect(cache.purge()).to.equal(0);
      for (let i = 0; i < 8; i++) expect(cache.tryRead(`key ${i}`, (bytes) => bytes[4999])).to.equal(i);
      expect(cache.get('gone')).to.equal(undefined);
      expect(cache.stats()).to.include({ purged: 1 });
      expect((await json('inspect', me, String(cache.fd))).pinned).to.be.at.least(40000);
      await json('unpin', me, String(cache.fd));
      await holder.done;
      const { discarded } = await json('purge', me, String(cache.fd));
      expect(discarded).to.be.at.least(40000);
      expect(cache.get('key 0')).to.equal(undefined);
    });
  });
}

describe('the command line: regions, wrong words and things that are none', () => {
  const wrong: [string[], string][] = [
    [['inspect'], 'which PID and FD? ashmem-compat ps lists them'],
    [['purge', '1', '2', '3'], 'one PID and one FD, received also 3'],
    [['pin', 'self', '3'], 'PID must be a whole number from 1 to 2147483647, received self'],
    [['unpin', '1', '-1'], "Unknown option '-1'"],
    [['pin', me, '3', '--seconds', '0'], '--seconds must be a whole number from 1'],
    [['top', '--interval', '0'], '--interval must be a whole number from 1'],
    [['ps', 'all'], "Unexpected argument 'all'"],
  ];
  for (const [args, message] of wrong) {
    it(`${args.join(' ')}: ${message}`, async () => {
      const { code, output, errors } = await run(...args);
      expect({ code, output }).to.deep.equal({ code: 2, output: '' });
      expect(errors.slice(0, `ashmem-compat: ${message}`.length)).to.equal(`ashmem-compat: ${message}`);
    });
  }

  const codes: [string, string[], string][] = [
    ['nobody', ['2147483647', '3'], 'ERR_NO_SUCH_PROCESS'],
    ['no such descriptor', [me, '999999'], 'ERR_UNTRUSTED_FD'],
    ['a descriptor of something else', [me, '1'], 'ERR_UNTRUSTED_FD'],
  ];
  for (const command of ['inspect', 'purge', 'pin', 'unpin']) {
    for (const [what, args, code] of codes) {
      it(`${command}, ${what}: ${code}`, async () => {
        const done = await run(command, ...args);
        expect(done).to.include({ code: 1, output: '' });
        expect(done.errors).to.match(new RegExp(`^ashmem-compat: .*\\(${code}\\)\n$`));
      });
    }
  }

  it('a range that is no whole number of units', async () => {
    using region = SharedRegion.create({ size: 2 * page, granularity: page, backend: 'memfd' });
    for (const command of ['purge', 'pin']) {
      const { code, errors } = await run(command, me, String(region.fd), '--offset', '1', '--length', '1');
      expect(code).to.equal(1);
      expect(errors).to.include('ERR_INVALID_RANGE');
    }
  });

  it('top: a sum, and a table for each look', async () => {
    using region = SharedRegion.create({ name: 'on-top', size: page, backend: 'memfd' });
    const { code, output } = await run('top', '--count', '2', '--interval', '1');
    expect(code).to.equal(0);
    expect(output.match(/^\d+ regions? · memory .* · pinned .* · discarded /gm)?.length).to.equal(2);
    expect(output.match(/ on-top$/gm)?.length).to.equal(2);
    expect(output).to.include('since the last look');
    expect(region.stats().pinned).to.equal(page);
  });

  it('a file that looks like a region and is none is left out', async () => {
    using region = SharedRegion.create({ name: 'scribbled', size: page, backend: 'memfd' });
    const { writeSync, fstatSync } = await import('node:fs');
    const fd = openSync(`/proc/self/fd/${region.fd}`, 'r+');
    const header = fstatSync(fd).size - 512;
    const own = Buffer.alloc(8);
    for (const [at, value] of [
      [16, 2n ** 63n],
      [24, 4097n],
      [32, 7n],
      [72, 8n],
      [432, 2n ** 60n],
      [0, 0n],
    ] as const) {
      (await import('node:fs')).readSync(fd, own, 0, 8, header + at);
      const before = own.readBigUInt64LE();
      own.writeBigUInt64LE(value);
      writeSync(fd, own, 0, 8, header + at);
      const { regions } = await json('ps');
      expect(
        regions.some(({ name }: { name: string }) => name === 'scribbled'),
        `at ${at}`,
      ).to.equal(false);
      own.writeBigUInt64LE(before);
      writeSync(fd, own, 0, 8, header + at);
    }
    closeSync(fd);
    expect((await json('ps')).regions.some(({ name }: { name: string }) => name === 'scribbled')).to.equal(
      true,
    );
  });

  it('other users see what they may, and how much they do not', async function () {
    if (process.getuid?.() !== 0) {
      console.log('      skipped: only root can become another user');
      return this.skip();
    }
    const child = spawn(process.execPath, ['--import', 'tsx', program, 'ps'], {
      uid: 65534,
      gid: 65534,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    child.stdout.resume();
    const [code] = await once(child, 'close');
    if (errors.includes('EACCES') && !errors.includes('could not be looked at')) {
      console.log('      skipped: this checkout is not for other users to read');
      return this.skip();
    }
    expect(code).to.equal(0);
    expect(errors).to.match(/^\d+ processes could not be looked at/);
  });
});

import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { type AshmemError, type OptimisticMeans, SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { OpenRegions } from '../helpers/open-regions.ts';
import { pageSize as page } from '../helpers/page.ts';
import { type ContractBackend, describeContract } from './backends.ts';

/** Why a region of the backend cannot be read by those means; undefined if it can. */
function whyNot(backend: ContractBackend, means: OptimisticMeans): string | undefined {
  using region = backend.create(page);
  try {
    region.optimistic({ means });
    return undefined;
  } catch (error) {
    expect((error as AshmemError).code).to.equal('ERR_NOT_SUPPORTED');
    return (error as Error).message;
  }
}

/** Where a supervisor plays the kernel, each of its calls takes a trip through two processes. */
const touchesWanted = process.env.ASHMEM_COMPAT_TEST_VRANGE_PURGE === undefined ? 100_000 : 2_000;

/** Rounds of 2048 touches each, where it is the kernel that takes them: ASHMEM_COMPAT_TEST_ROUNDS=50 makes a hundred thousand, as the virtual machine has. */
const rounds = Number(process.env.ASHMEM_COMPAT_TEST_ROUNDS ?? 3);

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0);

describeContract('optimistic reads', (backend) => {
  for (const means of ['vrange', 'userfaultfd', 'generations'] as const) {
    describe(`by ${means}`, () => {
      const reason = whyNot(backend, means);
      if (reason !== undefined) {
        it(`skipped: ${reason}`);
        return;
      }
      const open = new OpenRegions();
      afterEach(() => open.close());
      const filled = (units: number) => {
        const region = open.add(backend.create(units * page));
        new Uint8Array(region.buffer).fill(1);
        return region;
      };

      it('give any bytes that are whole, pinned or not', () => {
        const region = filled(4);
        const reader = region.optimistic({ means });
        for (let i = 0; i < 2; i++) {
          expect(reader.read(0, 4 * page, sum)).to.deep.equal({
            value: 4 * page,
            state: 'kept',
            lost: [],
            refilled: [],
          });
          expect(reader.read(page - 1, 2, sum).value).to.equal(2);
          if (i === 0) region.unpin();
        }
        expect(region.pinStatus()).to.equal('unpinned');
      });

      it('say which units were discarded, and take no notice away', () => {
        const region = filled(8);
        region.unpin();
        region.purge(2 * page, page);
        region.purge(5 * page, 2 * page);
        const reader = region.optimistic({ means });
        for (let i = 0; i < 2; i++) {
          const { value, state, lost } = reader.read(page + 7, 6 * page, sum);
          expect([value, state]).to.deep.equal([3 * page, 'purged']);
          expect(lost).to.deep.equal([
            { offset: 2 * page, length: page },
            { offset: 5 * page, length: 2 * page },
          ]);
        }
        expect(reader.read(0, 2 * page, sum).state).to.equal('kept');
        const told: object[] = [];
        expect(region.pin(0, 8 * page, told as never)).to.equal('purged');
        expect(told).to.have.length(2);
      });

      it('notice what is lost while they read', () => {
        const region = filled(2);
        region.unpin();
        let lost = 0;
        const result = region.optimistic({ means }).read(0, 2 * page, (bytes) => {
          lost = region.purge(page, page);
          return sum(bytes);
        });
        if (backend.readsHold && lost === 0) expect(result.state).to.equal('kept');
        else expect(result.lost).to.deep.equal([{ offset: page, length: page }]);
      });

      it('refill, and read once more if they are to', () => {
        const region = filled(4);
        region.unpin();
        region.purge(page, 2 * page);
        const refills: number[] = [];
        const refill = (bytes: Uint8Array, offset: number) => {
          refills.push(offset, bytes.length);
          bytes.fill(1);
        };
        const reader = region.optimistic({ means, refill });
        const again = reader.read(0, 4 * page, sum, { repeat: 1 });
        expect(again).to.deep.equal({
          value: 4 * page,
          state: 'kept',
          lost: [],
          refilled: [{ offset: page, length: 2 * page }],
        });
        expect(refills).to.deep.equal([page, 2 * page]);
        region.purge(0, page);
        const once = reader.read(0, page, sum);
        expect([once.state, once.value, once.refilled.length]).to.deep.equal(['purged', 0, 1]);
        expect(reader.read(0, page, sum).state).to.equal('kept');
        expect(region.pinStatus()).to.equal('unpinned');
      });

      it('purge again what could not be refilled', () => {
        const region = filled(1);
        region.unpin();
        region.purge();
        const reader = region.optimistic({
          means,
          refill: () => {
            throw new Error('no source');
          },
        });
        expect(() => reader.read(0, page, sum)).to.throw('no source');
        expect(region.pinStatus()).to.equal('unpinned');
        expect(region.pin()).to.equal('purged');
      });

      it('throw what fn throws, but for what a loss may have caused', () => {
        const region = filled(1);
        region.unpin();
        const reader = region.optimistic({ means });
        const parse = (bytes: Uint8Array) => {
          if (bytes[0] !== 7) throw new Error('not my bytes');
          return 'parsed';
        };
        expect(() => reader.read(0, page, parse)).to.throw('not my bytes');
        region.purge();
        const { value, state, error } = reader.read(0, page, parse);
        expect([value, state, (error as Error).message]).to.deep.equal([undefined, 'purged', 'not my bytes']);
      });

      it('nest', () => {
        const region = filled(2);
        region.unpin();
        region.purge(0, page);
        const reader = region.optimistic({ means });
        const outer = reader.read(page, page, () => reader.read(0, page, sum).state);
        expect([outer.value, outer.state]).to.deep.equal(['purged', 'kept']);
      });

      it('survive a close, by whatever has the bytes', () => {
        const region = filled(2);
        region.unpin();
        const reader = region.optimistic({ means });
        let kept: Uint8Array | undefined;
        const { state } = reader.read(0, 2 * page, (bytes) => {
          kept = bytes;
          region.close();
          return sum(bytes);
        });
        expect(state).to.equal('purged');
        expect(sum(kept!)).to.equal(0);
        expectCode(() => reader.read(0, page, sum), 'ERR_REGION_CLOSED');
        expectCode(() => region.optimistic(), 'ERR_REGION_CLOSED');
      });

      it('let the kernel fail, not the process, where it is to read what is gone', () => {
        const region = filled(1);
        region.unpin();
        region.purge();
        const reader = region.optimistic({ means });
        using sink = SharedRegion.create({ size: page, backend: 'memfd' });
        const { state, error } = reader.read(0, page, (bytes) => writeSync(sink.fd, bytes.subarray(0, 4)));
        expect(state).to.equal('purged');
        if (means === 'userfaultfd') expect((error as NodeJS.ErrnoException).code).to.equal('EFAULT');
        expect(reader.read(0, page, sum).state).to.equal('purged');
      });

      it(`stand ${touchesWanted} touches of what is gone`, () => {
        const units = 256;
        const region = filled(units);
        region.unpin();
        const reader = region.optimistic({ means });
        let gone = 0;
        for (let touches = 0; touches < touchesWanted; touches += units) {
          region.purge();
          const { value, state, lost } = reader.read(0, units * page, (bytes) => {
            let total = 0;
            for (let at = 0; at < bytes.length; at += page) total += bytes[at]!;
            return total;
          });
          expect([value, state]).to.deep.equal([0, 'purged']);
          gone += lost.reduce((bytes, range) => bytes + range.length, 0) / page;
        }
        expect(gone).to.be.at.least(touchesWanted);
        if (means === 'userfaultfd') expect(reader.touches).to.be.at.least(touchesWanted);
      });

      if (backend.kernelDiscards && typeof backend.provoke !== 'string') {
        const discard = backend.provoke;
        it('stand touches of what the kernel has discarded', () => {
          const units = touchesWanted < 100_000 ? 32 : 2048;
          const region = filled(units);
          region.unpin();
          const reader = region.optimistic({ means, refill: (bytes) => bytes.fill(1) });
          let gone = 0;
          for (let round = 0; round < rounds; round++) {
            discard();
            const { value, state, lost, refilled } = reader.read(0, units * page, (bytes) => {
              let total = 0;
              for (let at = 0; at < bytes.length; at += page) total += bytes[at]!;
              return total;
            });
            expect([value, state]).to.deep.equal([0, 'purged']);
            expect(lost).to.deep.equal([{ offset: 0, length: units * page }]);
            expect(refilled).to.deep.equal(lost);
            gone += units;
          }
          expect(gone).to.equal(rounds * units);
          expect(reader.read(0, units * page, sum).value).to.equal(units * page);
        });
      }

      if (!backend.shared) return;

      it('work in threads of their own', async () => {
        const region = filled(64);
        region.unpin();
        const workers = [1, 2].map(
          () =>
            new Worker(new URL('../helpers/optimistic-worker.mjs', import.meta.url), {
              workerData: { fd: region.fd, means, page },
            }),
        );
        const ended = Promise.all(
          workers.map(
            (worker) =>
              new Promise<number>((resolve, reject) => {
                worker.once('message', resolve);
                worker.once('error', reject);
              }),
          ),
        );
        let done = false;
        ended.finally(() => {
          done = true;
        });
        while (!done) {
          region.purge();
          await new Promise((resolve) => setImmediate(resolve));
        }
        for (const losses of await ended) expect(losses).to.be.at.least(200);
      });
    });
  }

  it('are refused arguments that make no sense', () => {
    using region = backend.create(2 * page);
    expectCode(() => region.optimistic({ means: 'magic' as never }), 'ERR_INVALID_ARG_VALUE', TypeError);
    expectCode(() => region.optimistic({ means: 1 as never }), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => region.optimistic({ refill: 1 as never }), 'ERR_INVALID_ARG_TYPE', TypeError);
    const reader = region.optimistic();
    expectCode(() => reader.read(0, page, 1 as never), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => reader.read(0, page, sum, { repeat: -1 }), 'ERR_OUT_OF_RANGE', RangeError);
    for (const [offset, length] of [
      [0, 0],
      [0, 2 * page + 1],
      [-1, 1],
      [2 * page, 1],
      [0.5, 1],
    ]) {
      expectCode(() => reader.read(offset!, length!, sum), 'ERR_INVALID_RANGE', RangeError);
    }
  });
});

describeContract(
  'optimistic reads by who may only read',
  (backend) => {
    it('say what is lost, and refill nothing', () => {
      using region = backend.create(2 * page);
      new Uint8Array(region.buffer).fill(1);
      region.protect('read');
      using reading = SharedRegion.fromFd(region.fd);
      expect(reading.readonly).to.equal(true);
      expectCode(() => reading.optimistic({ refill: () => {} }), 'ERR_READ_ONLY');
      const reader = reading.optimistic();
      expect(reader.read(0, 2 * page, sum)).to.include({ value: 2 * page, state: 'kept' });
      region.unpin(0, page);
      region.purge(0, page);
      expect(reader.read(0, 2 * page, sum)).to.include({ value: page, state: 'purged' });
      region.access(0, page, (bytes) => {
        bytes.fill(2);
        expect(reader.read(0, 2 * page, sum)).to.include({ value: 3 * page, state: 'kept' });
      });
    });
  },
  'sharing',
);

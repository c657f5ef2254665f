import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { type AshmemError, SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';
import { random } from '../helpers/random.ts';
import { nativePeer, nodePeer, type Peer } from '../helpers/region-processes.ts';
import { describeContract } from './backends.ts';

// Every stage of the protocol is killed and stopped in test/native/laws_test.cc; here the laws are seen from Node.
describeContract(
  'the laws, seen from Node',
  (backend) => {
    let region: SharedRegion;
    const peers: Peer[] = [];
    const peer = (made: Peer) => {
      peers.push(made);
      return made;
    };
    beforeEach(() => {
      region = backend.create(64 * page, { name: 'laws', busyTimeout: 50 });
    });
    afterEach(async () => {
      for (const made of peers.splice(0)) await made.killed();
      region.close();
    });

    it('1: what another process has pinned is not discarded', async () => {
      const holder = peer(nodePeer(region, 'hold'));
      expect(await holder.line()).to.equal('ready');
      region.unpin();
      expect(region.purge()).to.equal(0);
      expect(region.pinStatus()).to.equal('pinned');
    });

    it('2: the pins of a killed process are gone', async () => {
      const holder = peer(nodePeer(region, 'hold'));
      expect(await holder.line()).to.equal('ready');
      region.unpin();
      await holder.killed();
      expect(region.pinStatus()).to.equal('unpinned');
      expect(region.purge()).to.equal(64 * page);
    });

    it('2, 3: a purger that is killed at a random moment leaves no unit that cannot be pinned, and no loss untold', async () => {
      const next = random(11);
      const big = backend.create(4096 * page);
      const words = new Uint32Array(big.buffer);
      for (let round = 0; round < 15; round++) {
        for (let unit = 0; unit < 4096; unit++) words[(unit * page) / 4] = unit + 1;
        big.unpin();
        const purger = peer(nativePeer(big, round % 3 ? 'purge' : 'die-in-purge'));
        await purger.line();
        for (let spin = next(2000); spin > 0; spin--) Math.sqrt(spin);
        await purger.killed();
        const lost: { offset: number; length: number }[] = [];
        big.pin(0, undefined, lost);
        const told = new Set<number>();
        for (const range of lost) {
          for (let at = range.offset; at < range.offset + range.length; at += page) told.add(at / page);
        }
        for (let unit = 0; unit < 4096; unit++) {
          if (!told.has(unit))
            expect(words[(unit * page) / 4], `unit ${unit}, round ${round}`).to.equal(unit + 1);
        }
      }
      big.close();
    });

    it('5: a peer that scribbles over everything can make calls fail, and nothing else', async () => {
      for (const seed of ['1', '2', '3']) {
        const victim = backend.create(64 * page, { busyTimeout: 2 });
        victim.unpin();
        const hostile = peer(nativePeer(victim, 'scribble', seed, '300'));
        const done = hostile.line();
        let answers = 0;
        let over = false;
        void done.then(() => {
          over = true;
        });
        const next = random(Number(seed));
        while (!over) {
          const first = next(64);
          const range = [first * page, (1 + next(64 - first)) * page] as const;
          for (const call of [
            () => victim.pin(...range),
            () => victim.unpin(...range),
            () => victim.purge(...range),
            () => victim.pinStatus(...range),
            () => victim.tryRead(...range, (bytes) => bytes[0]),
            () => victim.stats(),
            () => SharedRegion.fromFd(victim.fd).close(),
          ]) {
            try {
              call();
            } catch (error) {
              expect((error as AshmemError).code).to.be.oneOf([
                'ERR_REGION_BUSY',
                'ERR_NOT_PINNED',
                'ERR_UNTRUSTED_FD',
              ]);
            }
            answers++;
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(await done).to.equal('done');
        expect(answers).to.be.greaterThan(50);
        victim.close();
      }
    });

    it('6: a purger that is stopped delays a pin for a bounded time, and harms nobody when it wakes', async () => {
      new Uint8Array(region.buffer).fill(1);
      region.unpin();
      const sleeper = peer(nativePeer(region, 'stop-in-purge'));
      expect(await sleeper.line()).to.equal('ready');
      await sleeper.stopped();
      expectCode(() => region.pin(), 'ERR_REGION_BUSY');
      expectCode(() => region.access(0, page, () => 1), 'ERR_REGION_BUSY');
      expect(region.tryRead(0, page, () => 1)).to.equal(undefined);
      expectCode(() => region.unpin(0, page), 'ERR_NOT_PINNED');
      expect(region.purge()).to.equal(0);
      sleeper.kill('SIGCONT');
      expect(await sleeper.line()).to.equal(`purged ${64 * page}`);
      expect(region.pin()).to.equal('purged');
    });

    it('7: a region arrives the same by inheritance, and as a number in a worker thread', async () => {
      region.view(0, page).fill(5);
      const child = peer(nodePeer(region, 'answer'));
      expect(await child.line()).to.equal('kept 5');
      await child.exit();
      expect(region.view(page - 1, 1)[0]).to.equal(6);

      const lib = new URL('../../lib/index.ts', import.meta.url).href;
      const worker = new Worker(
        `import('tsx/esm/api').then(({ tsImport }) => tsImport(${JSON.stringify(lib)}, ${JSON.stringify(lib)})).then(({ SharedRegion }) => {
        const { workerData, parentPort } = require('node:worker_threads');
        const region = SharedRegion.fromFd(workerData);
        region.pin();
        region.view(0, 1)[0] = 9;
        parentPort.postMessage(region.purge());
      });`,
        { eval: true, workerData: region.fd },
      );
      const purged = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(purged).to.equal(0);
      expect(region.view(0, 1)[0]).to.equal(9);
      region.unpin();
      // The worker's object is of this process, and it has not let go: until the thread ends.
      expect(region.pinStatus()).to.equal('pinned');
      await worker.terminate();
      expect(region.pinStatus()).to.equal('unpinned');
    });

    it('as many processes as maxProcesses, and an error with a code for one more', async () => {
      const small = backend.create(page, { maxProcesses: 2 });
      const first = peer(nodePeer(small, 'attach'));
      expect(await first.line()).to.equal('attached');
      expect(await peer(nodePeer(small, 'attach')).line()).to.equal('ERR_TOO_MANY_PROCESSES');
      await first.killed();
      expect(await peer(nodePeer(small, 'attach')).line()).to.equal('attached');
      small.close();
    });
  },
  'sharing',
);

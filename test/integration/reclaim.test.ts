import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { reclaim } from '../../lib/index.ts';
import { expectRejection } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';
import { cannotReclaimOthers, hasSwap, PEER_EACH, ReclaimPeer } from '../helpers/reclaim-peer.ts';

describe('reclaim', () => {
  describe('of another process', () => {
    let peer: ReclaimPeer;
    before(function () {
      if (cannotReclaimOthers) {
        console.log(`      skipped: ${cannotReclaimOthers}`);
        this.skip();
      }
    });
    beforeEach(async () => {
      peer = await ReclaimPeer.start();
    });
    afterEach(() => peer?.end());

    it("'file' frees the pages of its files, keeps the rest, and says both", async () => {
      const result = await reclaim(peer.pid, 'file');
      expect(result).to.include({ pid: peer.pid, kind: 'file', advice: 'pageout', means: 'process_madvise' });
      expect(result).to.not.have.property('anonLeftOut');
      expect(result.mappings).to.be.greaterThan(1);
      expect(result.advised).to.be.at.least(peer.bytes);
      expect(result.left).to.equal(result.before.rss! - result.after.rss!);
      expect(result.left).to.be.greaterThan(peer.bytes / 2);
      expect(result.left).to.be.lessThan(peer.bytes + PEER_EACH / 2);
      expect(result.pageCacheDropped).to.be.at.least(0);
      const { resident, intact } = await peer.check();
      expect(resident).to.be.lessThan(peer.bytes / 2);
      expect(intact).to.equal(true);
    });

    it("'anon' goes to swap; without swap it is ERR_NO_SWAP", async () => {
      if (hasSwap()) {
        const result = await reclaim(peer.pid, 'anon');
        expect(result.swapped).to.be.at.least(PEER_EACH);
        expect(result.swapped).to.equal(result.after.swap! - result.before.swap!);
      } else {
        const error = await expectRejection(reclaim(peer.pid, 'anon'), 'ERR_NO_SWAP');
        expect(error.message).to.equal('the system has no swap');
      }
      expect(await peer.check()).to.deep.equal({ resident: peer.bytes, intact: true });
    });

    it("'all' is the default, and says when anonymous memory was left out", async () => {
      const result = await reclaim(peer.pid);
      expect(result.kind).to.equal('all');
      if (hasSwap()) {
        expect(result).to.not.have.property('anonLeftOut');
        expect(result.swapped).to.be.at.least(PEER_EACH);
      } else {
        expect(result.anonLeftOut).to.equal('the system has no swap');
        expect(result.swapped).to.equal(0);
      }
      const { resident, intact } = await peer.check();
      expect(resident).to.be.lessThan(peer.bytes / 2);
      expect(intact).to.equal(true);
    });

    it('a range: the length is rounded up to whole pages, and the rest stays', async () => {
      const half = Math.floor(peer.bytes / 2 / page) * page;
      const result = await reclaim(peer.pid, 'file', { start: peer.address, length: half - 1 });
      expect(result.advised).to.equal(half);
      expect(result.mappings).to.equal(1);
      const { resident, intact } = await peer.check();
      expect(resident).to.be.at.least(peer.bytes / 2);
      expect(resident).to.be.lessThan(peer.bytes * 0.75);
      expect(intact).to.equal(true);
    });

    it("'cold' takes nothing by itself", async () => {
      const result = await reclaim(peer.pid, 'file', { advice: 'cold' });
      expect(result).to.include({ advice: 'cold', left: 0, swapped: 0 });
      expect(await peer.check()).to.deep.equal({ resident: peer.bytes, intact: true });
    });

    it('the event loop goes on meanwhile, and several at once are several', async () => {
      let turns = 0;
      const timer = setImmediate(function turn() {
        turns++;
        setImmediate(turn).unref();
      });
      const results = await Promise.all([
        reclaim(peer.pid, 'file'),
        reclaim(peer.pid, 'file'),
        reclaim(process.pid, 'file'),
      ]);
      clearImmediate(timer);
      expect(turns).to.be.greaterThan(0);
      expect(results.map(({ pid }) => pid)).to.deep.equal([peer.pid, peer.pid, process.pid]);
      expect((await peer.check()).intact).to.equal(true);
    });

    it('after its end: ERR_NO_SUCH_PROCESS', async () => {
      await peer.end();
      await expectRejection(reclaim(peer.pid, 'file'), 'ERR_NO_SUCH_PROCESS');
    });
  });

  it('of our own process needs no rights', async () => {
    const bytes = Buffer.alloc(1 << 20, 'contents');
    const result = await reclaim(process.pid, hasSwap() ? 'all' : 'file');
    expect(result.means).to.equal('madvise');
    expect(result.mappings).to.be.greaterThan(0);
    expect(bytes.equals(Buffer.alloc(1 << 20, 'contents'))).to.equal(true);
  });

  it('of a thread of this process: ERR_NO_SUCH_PROCESS', async function () {
    if (cannotReclaimOthers) {
      console.log(`      skipped: ${cannotReclaimOthers}`);
      this.skip();
    }
    const worker = new Worker(
      `const { readlinkSync } = require('node:fs');
       require('node:worker_threads').parentPort.postMessage(readlinkSync('/proc/thread-self'));
       setInterval(() => {}, 1000);`,
      { eval: true },
    );
    const [link] = (await once(worker, 'message')) as [string];
    await expectRejection(reclaim(Number(link.split('/').at(-1)), 'file'), 'ERR_NO_SUCH_PROCESS');
    await worker.terminate();
  });

  it('of a process of another user: ERR_NOT_PERMITTED, which names the right', async function () {
    if (process.getuid?.() !== 0) {
      console.log('      skipped: becoming another user needs root');
      this.skip();
    }
    // The other user may not be able to read this checkout, so what it runs is loaded before it changes.
    const program = `
      const { reclaim } = await import(${JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href)});
      process.setuid(1000);
      const error = await reclaim(${process.pid}, 'file').catch((e) => e);
      console.log(JSON.stringify({ code: error.code, syscall: error.syscall, errno: error.errno, message: error.message }));`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    await once(child, 'close');
    const error = JSON.parse(output);
    expect(error).to.include({ code: 'ERR_NOT_PERMITTED', syscall: 'openat', errno: -13 });
    expect(error.message).to.include('CAP_SYS_PTRACE');
  });

  it('of pid 2, where it is a thread of the kernel: ERR_NO_SUCH_PROCESS', async function () {
    let name = '';
    try {
      name = readFileSync('/proc/2/comm', 'utf8');
    } catch {}
    if (name !== 'kthreadd\n') {
      console.log('      skipped: no kthreadd to be seen here');
      this.skip();
    }
    const error = await expectRejection(reclaim(2, 'file'), 'ERR_NO_SUCH_PROCESS');
    expect(error.message).to.include('thread of the kernel');
  });
});

// A program in C, written for Android's libcutils, and Node on the same region.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { FdServer, probe, SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';

const program = fileURLToPath(new URL('../../build/core/test/capi/capi_peer', import.meta.url));
const pages = 4;

/** test/capi/capi_peer.c, and the region that it made and sent. */
async function startPeer() {
  if (!existsSync(program)) throw new Error(`${program} is not built: npm run build:core`);
  const folder = mkdtempSync(join(tmpdir(), 'capi-'));
  const path = join(folder, 'socket');
  let arrived!: (region: SharedRegion | Promise<SharedRegion>) => void;
  const received = new Promise<SharedRegion>((resolve) => {
    arrived = resolve;
  });
  const server = await FdServer.listen(path, (channel) => {
    arrived(
      channel
        .receiveRegion()
        .then(({ region }) => region)
        .finally(() => channel.close()),
    );
  });
  const child = spawn(program, [path, String(pages)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const region = await received;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    region,
    page: region.size / pages,
    async ask(command: string): Promise<string> {
      child.stdin.write(`${command}\n`);
      return (await lines.next()).value;
    },
    async kill() {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
    async end() {
      region.close();
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, 'exit');
        child.stdin.end();
        expect((await exit)[0]).to.equal(0);
      }
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

describe('the C API beside Node', () => {
  let peer: Awaited<ReturnType<typeof startPeer>>;
  beforeEach(async () => {
    peer = await startPeer();
  });
  afterEach(() => peer.end());

  it('gives Node a region with name, size and bytes', () => {
    const { region } = peer;
    expect(region.name).to.equal('from C');
    expect([...region.view(0, 2)]).to.deep.equal([99, 99]);
    expect(region.pinStatus()).to.equal('pinned');
  });

  it('keeps what C has pinned, whatever Node unpins', async () => {
    const { region } = peer;
    region.pin();
    region.unpin();
    expect(region.purge()).to.equal(0);
    expect(await peer.ask('show')).to.equal('cccc');
  });

  it('tells C, once, of what Node discarded', async () => {
    const { region, page } = peer;
    expect(await peer.ask('unpin 1 2')).to.equal('0');
    expect(region.purge()).to.equal(2 * page);
    expect(await peer.ask('show')).to.equal('c..c');
    expect(await peer.ask('pin 0 1')).to.equal('0');
    expect(await peer.ask('pin 1 1')).to.equal('1');
    expect(await peer.ask('pin 1 1')).to.equal('0');
    expect(await peer.ask('pin 0 0')).to.equal('1');
  });

  it('tells Node, and where, of what C discarded', async () => {
    const { region, page } = peer;
    expect(await peer.ask('unpin 0 0')).to.equal('0');
    expect(await peer.ask('purge 3 1')).to.equal(String(page));
    const lost: { offset: number; length: number }[] = [];
    expect(region.pin(0, region.size, lost)).to.equal('purged');
    expect(lost).to.deep.equal([{ offset: 3 * page, length: page }]);
  });

  it('keeps what Node has pinned, whatever C unpins', async () => {
    const { region, page } = peer;
    region.pin(0, page);
    expect(await peer.ask('unpin 0 0')).to.equal('0');
    expect(await peer.ask('purge 0 0')).to.equal(String(3 * page));
    expect(await peer.ask('show')).to.equal('c...');
    region.unpin(0, page);
    expect(await peer.ask('purge 0 1')).to.equal(String(page));
  });

  it('lets go of what C has pinned when it is killed', async () => {
    const { region } = peer;
    expect(region.purge()).to.equal(0);
    await peer.kill();
    expect(region.purge()).to.equal(region.size);
  });

  it('lets Node go on, which attached before C took the right to write from those to come', async () => {
    const { region } = peer;
    expect(await peer.ask('protect')).to.equal('0');
    region.pin();
    region.view(0, 1)[0] = 110;
    expect(await peer.ask('show')).to.equal('nccc');
    region.unpin();
    expectCode(() => region.unpin(), 'ERR_NOT_PINNED');
  });
});

describe('the C API on a region of Node', () => {
  it('pins whole units, until the last page of one is unpinned', async () => {
    const page = probe().pageSize;
    const region = SharedRegion.create({ size: 8 * page, granularity: 2 * page });
    const child = spawn(program, ['-', '8'], { stdio: ['pipe', 'pipe', 'inherit', region.fd] });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const ask = async (command: string) => {
      child.stdin!.write(`${command}\n`);
      return (await lines.next()).value;
    };
    region.view(0, 8 * page).fill(110);
    expect(await ask('pin 1 2')).to.equal('0');
    region.unpin();
    expect(region.purge()).to.equal(4 * page);
    expect(await ask('show')).to.equal('nnnn....');
    expect(await ask('pin 0 1')).to.equal('0');
    expect(await ask('unpin 1 1')).to.equal('0');
    expect(region.purge()).to.equal(0);
    expect(await ask('unpin 0 1')).to.equal('0');
    expect(region.purge()).to.equal(2 * page);
    expect(await ask('show')).to.equal('..nn....');
    expect(await ask('purge 3 2')).to.equal('0');
    expect(await ask('pin 5 1')).to.equal('1');
    child.stdin!.end();
    await once(child, 'exit');
    region.close();
  });
});

import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { FdChannel } from '../../lib/channel/fd-channel.ts';
import { MAX_MESSAGE_FDS } from '../../lib/channel/limits.ts';
import { codeOf, failure, openFds, startPart, startPython } from '../helpers/channel.ts';

describe('FdChannel descriptors', () => {
  let a: FdChannel;
  let b: FdChannel;
  let file: number;
  let open: number;

  beforeEach(() => {
    open = openFds();
    [a, b] = FdChannel.pair();
    file = openSync(fileURLToPath(import.meta.url), 'r');
  });
  afterEach(() => {
    a.close();
    b.close();
    closeSync(file);
    // Fewer are no leak: what an earlier test left to the garbage collector may go meanwhile.
    expect(openFds(), 'open descriptors').to.be.at.most(open);
  });

  function expectSame(fd: number): void {
    expect([fstatSync(fd).dev, fstatSync(fd).ino]).to.deep.equal([fstatSync(file).dev, fstatSync(file).ino]);
    closeSync(fd);
  }

  it('arrive with their message, close-on-exec', async () => {
    await a.send('none');
    await a.send('one', [file]);
    await a.send(new Uint8Array(3), [file, 0, file]);
    expect((await b.receive()).fds).to.deep.equal([]);
    const one = await b.receive();
    const script = `process.exitCode = require('fs').existsSync('/proc/self/fd/${one.fds[0]}') ? 1 : 0`;
    expect(spawnSync(process.execPath, ['-e', script]).status).to.equal(0);
    expectSame(one.fds[0]!);
    const three = await b.receive();
    expectSame(three.fds[0]!);
    closeSync(three.fds[1]!);
    expectSame(three.fds[2]!);
  });

  it('travel 253 at once, and not 254', async () => {
    await a.send('many', new Array(MAX_MESSAGE_FDS).fill(file));
    const { fds } = await b.receive();
    expect(fds.length).to.equal(253);
    for (const fd of fds) expectSame(fd);
    expect(await codeOf(a.send('x', new Array(254).fill(file)))).to.equal('ERR_TOO_MANY_FDS');
    await a.send('next');
    expect((await b.receive()).message).to.equal('next');
  });

  it('may be closed when send() has returned, also when the message still waits', async () => {
    const sending: Promise<void>[] = [];
    for (let i = 0; i < 40; i++) {
      const copy = openSync(`/proc/self/fd/${file}`, 'r');
      sending.push(a.send(new Uint8Array(100_000).fill(i), [copy]));
      closeSync(copy);
    }
    for (let i = 0; i < 40; i++) {
      const { message, fds } = await b.receive<Uint8Array>();
      expect(message[99_999]).to.equal(i);
      expectSame(fds[0]!);
    }
    await Promise.all(sending);
  });

  it('that are not open are named, at once and behind a queue', async () => {
    const closed = openSync('/dev/null', 'r');
    closeSync(closed);
    const filling = a.send(new Uint8Array(3_000_000));
    for (const when of ['behind a queue', 'at once']) {
      const error = await failure(a.send('x', [file, closed]));
      expect(error.code, when).to.equal('ERR_INVALID_ARG_VALUE');
      expect(error.message).to.equal(`fds[1] must be an open file descriptor, received ${closed}`);
      if (when === 'behind a queue') await b.receive();
      await filling;
    }
    await a.send('next');
    expect((await b.receive()).message).to.equal('next');
  });

  it('must be numbers or regions in an array', async () => {
    const wrong: [unknown, string][] = [
      [file, 'ERR_INVALID_ARG_TYPE'],
      [['3'], 'ERR_INVALID_ARG_TYPE'],
      [[1.5], 'ERR_OUT_OF_RANGE'],
      [[null], 'ERR_INVALID_ARG_TYPE'],
      [[{}], 'ERR_INVALID_ARG_TYPE'],
      [[-1], 'ERR_OUT_OF_RANGE'],
      [[2 ** 31], 'ERR_OUT_OF_RANGE'],
    ];
    for (const [fds, code] of wrong) expect(await codeOf(a.send('x', fds as number[]))).to.equal(code);
  });

  it('that nobody received, or only in part, are closed with the channel', async () => {
    await a.send('unread', [file, file]);
    const big = a.send(new Uint8Array(5_000_000), [file]);
    const behind = a.send('behind it', [file]);
    for (const fd of (await b.receive()).fds) closeSync(fd);
    // Takes in at once what is there of the large message, with its descriptor, and waits for the rest.
    const half = b.receive();
    a.close();
    expect(await codeOf(big)).to.equal('ERR_CHANNEL_CLOSED');
    expect(await codeOf(behind)).to.equal('ERR_CHANNEL_CLOSED');
    expect(await codeOf(half)).to.equal('ERR_BAD_MESSAGE');
    expect(b.closed).to.equal(true);
  });

  it('of a message with broken JSON are closed, and the next message arrives', async () => {
    const child = startPython(
      `
send(sock, 1, b'{"a":', [null, null])
send(sock, 1, b'"\\xff"', [null])
send(sock, 1, b'', [null])
send(sock, 1, b'"fine"', [null])
`,
      b.fd,
    );
    for (let i = 0; i < 3; i++) expect(await codeOf(a.receive())).to.equal('ERR_BAD_MESSAGE');
    const { message, fds } = await a.receive();
    expect(message).to.equal('fine');
    closeSync(fds[0]!);
    expect(await child.exit).to.equal(0);
  });

  it('are closed when a channel is collected that nobody closed', async () => {
    expect(await startPart('dropped').exit).to.equal(0);
  });

  it('cross to a worker by number', async () => {
    const worker = new Worker(new URL('../helpers/channel-worker.mjs', import.meta.url), {
      workerData: { fd: b.fd },
    });
    await a.send('hello', [file]);
    const { message, fds } = await a.receive();
    expect(message).to.equal('hello');
    expectSame(fds[0]!);
    await a.send('end');
    await new Promise((resolve) => worker.once('exit', resolve));
  });

  it('of workers that are terminated in the middle are closed', async () => {
    const url = new URL('../helpers/channel-worker.mjs', import.meta.url);
    for (let round = 0; round < 3; round++) {
      const workers = Array.from({ length: 4 }, () => {
        const [mine, theirs] = FdChannel.pair();
        const worker = new Worker(url, { workerData: { fd: theirs.fd } });
        return { mine, theirs, worker };
      });
      await Promise.all(
        workers.map(async ({ mine }, i) => {
          for (let k = 0; k < 50; k++) {
            await mine.send([i, k], [file]);
            const { message, fds } = await mine.receive();
            expect(message).to.deep.equal([i, k]);
            closeSync(fds[0]!);
          }
          // Now it waits, and has unsent and unread messages with descriptors.
          for (let k = 0; k < 20; k++) void mine.send(new Uint8Array(50_000), [file]).catch(() => {});
        }),
      );
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
      for (const { mine, theirs } of workers) {
        mine.close();
        theirs.close();
      }
    }
    // A worker that is stopped between its receive() and its close keeps that one descriptor: it was the worker's. Everything
    // else, of which there were dozens in queues and half-read messages, is gone.
    const files = openFds(/channel-fds/) - 1;
    expect(files).to.be.at.most(12);
    open += files;
  });
});

describe('FdChannel.fromFd', () => {
  it('works on a duplicate: the number stays the caller’s', async () => {
    const [a, b] = FdChannel.pair();
    const again = FdChannel.fromFd(b.fd);
    expect(again.fd).to.not.equal(b.fd);
    again.close();
    await a.send('still there');
    expect((await b.receive()).message).to.equal('still there');
    a.close();
    b.close();
  });

  it('refuses what is no connected unix stream socket, and leaks nothing', async () => {
    const server = createServer().listen(0);
    await new Promise((resolve) => server.once('listening', resolve));
    const tcp = (server as unknown as { _handle: { fd: number } })._handle.fd;
    const file = openSync('/dev/null', 'r');
    const open = openFds();
    for (const fd of [file, tcp, 54_321])
      expect(await codeOf(() => FdChannel.fromFd(fd))).to.equal('ERR_UNTRUSTED_FD');
    for (const fd of ['3', undefined, null]) {
      expect(await codeOf(() => FdChannel.fromFd(fd as unknown as number))).to.equal('ERR_INVALID_ARG_TYPE');
    }
    for (const fd of [-1, 2 ** 31])
      expect(await codeOf(() => FdChannel.fromFd(fd))).to.equal('ERR_OUT_OF_RANGE');
    expect(openFds()).to.equal(open);
    closeSync(file);
    server.close();
  });
});

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { FdChannel } from '../../lib/channel/fd-channel.ts';
import { FdServer } from '../../lib/channel/fd-server.ts';
import { MAX_PATH_BYTES } from '../../lib/channel/limits.ts';
import {
  childCommand,
  codeOf,
  failure,
  openFds,
  start,
  startPart,
  until,
  withDirectory,
} from '../helpers/channel.ts';

const ignore = () => {};

describe('FdServer', () => {
  it('hands out a channel per connection, by path', () =>
    withDirectory(async (directory) => {
      const open = openFds();
      const path = join(directory, 'socket');
      const channels: FdChannel[] = [];
      const server = await FdServer.listen(path, (channel) => {
        channels.push(channel);
        void channel.send({ number: channels.length });
      });
      expect(server.path).to.equal(path);
      const clients = [
        await FdChannel.connect(path),
        await FdChannel.connect(path),
        await FdChannel.connect(path),
      ];
      const numbers = await Promise.all(clients.map((client) => client.receive<{ number: number }>()));
      expect(numbers.map(({ message }) => message.number)).to.deep.equal([1, 2, 3]);
      expect(clients[0]!.peer).to.deep.equal({
        pid: process.pid,
        uid: process.getuid!(),
        gid: process.getgid!(),
      });
      server.close();
      server.close();
      expect(server.closed).to.equal(true);
      expect(existsSync(path)).to.equal(false);
      await channels[0]!.send('channels outlive the server');
      expect((await clients[0]!.receive()).message).to.equal('channels outlive the server');
      for (const channel of [...channels, ...clients]) channel.close();
      expect(openFds()).to.equal(open);
    }));

  it('listens in the abstract namespace', async () => {
    const name = `\0ashmem-compat-test-${process.pid}`;
    const server = await FdServer.listen(name, (channel) => void channel.send('abstract'));
    const client = await FdChannel.connect(name);
    expect((await client.receive()).message).to.equal('abstract');
    expect(await codeOf(FdServer.listen(name, ignore))).to.equal('ERR_ADDRESS_IN_USE');
    server.close();
    client.close();
    const next = await FdServer.listen(name, ignore);
    next.close();
  });

  it('knows the peer process', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      const child = startPart('serve', undefined, path);
      await until(() => child.output() !== '');
      const channel = await FdChannel.connect(path);
      expect((await channel.receive()).message).to.equal(child.process.pid);
      expect(channel.peer.pid).to.equal(child.process.pid);
      channel.close();
      child.process.kill('SIGKILL');
      await child.exit;
    }));

  it('replaces the file of a killed server, and leaves a living one alone', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      const child = startPart('serve', undefined, path);
      await until(() => child.output() !== '');
      const inode = lstatSync(path).ino;
      const error = await failure(FdServer.listen(path, ignore));
      expect(error.code).to.equal('ERR_ADDRESS_IN_USE');
      expect(error.message).to.include(path);
      // The server was not even disturbed.
      const channel = await FdChannel.connect(path);
      expect((await channel.receive()).message).to.equal(child.process.pid);
      channel.close();
      expect(lstatSync(path).ino).to.equal(inode);
      child.process.kill('SIGKILL');
      await child.exit;
      expect(existsSync(path)).to.equal(true);
      const server = await FdServer.listen(path, (c) => void c.send('new'));
      const again = await FdChannel.connect(path);
      expect((await again.receive()).message).to.equal('new');
      again.close();
      server.close();
      expect(existsSync(path)).to.equal(false);
    }));

  it('leaves alone a server that only has a bound socket, stopped or not listening yet', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      const program =
        'import socket,sys,time\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\nprint("bound",flush=True)\ntime.sleep(60)';
      const child = start('python3', ['-c', program, path]);
      await until(() => child.output() !== '');
      child.process.kill('SIGSTOP');
      expect(await codeOf(FdServer.listen(path, ignore))).to.equal('ERR_ADDRESS_IN_USE');
      expect(existsSync(path)).to.equal(true);
      child.process.kill('SIGKILL');
      await child.exit;
    }));

  it('lets exactly one of several win a stale path', () =>
    withDirectory(async (directory) => {
      for (let round = 0; round < 3; round++) {
        const path = join(directory, `socket${round}`);
        const dead = 'import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen()';
        execFileSync('python3', ['-c', dead, path]);
        const children = Array.from({ length: 4 }, () => {
          const child = spawn(process.execPath, childCommand('race', path), {
            stdio: ['pipe', 'pipe', 'inherit'],
          });
          const output = once(child.stdout.setEncoding('utf8'), 'data').then(([text]) => String(text).trim());
          return { child, output };
        });
        for (const { child } of children) child.stdin.write('g');
        const results = await Promise.all(children.map(({ output }) => output));
        expect(results.sort()).to.deep.equal([
          'ERR_ADDRESS_IN_USE',
          'ERR_ADDRESS_IN_USE',
          'ERR_ADDRESS_IN_USE',
          'won',
        ]);
        for (const { child } of children) child.kill('SIGKILL');
        await Promise.all(
          children.map(({ child }) => child.exitCode ?? child.signalCode ?? once(child, 'exit')),
        );
      }
    }));

  it('never removes what is no socket, or not its own', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'file');
      writeFileSync(path, 'precious');
      expect(await codeOf(FdServer.listen(path, ignore))).to.equal('ERR_ADDRESS_IN_USE');
      expect(readFileSync(path, 'utf8')).to.equal('precious');
      mkdirSync(join(directory, 'sub'));
      expect(await codeOf(FdServer.listen(join(directory, 'sub'), ignore))).to.equal('ERR_ADDRESS_IN_USE');
      const own = join(directory, 'own');
      const server = await FdServer.listen(own, ignore);
      unlinkSync(own);
      const other = createServer().listen(own);
      await once(other, 'listening');
      server.close();
      expect(lstatSync(own).isSocket()).to.equal(true);
      other.close();
    }));

  it('finds its file again after the working directory has changed', () =>
    withDirectory(async (directory) => {
      const home = process.cwd();
      process.chdir(directory);
      const server = await FdServer.listen('relative', ignore);
      process.chdir(home);
      server.close();
      expect(existsSync(join(directory, 'relative'))).to.equal(false);
    }));

  it('refuses names that no socket can have', async () => {
    const long = `/${'x'.repeat(MAX_PATH_BYTES)}`;
    for (const attempt of [FdServer.listen(long, ignore), FdChannel.connect(long)]) {
      const error = await failure(attempt);
      expect(error.code).to.equal('ERR_OUT_OF_RANGE');
      expect(error).to.be.instanceOf(RangeError);
      expect(error.message).to.include('107');
    }
    for (const path of ['', '\0', 'a\0b']) {
      expect(await codeOf(FdServer.listen(path, ignore))).to.equal('ERR_INVALID_ARG_VALUE');
    }
    expect(await codeOf(FdServer.listen(5 as unknown as string, ignore))).to.equal('ERR_INVALID_ARG_TYPE');
    expect(await codeOf(FdServer.listen('x', undefined as unknown as typeof ignore))).to.equal(
      'ERR_INVALID_ARG_TYPE',
    );
  });

  it('says what failed where there is nobody, or no directory', () =>
    withDirectory(async (directory) => {
      const nobody = await failure(FdChannel.connect(join(directory, 'nobody')));
      expect([nobody.code, nobody.errno, nobody.syscall]).to.deep.equal(['ERR_SYSTEM', -2, 'connect']);
      const nowhere = await failure(FdServer.listen(join(directory, 'no', 'where'), ignore));
      expect([nowhere.code, nowhere.errno]).to.deep.equal(['ERR_SYSTEM', -2]);
    }));

  it('cuts off who was not accepted when it closes', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      let accepted = 0;
      const server = await FdServer.listen(path, () => accepted++);
      // Connected in microtasks, so that no turn of the event loop accepts them.
      const clients = [await FdChannel.connect(path), await FdChannel.connect(path)];
      server.close();
      expect(accepted).to.equal(0);
      for (const client of clients) {
        expect(await codeOf(client.receive())).to.equal('ERR_CHANNEL_CLOSED');
        client.close();
      }
    }));

  it('goes on after a listener that throws', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      let count = 0;
      const server = await FdServer.listen(path, (channel) => {
        count++;
        channel.close();
        if (count === 1) throw new Error('of the listener');
      });
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const uncaught = once(process, 'uncaughtException');
      const clients = [await FdChannel.connect(path), await FdChannel.connect(path)];
      expect(((await uncaught)[0] as Error).message).to.equal('of the listener');
      for (const listener of listeners) process.on('uncaughtException', listener);
      await until(() => count === 2);
      for (const client of clients) client.close();
      server.close();
    }));

  it('waits, and does not spin, while there is no descriptor for a connection', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      const command = [process.execPath, ...childCommand('full', path)].map((word) => `'${word}'`).join(' ');
      const child = start('sh', ['-c', `ulimit -n 256; exec ${command}`]);
      await until(() => child.output().includes('full'));
      const client = await FdChannel.connect(path);
      expect((await client.receive()).message).to.equal('hello');
      client.close();
      expect(await child.exit).to.equal(0);
    }));

  it('survives strangers that connect and talk nonsense', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      const outcomes: string[] = [];
      const server = await FdServer.listen(path, async (channel) => {
        outcomes.push(await codeOf(channel.receive()));
        expect(channel.closed).to.equal(outcomes.at(-1) === 'ERR_BAD_MESSAGE');
        channel.close();
      });
      for (const text of [
        'GET / HTTP/1.1\r\n\r\n',
        'ACH',
        '',
        'ACH1\x02\0\0\0\xff\xff\xff\xff',
        'ACH1\x02\0\xff\xff\0\0\0\0',
      ]) {
        const stranger = connect(path);
        stranger.on('error', ignore);
        stranger.end(Buffer.from(text, 'latin1'));
        await new Promise((resolve) => stranger.once('close', resolve));
      }
      await until(() => outcomes.length === 5);
      expect(outcomes.filter((code) => code === 'ERR_BAD_MESSAGE').length).to.equal(4);
      expect(outcomes.filter((code) => code === 'ERR_CHANNEL_CLOSED').length).to.equal(1);
      server.close();
    }));

  it('does not keep the process when it is unref’d, nor do idle channels', () =>
    withDirectory(async (directory) => {
      const child = startPart('idle', undefined, join(directory, 'socket'));
      expect(await child.exit).to.equal(0);
      expect(child.output()).to.equal('idle\n');
    }));
});

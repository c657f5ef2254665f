// The other processes of the channel tests: `channel-child.ts PART ARGS...`, the channel on descriptor 3 where there is one.
import { closeSync, fstatSync, openSync, readdirSync, readlinkSync, readSync, writeSync } from 'node:fs';
import { FdChannel } from '../../lib/channel/fd-channel.ts';
import { FdServer } from '../../lib/channel/fd-server.ts';
import { closeFds } from '../../lib/channel/fds.ts';
import type { AshmemError } from '../../lib/errors.ts';
import { openFds } from './channel.ts';

const [part, ...args] = process.argv.slice(2);

/** Empty for a descriptor that has gone meanwhile: that of the listing itself. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

const parts: Record<string, () => Promise<void>> = {
  /** Sends back whatever comes, descriptors too. */
  async echo() {
    const channel = FdChannel.fromFd(3);
    for await (const { message, fds } of channel) {
      await channel.send(message!, fds);
      for (const fd of fds) closeSync(fd);
    }
    // The inherited socket itself must still be usable.
    if (!fstatSync(3).isSocket()) process.exitCode = 9;
  },

  /** Receives slowly, and says what it saw at the end. */
  async slow() {
    const channel = FdChannel.fromFd(3);
    let count = 0;
    for await (const { message } of channel) {
      const bytes = message as Uint8Array;
      if (bytes[0] !== count % 256 || bytes[bytes.length - 1] !== count % 256)
        throw new Error(`out of order at ${count}`);
      count++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    console.log(count);
  },

  /** Receives under a low limit of descriptors (set by the shell that started this), then without a shortage. */
  async starved() {
    const channel = FdChannel.fromFd(3);
    await channel.send('ready');
    const links = () => readdirSync('/proc/self/fd').map((fd) => linkOf(`/proc/self/fd/${fd}`));
    const open = () => links().filter((link) => link === '/dev/null').length;
    const before = open();
    const hogs: number[] = [];
    for (;;) {
      try {
        hogs.push(openSync('/dev/null', 'r'));
      } catch {
        break;
      }
    }
    // Room for what fits, and for what the loader of modules may open in its own thread at any time.
    for (const fd of hogs.splice(0, 8)) closeSync(fd);
    const codes: string[] = [];
    for (let i = 0; i < 3; i++) {
      try {
        const { message, fds } = await channel.receive();
        codes.push(`${message}:${fds.length}`);
        for (const fd of fds) closeSync(fd);
      } catch (error) {
        codes.push((error as AshmemError).code);
      }
    }
    for (const fd of hogs) closeSync(fd);
    if (open() !== before) process.exitCode = 9;
    await channel.send(codes);
  },

  /** A server that runs until it is killed. */
  async serve() {
    await FdServer.listen(args[0]!, (channel) => void channel.send(process.pid));
    console.log('listening');
  },

  /** One of several that want the same path at the same time. */
  async race() {
    readSync(0, Buffer.alloc(1));
    try {
      await FdServer.listen(args[0]!, () => {});
      console.log('won');
    } catch (error) {
      console.log((error as AshmemError).code);
    }
  },

  /** Accepts although the descriptor table is full. */
  async full() {
    const hogs: number[] = [];
    let accepted = 0;
    const server = await FdServer.listen(args[0]!, (channel) => {
      accepted++;
      void channel.send('hello').then(() => {
        channel.close();
        server.close();
      });
    });
    // Twice: what starts a program may let go of a descriptor a little later.
    for (const pause of [300, 0]) {
      for (;;) {
        try {
          hogs.push(openSync('/dev/null', 'r'));
        } catch {
          break;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    writeSync(1, 'full\n');
    // Long enough for several attempts; what counts is processor time, which a loop that spins would use up.
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const used = process.cpuUsage(before);
    if (accepted !== 0) process.exitCode = 8;
    if (used.user + used.system > 500_000) process.exitCode = 9;
    for (const fd of hogs) closeSync(fd);
  },

  /** Open, idle ends keep nobody alive. */
  async idle() {
    const [first, second] = FdChannel.pair();
    await first.send('never received');
    const aborted = new AbortController();
    const waiting = first.receive({ signal: aborted.signal }).catch(() => {});
    aborted.abort();
    await waiting;
    const server = await FdServer.listen(args[0]!, () => {});
    server.unref();
    second.peer;
    console.log('idle');
  },

  /** A pending receive keeps the process; the answer ends it. */
  async pending() {
    const channel = FdChannel.fromFd(3);
    void channel.receive().then(({ message }) => {
      console.log(message);
    });
  },

  /** Channels dropped without close() are closed by the garbage collector. */
  async dropped() {
    // In a function of its own, so that no variable of the loop keeps the last pair.
    const drop = async () => {
      const [a, b] = FdChannel.pair();
      await a.send('read', [0]);
      await a.send('unread', [0]);
      closeFds((await b.receive()).fds);
    };
    const before = openFds();
    for (let i = 0; i < 50; i++) await drop();
    for (let i = 0; i < 20 && openFds() > before; i++) {
      global.gc!();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    process.exitCode = openFds() > before ? 9 : 0;
  },
};

await parts[part!]!();

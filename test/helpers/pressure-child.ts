// A program that does one thing with the pressure API, and prints what came of it. It ends when nothing keeps it alive. Usage:
// pressure-child.ts COMMAND, or "worker COMMAND": the same in a worker.
import { Worker, workerData } from 'node:worker_threads';
import { listenForShrinkSignal, PressureMonitor, registerShrinker, SharedRegion } from '../../lib/index.ts';
import { alwaysShort } from './always-short.ts';

const say = (text: string) => console.log(text);

/** Says "late" if something keeps the event loop alive until then; and ends it. */
function later(end: () => void): void {
  setTimeout(() => {
    say('late');
    end();
  }, 200).unref();
}

const commands: Record<string, () => unknown> = {
  open() {
    PressureMonitor.start(alwaysShort).on('pressure', () => {});
  },
  wait() {
    void (async () => {
      for await (const state of PressureMonitor.start({ sources: ['psi'] })) say(state.level);
    })();
  },
  async awaited() {
    await PressureMonitor.start({ sources: ['psi'] })
      [Symbol.asyncIterator]()
      .next();
  },
  ref() {
    const monitor = PressureMonitor.start().ref().ref();
    later(() => monitor.close());
  },
  unref() {
    const monitor = PressureMonitor.start().ref().unref();
    later(() => monitor.close());
  },
  shrinker() {
    registerShrinker({ name: 'cache', count: () => 0, scan: () => 0 });
  },
  region() {
    SharedRegion.create({ size: 4096 }).on('purge', () => {});
  },
  signal() {
    listenForShrinkSignal('SIGRTMIN+3');
  },
  exit() {
    const monitors = Array.from({ length: 8 }, () => PressureMonitor.start(alwaysShort).ref());
    monitors[0]!.once('pressure', () => {
      say('told');
      process.exit(7);
    });
  },
  endless() {
    PressureMonitor.start(alwaysShort)
      .ref()
      .once('pressure', () => say('told'));
  },
  /** Nobody refers to it, and it has something to tell. */
  collected() {
    let told = 0;
    PressureMonitor.start(alwaysShort).on('pressure', () => {
      told += 1;
    });
    const collecting = setInterval(() => {
      global.gc!();
      if (told < 5) return;
      say('told');
      clearInterval(collecting);
    }, 10);
  },
  throwing(caught = true) {
    if (caught) process.on('uncaughtException', (error) => say(`caught ${error.message}`));
    const [first, second] = [
      PressureMonitor.start(alwaysShort).ref(),
      PressureMonitor.start(alwaysShort).ref(),
    ];
    const heard = new Set<string>();
    const hear = (what: string) => {
      heard.add(what);
      if (heard.size < 3) return;
      first.close();
      second.close();
      setImmediate(() => say([...heard].sort().join(' ')));
    };
    first.once('level', () => {
      throw new Error('first');
    });
    first.once('level', () => hear('level'));
    first.on('pressure', () => hear('pressure'));
    second.on('pressure', () => hear('second'));
  },
};

const [command, inner] = workerData?.command ? [workerData.command as string] : process.argv.slice(2);
if (command === 'worker') {
  const worker = new Worker(new URL('./pressure-worker.mjs', import.meta.url), {
    workerData: { command: inner },
  });
  worker.on('exit', (code) => say(`worker ${code}`));
} else if (command === 'uncaught') {
  (commands.throwing as (caught: boolean) => void)(false);
} else {
  await commands[command!]!();
}

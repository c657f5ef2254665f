// One run of a virtual machine under QEMU's software emulation: boots a kernel with the host's files, runs steps, brings back their
// exit statuses. /dev/kvm is not used: it would run the tests on what the host's processor happens to allow, or not at all.

import { spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../../scripts/addon.mjs';
import { makeInitrd } from './initrd.mjs';
import { cache, ensureInstalled } from './packages.mjs';

const qemu = 'qemu-system-x86_64';
const runs = join(cache, 'runs');

function quote(word) {
  return `'${String(word).replaceAll("'", "'\\''")}'`;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

let machines = 0;

/** A folder of the machine's own, which the guest sees as /run/vm. Those of processes that were killed are removed. */
function makeShare() {
  mkdirSync(runs, { recursive: true });
  for (const name of readdirSync(runs)) {
    if (!isAlive(Number.parseInt(name, 10))) rmSync(join(runs, name), { recursive: true, force: true });
  }
  const share = join(runs, `${process.pid}-${machines++}`);
  rmSync(share, { recursive: true, force: true });
  mkdirSync(join(share, 'steps'), { recursive: true });
  return share;
}

/** The shell script of a step. */
function script({ command, user, env, timeout }) {
  const path = [dirname(process.execPath), '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];
  const variables = {
    PATH: path.join(':'),
    HOME: user === 0 ? '/root' : '/tmp',
    LANG: 'C.UTF-8',
    ASHMEM_COMPAT_VM: '1',
    ...env,
  };
  const limit = timeout ? ['timeout', '--kill-after=10', timeout] : [];
  const identity =
    user === 0 ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--'];
  return [
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`),
    `cd ${quote(root)}`,
    `exec ${[...identity, ...limit, ...command].map(quote).join(' ')}`,
    '',
  ].join('\n');
}

function arguments_({ image, memory, cpus, share }) {
  const shares = [
    ['root', '/', ',readonly=on,multidevs=remap'],
    ['out', share, ''],
  ];
  return [
    ...['-accel', 'tcg,thread=single,tb-size=256', '-cpu', 'max', '-smp', cpus, '-m', memory],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-serial', `file:${join(share, 'console')}`],
    ...['-kernel', image, '-initrd', join(share, 'initrd')],
    // The log's size: an hour of chaos has reports of memory that ran out, which must not push a warning out of it.
    ...[
      '-append',
      'console=ttyS0 quiet psi=1 panic=-1 mitigations=off nokaslr random.trust_cpu=on log_buf_len=4M',
    ],
    ...shares.flatMap(([tag, path, options]) => [
      ...['-fsdev', `local,id=${tag},path=${path.replaceAll(',', ',,')},security_model=none${options}`],
      ...['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
    ]),
  ].map(String);
}

/** Copies what is new in a growing file to a stream. */
class Tail {
  #path;
  #stream;
  #at = 0;

  constructor(path, stream) {
    this.#path = path;
    this.#stream = stream;
  }

  pump() {
    if (!existsSync(this.#path)) return;
    const file = openSync(this.#path);
    const chunk = Buffer.alloc(1 << 16);
    for (let n = 1; n > 0; this.#at += n) {
      n = readSync(file, chunk, 0, chunk.length, this.#at);
      this.#stream.write(Buffer.from(chunk.subarray(0, n)));
    }
    closeSync(file);
  }
}

function consoleTail(share) {
  const path = join(share, 'console');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-30) : [];
  return lines.map((line) => `vm:   | ${line}`).join('\n');
}

/**
 * Boots `kernel` and runs `steps`: { command, user, env, timeout }. Their output appears on `out` and `err` as it comes;
 * `begin(step)` and `end(step, status)` are told. Returns the statuses: of those steps that came to their ends.
 */
export async function runMachine(options) {
  const { kernel, steps, memory, cpus, swap, timeout, begin, end } = options;
  const { out = process.stdout, err = process.stderr } = options;
  ensureInstalled(qemu, 'qemu-system-x86');
  const share = makeShare();
  const clean = () => rmSync(share, { recursive: true, force: true });
  process.on('exit', clean);

  const folders = steps.map((step, i) => {
    const folder = join(share, 'steps', String(i).padStart(3, '0'));
    mkdirSync(folder);
    writeFileSync(join(folder, 'run'), script(step));
    return folder;
  });
  const settings = { checkout: root.replace(/\/$/, ''), node_folder: dirname(process.execPath), swap };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${quote(value)}\n`);
  writeFileSync(join(share, 'settings'), lines.join(''));
  writeFileSync(join(share, 'initrd'), makeInitrd(kernel));
  copyFileSync(join(root, 'test/vm/session'), join(share, 'session'));

  // The kernel ends QEMU if we are killed.
  const args = [qemu, ...arguments_({ image: kernel.image, memory, cpus, share })];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const closed = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  for (const [signal, number] of Object.entries({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 })) {
    process.on(signal, () => {
      child.kill('SIGKILL');
      process.exit(128 + number);
    });
  }
  let late = false;
  const watchdog = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeout * 1000);

  const statuses = [];
  let current;
  const pump = () => {
    for (;;) {
      const folder = folders[statuses.length];
      if (!folder || !existsSync(join(folder, 'begun'))) return;
      const step = steps[statuses.length];
      if (!current) {
        current = [new Tail(join(folder, 'stdout'), out), new Tail(join(folder, 'stderr'), err)];
        begin?.(step);
      }
      const done = existsSync(join(folder, 'status'));
      for (const tail of current) tail.pump();
      if (!done) return;
      const status = Number(readFileSync(join(folder, 'status'), 'utf8'));
      statuses.push(status);
      current = undefined;
      end?.(step, status);
    }
  };
  const ticker = setInterval(pump, 50);
  await closed;
  clearInterval(ticker);
  clearTimeout(watchdog);
  pump();

  if (statuses.length < steps.length) {
    const why = late ? `was not done after ${timeout} s and was ended` : 'ended before its work was done';
    err.write(`vm: the machine ${why}. The end of its console:\n${consoleTail(share)}\n`);
  }
  clean();
  return { statuses, late };
}

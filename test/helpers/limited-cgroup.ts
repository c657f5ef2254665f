import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MOST = 512 << 20;

/** Where processes of a limited cgroup would be made: below our own, by the version that has the memory controller. */
interface Parent {
  version: 1 | 2;
  path: string;
}

/** The mount points of cgroup hierarchies: of version 1 with the memory controller, and of version 2. */
function mounts(): { v1?: string; v2?: string } {
  const found: { v1?: string; v2?: string } = {};
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, path, type, options] = line.split(' ');
    if (type === 'cgroup' && options?.split(',').includes('memory')) found.v1 = path!;
    if (type === 'cgroup2') found.v2 = path!;
  }
  return found;
}

/** The path of our cgroup within a hierarchy: of the line of /proc/self/cgroup that `matches`. */
function ownPath(matches: (controllers: string) => boolean): string | undefined {
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers !== undefined && matches(controllers)) return path;
  }
  return undefined;
}

function findParent(): Parent {
  const { v1, v2 } = mounts();
  if (v1 !== undefined) {
    const path = ownPath((controllers) => controllers.split(',').includes('memory'));
    if (path !== undefined && existsSync(join(v1, path))) return { version: 1, path: join(v1, path) };
  }
  if (v2 !== undefined) {
    const path = join(v2, ownPath((controllers) => controllers === '') ?? '/');
    const read = (file: string) => readFileSync(join(path, file), 'utf8').split(/\s+/);
    if (existsSync(join(path, 'cgroup.controllers')) && read('cgroup.controllers').includes('memory')) {
      // Refused where the cgroup has processes of its own and is not the root.
      if (!read('cgroup.subtree_control').includes('memory'))
        writeFileSync(join(path, 'cgroup.subtree_control'), '+memory');
      return { version: 2, path };
    }
  }
  throw new Error('no cgroup hierarchy with the memory controller is mounted');
}

let refusal: { reason: string | undefined } | undefined;

/** Why there can be no limited cgroup here; undefined if there can. Found out by making one. */
export function cgroupRefused(): string | undefined {
  if (refusal === undefined) {
    try {
      new LimitedCgroup(64 << 20).remove();
      refusal = { reason: undefined };
    } catch (error) {
      refusal = { reason: `no cgroup with a memory limit: ${(error as Error).message}` };
    }
  }
  return refusal.reason;
}

let made = 0;

/** A cgroup with a memory limit and no swap, below our own. */
export class LimitedCgroup {
  readonly version: 1 | 2;
  readonly path: string;
  /** Bytes. */
  readonly limit: number;
  readonly #children = new Set<ChildProcess>();

  /** @param limit bytes, at most 512 MiB: others use the machine too */
  constructor(limit: number) {
    this.limit = limit;
    if (limit > MOST) throw new Error(`a limit of at most ${MOST}, not ${limit}`);
    const parent = findParent();
    this.version = parent.version;
    this.path = join(parent.path, `ashmem-compat-${process.pid}-${++made}`);
    mkdirSync(this.path);
    try {
      if (this.version === 1) {
        this.#write('memory.limit_in_bytes', limit);
        this.#write('memory.swappiness', 0);
      } else {
        this.#write('memory.max', limit);
        if (existsSync(join(this.path, 'memory.swap.max'))) this.#write('memory.swap.max', 0);
      }
    } catch (error) {
      rmdirSync(this.path);
      throw error;
    }
  }

  /** Runs a program in it, which dies with the cgroup. Standard input and output are pipes. */
  spawn(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
    const script = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
    const child = spawn('/bin/sh', ['-c', script, this.path, command, ...args], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.add(child);
    return child;
  }

  /** Bytes charged to it. */
  usage(): number {
    return Number(this.#read(this.version === 1 ? 'memory.usage_in_bytes' : 'memory.current'));
  }

  /** Processes that were killed in it for want of memory. */
  oomKills(): number {
    const text = this.#read(this.version === 1 ? 'memory.oom_control' : 'memory.events');
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  /** Kills what runs in it, and waits until it is gone. */
  async end(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exit = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exit;
    }
    // Children of theirs may still be dying.
    for (;;) {
      const pids = this.#read('cgroup.procs').split('\n').filter(Boolean);
      if (pids.length === 0) break;
      for (const pid of pids) {
        try {
          process.kill(Number(pid), 'SIGKILL');
        } catch {}
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.remove();
  }

  remove(): void {
    rmdirSync(this.path);
  }

  #read(file: string): string {
    return readFileSync(join(this.path, file), 'utf8');
  }

  #write(file: string, value: number): void {
    writeFileSync(join(this.path, file), String(value));
  }
}

import { execFileSync } from 'node:child_process';
import { accessSync, constants, writeFileSync } from 'node:fs';
import { type Backend, type CreateOptions, probe, type Scope, SharedRegion } from '../../lib/index.ts';

/** A backend as the contract tests see it. They ask what it can do, and never for its name. */
export interface ContractBackend {
  readonly name: Backend;
  /** For people: a backend may have regions of both scopes, and then is here twice. */
  readonly title: string;
  readonly scope: Scope;
  /** Other objects, threads and processes can have its regions. */
  readonly shared: boolean;
  /** The kernel discards what is unpinned, although nobody asks it to. */
  readonly kernelDiscards: boolean;
  /** Makes the kernel discard everything that is unpinned, now; or says why that cannot be had. */
  readonly provoke: (() => void) | string;
  /** A region has fewer bytes than this. */
  readonly sizeLimit: number;
  /** What the kernel discards takes no memory any more. */
  readonly givesBack: boolean;
  /** A tryRead holds its range, so that nothing of it can be lost meanwhile. */
  readonly readsHold: boolean;
  create(size: number, options?: Partial<CreateOptions>): SharedRegion;
}

/** What a test may need that not every backend has. */
export type Need = 'sharing' | 'a kernel that discards' | 'a discard on demand' | 'regions of 4 GiB';

const dropCaches = '/proc/sys/vm/drop_caches';

/** A program that makes the supervisor which plays the kernel discard what is volatile: see test/vrange. */
const purge = process.env.ASHMEM_COMPAT_TEST_VRANGE_PURGE;

/** Why this process cannot make the kernel run its shrinkers; undefined if it can. */
function noDropCaches(): string | undefined {
  try {
    accessSync(dropCaches, constants.W_OK);
    return undefined;
  } catch {
    return `only root may write to ${dropCaches}`;
  }
}

/**
 * Runs the shrinkers until one of them has taken a region that was unpinned last of all: then those that were unpinned before are gone
 * as well, for ashmem's shrinker goes from the longest unpinned to the latest. It takes nothing from a list of a few pages, hence the
 * size of that region; it is one unit, so one range of the kernel's.
 */
function runShrinkers(backend: Backend): void {
  const size = 16 << 20;
  using last = SharedRegion.create({ size, granularity: size, backend });
  for (let i = 0; i < 200; i++) {
    last.view(0, 1)[0] = 1; // what was never there is not lost
    last.unpin();
    writeFileSync(dropCaches, '2');
    if (last.pin() === 'purged') return;
  }
  throw new Error(`the kernel has discarded nothing after 200 writes to ${dropCaches}`);
}

const traits: Record<Backend, Omit<ContractBackend, 'name' | 'title' | 'scope' | 'create'>> = {
  ashmem: {
    shared: true,
    kernelDiscards: true,
    provoke: noDropCaches() ?? (() => runShrinkers('ashmem')),
    sizeLimit: 2 ** 32,
    givesBack: true,
    readsHold: false,
  },
  vrange: {
    shared: true,
    kernelDiscards: true,
    provoke:
      purge === undefined ? (noDropCaches() ?? (() => runShrinkers('vrange'))) : () => execFileSync(purge),
    sizeLimit: Number.POSITIVE_INFINITY,
    givesBack: true,
    readsHold: false,
  },
  memfd: {
    shared: true,
    kernelDiscards: false,
    provoke: 'the kernel does not discard a memfd: processes do, by purge()',
    sizeLimit: Number.POSITIVE_INFINITY,
    givesBack: true,
    readsHold: false,
  },
  anonymous: {
    shared: false,
    kernelDiscards: true,
    provoke: 'MADV_FREE is taken under pressure alone, when the kernel likes',
    sizeLimit: Number.POSITIVE_INFINITY,
    givesBack: true,
    readsHold: true,
  },
};

/** Every backend that the design knows, whether or not it works here. */
export const knownBackends = Object.keys(traits) as Backend[];

/** Those that must work here, or the run fails: ASHMEM_COMPAT_REQUIRE_BACKENDS=ashmem,memfd in the virtual machine. */
export const requiredBackends = (process.env.ASHMEM_COMPAT_REQUIRE_BACKENDS ?? '').split(',').filter(Boolean);

function contractBackend(name: Backend, traitsOf: (typeof traits)[Backend], scope?: Scope): ContractBackend {
  return {
    ...traitsOf,
    name,
    scope: traitsOf.shared ? 'shared' : 'process',
    title: scope === undefined ? name : `${name}, scope '${scope}'`,
    create: (size, options = {}) =>
      SharedRegion.create({ size, backend: name, ...(scope === undefined ? {} : { scope }), ...options }),
  };
}

/** Whether the backend has regions of that scope too. */
function makes(backend: Backend, scope: Scope): boolean {
  try {
    SharedRegion.create({ size: 1, backend, scope }).close();
    return true;
  } catch {
    return false;
  }
}

/** Those that work here, in the order of preference within a scope. */
export const backends: ContractBackend[] = probe()
  .backends.filter(({ available }) => available)
  .flatMap(({ name }) => {
    const backend = name as Backend;
    if (backend !== 'vrange') return [contractBackend(backend, traits[backend])];
    const own = contractBackend(
      backend,
      {
        ...traits.vrange,
        shared: false,
        givesBack: purge === undefined, // a supervisor can but clear the private memory of another process
      },
      'process',
    );
    return makes(backend, 'shared') ? [contractBackend(backend, traits.vrange), own] : [own];
  });

function whyNot(need: Need, backend: ContractBackend): string | undefined {
  if (need === 'sharing') return backend.shared ? undefined : 'its regions belong to one process';
  if (need === 'a kernel that discards')
    return backend.kernelDiscards ? undefined : 'the kernel does not discard it';
  if (need === 'regions of 4 GiB') {
    return backend.sizeLimit > 2 ** 32 ? undefined : `its regions have fewer than ${backend.sizeLimit} bytes`;
  }
  return typeof backend.provoke === 'string' ? backend.provoke : undefined;
}

/**
 * A suite that is run once for each backend that works here. Where a backend lacks what the tests need, they are one pending test that
 * says so; backends that do not work here have theirs in backends.test.ts.
 */
export function describeContract(
  title: string,
  tests: (backend: ContractBackend) => void,
  ...needs: Need[]
): void {
  for (const backend of backends) {
    describe(`${title} (${backend.title})`, () => {
      const reason = needs.map((need) => whyNot(need, backend)).find((why) => why !== undefined);
      if (reason === undefined) tests(backend);
      else it(`skipped: ${reason}`);
    });
  }
}

/** Within describeContract: tests that need more than the others of their suite. */
export function where(backend: ContractBackend, need: Need, tests: () => void): void {
  const reason = whyNot(need, backend);
  if (reason === undefined) tests();
  else it(`skipped what needs ${need}: ${reason}`);
}

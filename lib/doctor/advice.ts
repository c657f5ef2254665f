// One line for everything that is missing or could be better. Pure: facts in, lines out.

import type { Availability } from '../probe.ts';
import type { Facts } from './facts.ts';
import { isUnreadable } from './facts.ts';

/** What the line is about, and what to do. */
export interface Advice {
  about: string;
  line: string;
}

const mebibyte = 2 ** 20;
/** What programs that were written for the desktop take for granted. */
const USUAL_PAGE = 2 ** 12;
const onAndroid = ({ platform }: Facts) => platform === 'android';

/** Where stalls are not shown by somebody's decision, as to every app on Android, there is nothing to set. */
const shownNothing = (facts: Facts) =>
  onAndroid(facts) ||
  /Permission denied|Operation not permitted/.test(named(facts.pressure, 'psi')?.reason ?? '');

const named = (list: Facts['backends'], name: string): Availability | undefined =>
  isUnreadable(list) ? undefined : list.find((item) => item.name === name);

function* addon({ addon, ...facts }: Facts): Iterable<Advice> {
  if (isUnreadable(addon) && !addon.unreadable.includes('no native addon')) {
    yield {
      about: 'addon',
      line: `the package does not load (${addon.unreadable.split('\n')[0]}): please report this page`,
    };
  } else if (isUnreadable(addon)) {
    const tools =
      facts.platform === 'android' ? 'pkg install clang cmake make' : 'a C++17 compiler, cmake and make';
    yield { about: 'addon', line: `there is none that loads: npm rebuild ashmem-compat (needs ${tools})` };
  } else if (addon.failed.some((line) => !line.endsWith(': not there'))) {
    yield { about: 'addon', line: 'one was found that does not load: npm rebuild ashmem-compat' };
  }
}

function* regions(facts: Facts): Iterable<Advice> {
  const { sharing, passing, backends } = facts;
  if (!sharing.works && !isUnreadable(facts.addon)) {
    yield {
      about: 'regions',
      line: `shared, purgeable regions do not work here (${sharing.detail}): please report this page`,
    };
  } else if (sharing.works && !passing.works) {
    yield {
      about: 'regions',
      line: 'an fd does not pass over a unix socket: let a child inherit it (stdio), or report this page',
    };
  }
  if (isUnreadable(backends)) return;
  if (named(backends, 'ashmem')?.available !== true && named(backends, 'memfd')?.available === true) {
    const reason = onAndroid(facts)
      ? 'ashmem is not usable: the kernel discards nothing'
      : 'the kernel discards nothing of memfd';
    yield {
      about: 'ashmem',
      line: `${reason} by itself; the package's reclaimer does, while a process with the region runs`,
    };
  }
  if (named(backends, 'memfd')?.available === false && named(backends, 'ashmem')?.available === true)
    yield { about: 'memfd', line: 'only ashmem is shared here: regions must be smaller than 4 GiB' };
  if (named(backends, 'anonymous')?.available === false)
    yield { about: 'anonymous', line: "scope: 'process' does not work here; use shared regions" };
}

function* pressure(facts: Facts): Iterable<Advice> {
  if (isUnreadable(facts.pressure)) return;
  const working = facts.pressure.filter(({ available }) => available).map(({ name }) => name);
  const counting = working.filter((name) => ['cgroup-v2', 'cgroup-v1', 'meminfo'].includes(name));
  if (working.length === 0) {
    yield {
      about: 'pressure',
      line: 'no source of memory pressure: nothing is discarded by itself; call purge()',
    };
  } else if (counting.length === 0) {
    yield {
      about: 'pressure',
      line: `only ${working.join(', ')}, which come late: call purge() before you allocate much`,
    };
  } else if (counting.length === 1 && counting[0] === 'meminfo') {
    yield shownNothing(facts)
      ? {
          about: 'pressure',
          line: 'no pressure source but MemAvailable and what follows losses: more is not shown to this process',
        }
      : {
          about: 'pressure',
          line: 'no limit of a cgroup but MemAvailable: under systemd, MemoryHigh= gives a mark of your own',
        };
  }
  const psi = facts.pressure.find(({ name }) => name === 'psi');
  if (psi?.available === false && !shownNothing(facts))
    yield {
      about: 'psi',
      line: 'no stalls to watch; a kernel that has PSI may need psi=1 on its command line',
    };
  if (psi?.available === true && !isUnreadable(facts.memory) && facts.memory.swap === 0)
    yield { about: 'psi', line: 'without swap, stalls are seen late or never: zram helps' };
}

function* memory({ cgroup, memory }: Facts): Iterable<Advice> {
  if (!isUnreadable(cgroup) && cgroup.limit !== null) {
    if (cgroup.limit < 128 * mebibyte)
      yield {
        about: 'cgroup',
        line: 'a limit below 128 MiB leaves milliseconds to react: keep regions small against it',
      };
    else if (cgroup.high === null)
      yield {
        about: 'cgroup',
        line: 'where memory.high exists, set it some tens of MiB below the limit: it slows down instead of killing',
      };
  }
  if (!isUnreadable(memory) && memory.available < memory.total / 16)
    yield { about: 'memory', line: 'memory is short right now: what is unpinned is being taken' };
}

function* limits(facts: Facts): Iterable<Advice> {
  if (isUnreadable(facts.limits)) return;
  const { files, addressSpace } = facts.limits;
  if (files.soft !== null && files.soft < 1024)
    yield {
      about: 'files',
      line: `a region takes two descriptors, and ${files.soft} may be open: ulimit -n raises it`,
    };
  if (addressSpace.soft !== null)
    yield { about: 'address space', line: 'it is limited (ulimit -v): large regions may fail with ENOMEM' };
  if (
    onAndroid(facts) &&
    facts.android !== undefined &&
    !isUnreadable(facts.android) &&
    facts.android.api >= 31
  )
    yield {
      about: 'processes',
      line: 'Android 12 and later end child processes beyond 32 of all apps together',
    };
}

function* platform({ pageSize, node }: Facts): Iterable<Advice> {
  if (!isUnreadable(pageSize) && pageSize > USUAL_PAGE)
    yield {
      about: 'page size',
      line: `units are ${pageSize} bytes at least: a granularity of ${USUAL_PAGE} is refused here`,
    };
  const [major = 0, minor = 0] = node.slice(1).split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    yield { about: 'node', line: 'the package needs Node 20.19 or newer' };
}

export function advise(facts: Facts): Advice[] {
  return [addon, regions, pressure, memory, limits, platform].flatMap((rule) => [...rule(facts)]);
}

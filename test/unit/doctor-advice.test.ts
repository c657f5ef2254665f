import { expect } from 'chai';
import { advise } from '../../lib/doctor/advice.ts';
import type { Facts } from '../../lib/doctor/facts.ts';
import { page } from '../../lib/doctor/page.ts';

const works = (name: string) => ({ name, available: true, reason: 'yes' });
const fails = (name: string) => ({ name, available: false, reason: 'no' });
const none = { soft: null, hard: null };
const mebibyte = 2 ** 20;

/** A machine on which nothing is to be wished for. */
const good: Facts = {
  package: '1.0.0',
  node: 'v20.19.0',
  platform: 'linux',
  arch: 'x64',
  kernel: '5.10.0',
  libc: 'glibc 2.36',
  pageSize: 4096,
  addon: { path: '/x/build/Release/ashmem_compat.node', origin: 'compiled here', failed: [] },
  backends: [works('ashmem'), fails('vrange'), works('memfd'), works('anonymous')],
  pressure: [works('cgroup-v2'), works('psi'), works('meminfo')],
  sharing: { works: true, backend: 'ashmem', detail: 'seen' },
  passing: { works: true, backend: 'ashmem', detail: 'seen' },
  security: { seccomp: 'off', noNewPrivileges: false, securityModule: 'none', privileged: false },
  limits: { files: { soft: 1024, hard: 4096 }, addressSpace: none, processes: none, locked: none },
  cgroup: { limit: null, high: null },
  memory: { total: 1024 * mebibyte, available: 512 * mebibyte, swap: 512 * mebibyte },
};

const advice = (change: Partial<Facts>) => advise({ ...good, ...change });
const unreadable = { unreadable: 'EACCES' };
const noAddon = { unreadable: 'ashmem-compat has no native addon for x. Tried:\n  y' };

describe('doctor: advice', () => {
  it('none where nothing is missing', () => {
    expect(advise(good)).to.deep.equal([]);
    expect(page(good, [])).to.match(/\nAdvice\n {21}none$/);
  });

  const rows: [string, Partial<Facts>, string, RegExp][] = [
    ['no addon', { addon: noAddon, backends: noAddon, pressure: noAddon }, 'addon', /npm rebuild .*C\+\+17/],
    ['no addon on Android', { addon: noAddon, platform: 'android' }, 'addon', /pkg install clang cmake make/],
    [
      'a package that does not load',
      { addon: { unreadable: 'EMFILE' } },
      'addon',
      /does not load \(EMFILE\)/,
    ],
    [
      'an addon after one that does not load',
      { addon: { path: '/x', origin: 'shipped', failed: ['/build: not there', '/y: invalid ELF header'] } },
      'addon',
      /does not load/,
    ],
    [
      'regions that do not work',
      { sharing: { works: false, backend: '', detail: 'a reason' } },
      'regions',
      /a reason/,
    ],
    ['an fd that does not pass', { passing: { works: false, backend: '', detail: '' } }, 'regions', /stdio/],
    ['memfd only', { backends: [fails('ashmem'), works('memfd')] }, 'ashmem', /nothing of memfd/],
    [
      'memfd only, on Android',
      { platform: 'android', backends: [fails('ashmem'), works('memfd')] },
      'ashmem',
      /not usable/,
    ],
    ['ashmem only', { backends: [works('ashmem'), fails('memfd')] }, 'memfd', /4 GiB/],
    [
      'no anonymous memory',
      { backends: [works('ashmem'), works('memfd'), fails('anonymous')] },
      'anonymous',
      /scope/,
    ],
    ['no source of pressure', { pressure: [fails('meminfo')] }, 'pressure', /call purge\(\)/],
    [
      'late sources only',
      { pressure: [works('psi'), fails('meminfo')] },
      'pressure',
      /only psi, which come late/,
    ],
    ['MemAvailable only', { pressure: [works('meminfo')] }, 'pressure', /MemAvailable: under systemd/],
    [
      'MemAvailable only, on Android',
      { pressure: [works('meminfo')], platform: 'android' },
      'pressure',
      /more is not shown/,
    ],
    ['no stalls', { pressure: [works('cgroup-v2'), fails('psi')] }, 'psi', /psi=1/],
    ['stalls without swap', { memory: { total: 100, available: 50, swap: 0 } }, 'psi', /zram/],
    ['a small limit', { cgroup: { limit: 100 * mebibyte, high: null } }, 'cgroup', /below 128 MiB/],
    [
      'a limit without memory.high',
      { cgroup: { limit: 500 * mebibyte, high: null } },
      'cgroup',
      /set it some tens/,
    ],
    [
      'memory that is short',
      { memory: { total: 1600, available: 99, swap: 1 } },
      'memory',
      /short right now/,
    ],
    [
      'few descriptors',
      { limits: { files: { soft: 256, hard: 4096 }, addressSpace: none, processes: none, locked: none } },
      'files',
      /256 may be open/,
    ],
    [
      'few addresses',
      {
        limits: { files: none, addressSpace: { soft: mebibyte, hard: null }, processes: none, locked: none },
      },
      'address space',
      /ENOMEM/,
    ],
    ['Android 12', { platform: 'android', android: { release: '12', api: 31 } }, 'processes', /beyond 32/],
    ['pages of 16 KiB', { pageSize: 16384 }, 'page size', /16384 bytes at least/],
    ['an old Node', { node: 'v20.18.3' }, 'node', /20\.19/],
  ];
  for (const [what, change, about, line] of rows) {
    it(`${what}: one line, about ${about}`, () => {
      const lines = advice(change);
      expect(lines.map((item) => item.about)).to.deep.equal([about]);
      expect(lines[0]?.line).to.match(line);
      expect(page({ ...good, ...change }, lines)).to.include(`\n  ${about.padEnd(19)}${lines[0]?.line}`);
    });
  }

  const quiet: [string, Partial<Facts>][] = [
    ['a limit with memory.high', { cgroup: { limit: 500 * mebibyte, high: 450 * mebibyte } }],
    [
      'no PSI where it may not be looked at',
      {
        pressure: [works('cgroup-v2'), { name: 'psi', available: false, reason: 'x: Permission denied' }],
      },
    ],
    [
      'no PSI on Android, where nothing can be done',
      { platform: 'android', pressure: [works('cgroup-v2'), fails('psi')] },
    ],
    ['Android 11', { platform: 'android', android: { release: '11', api: 30 } }],
    ['a newer Node', { node: 'v26.0.0' }],
  ];
  for (const [what, change] of quiet) {
    it(`${what}: nothing`, () => expect(advice(change)).to.deep.equal([]));
  }

  it('what cannot be read is said as such, and no advice comes of it', () => {
    const facts: Facts = {
      ...good,
      libc: unreadable,
      pageSize: unreadable,
      backends: unreadable,
      pressure: unreadable,
      security: {
        seccomp: unreadable,
        noNewPrivileges: unreadable,
        securityModule: unreadable,
        privileged: unreadable,
      },
      limits: unreadable,
      cgroup: unreadable,
      memory: unreadable,
      android: unreadable,
    };
    expect(advise(facts)).to.deep.equal([]);
    expect(page(facts, []).match(/not readable: EACCES/g)).to.have.length(12);
  });
});

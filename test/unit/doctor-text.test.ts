import { expect } from 'chai';
import { shortenAll, shortener } from '../../lib/doctor/privacy.ts';
import {
  androidOf,
  cgroupBytes,
  cgroupOf,
  chain,
  field,
  libcOfMaps,
  limit,
  meminfoBytes,
  seccompMode,
  tightest,
} from '../../lib/doctor/proc-text.ts';

describe('doctor: what /proc says', () => {
  it('fields, and those that are missing', () => {
    const text = 'Name:\tnode\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n';
    expect(field(text, 'Seccomp')).to.equal('2');
    expect(field(text, 'NoNewPrivs')).to.equal('1');
    expect(field(text, 'CapEff')).to.equal(undefined);
    expect(['0', '1', '2', '7'].map(seccompMode)).to.deep.equal(['off', 'strict', 'a filter', 'mode 7']);
  });

  it('bytes of /proc/meminfo', () => {
    const text = 'MemTotal:       16384 kB\nMemAvailable:      12 kB\nHugePages_Total:       0\n';
    expect(meminfoBytes(text, 'MemTotal')).to.equal(16384 * 1024);
    expect(meminfoBytes(text, 'HugePages_Total')).to.equal(undefined);
    expect(meminfoBytes(text, 'SwapTotal')).to.equal(undefined);
  });

  it('limits', () => {
    const text =
      'Limit                     Soft Limit           Hard Limit           Units     \n' +
      'Max open files            1024                 524288               files     \n' +
      'Max address space         unlimited            unlimited            bytes     \n';
    expect(limit(text, 'Max open files')).to.deep.equal({ soft: 1024, hard: 524288 });
    expect(limit(text, 'Max address space')).to.deep.equal({ soft: null, hard: null });
    expect(limit(text, 'Max processes')).to.equal(undefined);
  });

  const maps: [string, string | undefined][] = [
    ['7f00-7f01 r-xp 00000000 fe:00 12 /usr/lib/x86_64-linux-gnu/libc.so.6\n', 'glibc'],
    ['7f00-7f01 r-xp 00000000 fe:00 12 /lib/x86_64-linux-gnu/libc-2.31.so\n', 'glibc'],
    ['7f00-7f01 r-xp 00000000 fe:00 12 /lib/ld-musl-x86_64.so.1\n', 'musl'],
    ['7f00-7f01 r-xp 00000000 07:08 12 /apex/com.android.runtime/lib64/bionic/libc.so\n', 'bionic'],
    ['7f00-7f01 r-xp 00000000 fd:00 12 /system/lib/libc.so\n', 'bionic'],
    ['7f00-7f01 r-xp 00000000 fd:00 12 /opt/libc.so.6.bak\n', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of maps) {
    it(`${text.trim().split(' ').at(-1) || 'nothing'}: ${expected}`, () =>
      expect(libcOfMaps(text)).to.equal(expected));
  }

  it("Android's version, of all that getprop says", () => {
    const text = '[ro.build.version.release]: [14]\n[ro.build.version.sdk]: [34]\n[ro.serialno]: [SECRET]\n';
    expect(androidOf(text)).to.deep.equal({ release: '14', api: 34 });
    expect(androidOf('')).to.equal(undefined);
  });

  it('the memory cgroup of either hierarchy, and those above it', () => {
    const text = '9:name=systemd:/a\n4:cpu,memory:/b/c\n0::/d\n';
    expect(cgroupOf(text, 1)).to.equal('/b/c');
    expect(cgroupOf(text, 2)).to.equal('/d');
    expect(cgroupOf('', 2)).to.equal(undefined);
    expect(chain('/b/c')).to.deep.equal(['/b/c', '/b', '/']);
    expect(chain('/')).to.deep.equal(['/']);
  });

  it('the tightest limit', () => {
    expect(['max\n', '4096\n', '9223372036854771712\n'].map(cgroupBytes)).to.deep.equal([null, 4096, null]);
    const limits = [
      { limit: null, high: 7 },
      { limit: 5, high: null },
      { limit: 9, high: 8 },
    ];
    expect(tightest(limits)).to.deep.equal({ limit: 5, high: 7 });
  });
});

describe('doctor: privacy', () => {
  const shorten = shortener(['/home/ann', '/data/data/com.termux/files/home', '/', '']);

  const rows: [string, string][] = [
    ['/home/ann/project/build', '~/project/build'],
    ['/home/ann: EACCES', '~: EACCES'],
    ['/home/anna/project', '/home/…/project'],
    ['/home/ann.old/x', '/home/…/x'],
    ['/data/data/com.termux/files/home/x', '~/x'],
    ['/data/data/com.termux/files/usr/tmp', '/data/data/com.termux/files/usr/tmp'],
    ['/sys/fs/cgroup/user.slice/user-1000.slice', '/sys/fs/cgroup/user.slice/user-….slice'],
    ['/run/user/1000/bus', '/run/user/…/bus'],
    ['/dev/ashmem01234567-89ab-cdef-0123-456789abcdef', '/dev/ashmem<uuid>'],
    [`/docker/${'0a'.repeat(32)}: ENOENT`, '/docker/<id>: ENOENT'],
  ];
  for (const [text, expected] of rows) {
    it(`${text} -> ${expected}`, () => expect(shorten(text)).to.equal(expected));
  }

  it('reaches every string', () => {
    const value = { a: ['/home/ann', 1, null], b: { c: '/home/ann/x' } };
    expect(shortenAll(value, shorten)).to.deep.equal({ a: ['~', 1, null], b: { c: '~/x' } });
  });
});

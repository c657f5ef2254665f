import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { NativeCache } from './cache/native-types.ts';
import type { NativeChannel } from './channel/native-types.ts';
import { AshmemError, type ErrorCode, rangeError } from './errors.ts';
import type { NativeLook } from './look/native-types.ts';
import type { NativePool } from './pool/native-types.ts';
import type { NativePressure } from './pressure/native-types.ts';
import type { NativeReclaim } from './reclaim/native-types.ts';
import type { NativeProbe, NativeRegion } from './region/native-types.ts';

/** What the addon exports. This is the only file that loads it, and the only declaration of it. */
export interface Native
  extends NativeRegion,
    NativePool,
    NativeCache,
    NativeChannel,
    NativeProbe,
    NativeReclaim,
    NativePressure,
    NativeLook {
  setErrorFactory(
    make: (code: number, errno: number, syscall: string | undefined, detail: string | undefined) => Error,
  ): void;
}

/** Where a binary may be, in the order of trying: what this machine compiled, then what the package shipped. */
function candidates(): string[] {
  const root = fileURLToPath(new URL('..', import.meta.url));
  return [
    `${root}build/Release/ashmem_compat.node`,
    `${root}prebuilds/${process.platform}-${process.arch}/ashmem_compat.node`,
  ];
}

/** Where the addon was found, and why not in the places before. */
export interface Found {
  path: string;
  failed: string[];
}

function load(): { addon: Native; found: Found } {
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const path of candidates()) {
    if (!existsSync(path)) {
      tried.push(`${path}: not there`);
      continue;
    }
    try {
      return { addon: require(path) as Native, found: { path, failed: tried } };
    } catch (error) {
      tried.push(`${path}: ${(error as Error).message}`);
    }
  }
  throw new AshmemError(
    'ERR_NATIVE_NOT_FOUND',
    `ashmem-compat has no native addon for ${process.platform}-${process.arch}, Node ${process.versions.node}. Tried:\n` +
      tried.map((line) => `  ${line}`).join('\n') +
      '\nBuild it with: npm rebuild ashmem-compat (in a checkout of the project: npm run build:addon).' +
      ' That needs a C++17 compiler, cmake and make' +
      (process.platform === 'android' ? ' (Termux: pkg install clang cmake make)' : '') +
      '.',
  );
}

/** The order of `enum class Code` in native/core/status.h. */
const codes: readonly (ErrorCode | undefined)[] = [
  undefined,
  'ERR_REGION_CLOSED',
  'ERR_INVALID_RANGE',
  'ERR_NOT_PINNED',
  'ERR_REGION_BUSY',
  'ERR_UNTRUSTED_FD',
  'ERR_BACKEND_UNAVAILABLE',
  'ERR_NOT_SHAREABLE',
  'ERR_READ_ONLY',
  'ERR_TOO_MANY_PROCESSES',
  'ERR_TOO_MANY_PINS',
  'ERR_OUT_OF_RANGE',
  'ERR_FORKED',
  'ERR_SYSTEM',
  'ERR_CHANNEL_CLOSED',
  'ERR_MESSAGE_TOO_LARGE',
  'ERR_TOO_MANY_FDS',
  'ERR_BAD_MESSAGE',
  'ERR_FDS_LOST',
  'ERR_ADDRESS_IN_USE',
  'ERR_NO_SUCH_PROCESS',
  'ERR_NOT_PERMITTED',
  'ERR_NO_SWAP',
  'ERR_NOT_SUPPORTED',
  'ERR_NO_SPACE',
  'ERR_BLOCK_FREED',
  'ERR_VALUE_TOO_LARGE',
];

const { addon, found } = load();

export const native: Native = addon;
export { found };

native.setErrorFactory((index, errno, syscall, detail) => {
  const code = codes[index] ?? 'ERR_SYSTEM';
  const what = detail ?? code.slice(4).toLowerCase().replaceAll('_', ' ');
  const message = syscall ? `${what}: ${syscall} failed, errno ${errno}` : what;
  const info = syscall ? { errno: -errno, syscall } : {};
  return code === 'ERR_INVALID_RANGE' || code === 'ERR_OUT_OF_RANGE'
    ? rangeError(message, code, info)
    : new AshmemError(code, message, info);
});

// In the turn in which they came: the immediate need not keep the process alive for that.
native.setNewsScheduler(() => {
  setImmediate(native.deliverNews).unref();
});

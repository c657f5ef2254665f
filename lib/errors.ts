/** The codes of every error that this package throws. docs: README, "Errors". */
export type ErrorCode =
  | 'ERR_REGION_CLOSED'
  | 'ERR_INVALID_RANGE'
  | 'ERR_NOT_PINNED'
  | 'ERR_REGION_BUSY'
  | 'ERR_UNTRUSTED_FD'
  | 'ERR_BACKEND_UNAVAILABLE'
  | 'ERR_NOT_SHAREABLE'
  | 'ERR_READ_ONLY'
  | 'ERR_TOO_MANY_PROCESSES'
  | 'ERR_TOO_MANY_PINS'
  | 'ERR_FORKED'
  | 'ERR_SYSTEM'
  | 'ERR_CHANNEL_CLOSED'
  | 'ERR_MESSAGE_TOO_LARGE'
  | 'ERR_TOO_MANY_FDS'
  | 'ERR_BAD_MESSAGE'
  | 'ERR_FDS_LOST'
  | 'ERR_ADDRESS_IN_USE'
  | 'ERR_NO_SUCH_PROCESS'
  | 'ERR_NOT_PERMITTED'
  | 'ERR_NO_SWAP'
  | 'ERR_NOT_SUPPORTED'
  | 'ERR_NO_SPACE'
  | 'ERR_BLOCK_FREED'
  | 'ERR_VALUE_TOO_LARGE'
  | 'ERR_ENTRY_RELEASED'
  | 'ERR_INVALID_ARG_TYPE'
  | 'ERR_INVALID_ARG_VALUE'
  | 'ERR_OUT_OF_RANGE'
  | 'ERR_NATIVE_NOT_FOUND';

/** Facts about a failure that go with the code. */
export interface ErrorInfo {
  /** Negative errno of the system call that failed, as in Node's own system errors. */
  errno?: number;
  /** The system call that failed. */
  syscall?: string;
  cause?: unknown;
}

const brand = Symbol.for('ashmem-compat.error');

function adorn(error: Error & { code?: string }, code: ErrorCode, info?: ErrorInfo): void {
  error.code = code;
  if (info?.errno !== undefined) (error as { errno?: number }).errno = info.errno;
  if (info?.syscall !== undefined) (error as { syscall?: string }).syscall = info.syscall;
  Object.defineProperty(error, brand, { value: true });
}

/**
 * What this package throws. `code` is stable and made for programs, `message` for people. Where a system call failed, `errno`
 * (negative) and `syscall` are set as on Node's own errors. Wrong types and out-of-range numbers are TypeError and RangeError
 * with the same fields, and are `instanceof AshmemError` too.
 */
export class AshmemError extends Error {
  declare readonly code: ErrorCode;
  declare readonly errno?: number;
  declare readonly syscall?: string;

  constructor(code: ErrorCode, message: string, info?: ErrorInfo) {
    super(message, info && 'cause' in info ? { cause: info.cause } : undefined);
    adorn(this, code, info);
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass of somebody else's has instances of its own only.
    // biome-ignore lint/complexity/noThisInStatic: which class is asked is the point
    if (this !== AshmemError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && brand in value;
  }
}
Object.defineProperty(AshmemError.prototype, 'name', { value: 'AshmemError' });

/** Shows a rejected value in a message: short, and never by running the value's own code. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

/** A TypeError with code ERR_INVALID_ARG_TYPE: `name` must be `expected`, and was `value`. */
export function typeError(name: string, expected: string, value: unknown): TypeError & AshmemError {
  const error = new TypeError(`${name} must be ${expected}, received ${show(value)}`);
  adorn(error, 'ERR_INVALID_ARG_TYPE');
  return error as TypeError & AshmemError;
}

/** A TypeError with code ERR_INVALID_ARG_VALUE: right type, wrong value. */
export function valueError(name: string, expected: string, value: unknown): TypeError & AshmemError {
  const error = new TypeError(`${name} must be ${expected}, received ${show(value)}`);
  adorn(error, 'ERR_INVALID_ARG_VALUE');
  return error as TypeError & AshmemError;
}

/** A RangeError, by default with code ERR_OUT_OF_RANGE. */
export function rangeError(
  message: string,
  code: ErrorCode = 'ERR_OUT_OF_RANGE',
  info?: ErrorInfo,
): RangeError & AshmemError {
  const error = new RangeError(message);
  adorn(error, code, info);
  return error as RangeError & AshmemError;
}

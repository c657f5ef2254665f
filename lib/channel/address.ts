import { rangeError, typeError, valueError } from '../errors.ts';
import { MAX_PATH_BYTES } from './limits.ts';

/** Checks the name of a unix socket: a path, or a name in the abstract namespace after a NUL. */
export function checkPath(path: unknown): asserts path is string {
  if (typeof path !== 'string') throw typeError('path', 'a string', path);
  const abstract = path.startsWith('\0');
  const name = abstract ? path.slice(1) : path;
  if (name === '') throw valueError('path', 'a socket path or a NUL and a name', path);
  if (!abstract && path.includes('\0'))
    throw valueError('path', 'free of NULs after its first character', path);
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_PATH_BYTES) {
    throw rangeError(
      `path must be at most ${MAX_PATH_BYTES} bytes long, as unix sockets demand; it has ${bytes}`,
    );
  }
}

/** A path as people write it: abstract names with an @. */
export function showPath(path: string): string {
  return path.startsWith('\0') ? `@${path.slice(1)}` : path;
}

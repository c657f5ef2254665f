import { typeError } from '../errors.ts';
import { native } from '../native.ts';
import { checkPath } from './address.ts';
import { FdChannel } from './fd-channel.ts';
import type { ServerHandle } from './native-types.ts';
import { retryWhile, withPath } from './retry.ts';

/** Connections taken in one turn of the event loop. */
const BATCH = 64;

/** Milliseconds until the next attempt when there is no descriptor for a connection that waits. */
const PAUSE = 100;

/**
 * A unix stream socket that hands every connection to `onChannel` as an FdChannel.
 *
 * It keeps the process alive until close() or unref(), and lives until close() even if nobody refers to it.
 */
export class FdServer {
  readonly #path: string;
  readonly #handle: ServerHandle;
  readonly #onChannel: (channel: FdChannel) => unknown;
  #pause: NodeJS.Timeout | undefined;
  #ref = true;
  #closed = false;

  private constructor(path: string, handle: ServerHandle, onChannel: (channel: FdChannel) => unknown) {
    this.#path = path;
    this.#handle = handle;
    this.#onChannel = onChannel;
    handle.onConnection = () => this.#accept();
    handle.hold(true);
    handle.wait();
  }

  /**
   * Listens on `path` (at most 107 bytes; a leading NUL means the abstract namespace). The channel that `onChannel` gets is its
   * to close. What it throws is an uncaught exception, what it rejects with an unhandled rejection. Who may connect is
   * decided by the rights of the directory and the umask, or by looking at `channel.peer`; everybody may connect to an
   * abstract name.
   *
   * A socket file that a dead server left is replaced; two servers that find it at once get one name and one error. Servers
   * take an flock on the directory for that, and wait for it for some seconds.
   *
   * Rejects with ERR_ADDRESS_IN_USE when a living server has the name or the path is not a socket (neither is touched);
   * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for bad arguments; ERR_SYSTEM (and `errno`) when the
   * directory is missing or forbidden, when its lock is held all the time (EAGAIN), or no descriptors are left (EMFILE).
   */
  static async listen(path: string, onChannel: (channel: FdChannel) => unknown): Promise<FdServer> {
    checkPath(path);
    if (typeof onChannel !== 'function') throw typeError('onChannel', 'a function', onChannel);
    try {
      const open = () => native.channelListen(path);
      return new FdServer(path, await retryWhile('flock', open), onChannel);
    } catch (error) {
      throw withPath(error, path);
    }
  }

  /** As it was given to listen(). */
  get path(): string {
    return this.#path;
  }

  get closed(): boolean {
    return this.#closed;
  }

  #accept(): void {
    for (let i = 0; i < BATCH && !this.#closed; i++) {
      let handle: ReturnType<ServerHandle['accept']>;
      try {
        handle = this.#handle.accept();
      } catch {
        // EMFILE and the like. The connection stays in the queue and the socket readable: ask again after a while, not at once.
        this.#pause = setTimeout(() => this.#accept(), PAUSE);
        if (!this.#ref) this.#pause.unref();
        return;
      }
      if (!handle) break;
      try {
        this.#onChannel(FdChannel.wrap(handle));
      } catch (error) {
        // The next connection is not to suffer for it.
        process.nextTick(() => {
          throw error;
        });
      }
    }
    if (!this.#closed) this.#handle.wait();
  }

  /** Keeps the process alive, which is how a server starts. */
  ref(): this {
    this.#ref = true;
    this.#handle.hold(true);
    this.#pause?.ref();
    return this;
  }

  /** Lets the process exit when nothing else keeps it. */
  unref(): this {
    this.#ref = false;
    this.#handle.hold(false);
    this.#pause?.unref();
    return this;
  }

  /**
   * Stops listening and removes the socket file, if it is still this server's own. Connections that were not accepted are cut
   * off; channels that were handed out stay open. A second call does nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

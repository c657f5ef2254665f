import { types } from 'node:util';
import { AshmemError, typeError, valueError } from '../errors.ts';
import { native } from '../native.ts';
import { SharedRegion } from '../region/shared-region.ts';
import { checkPath } from './address.ts';
import { checkFd, closeFds, fdNumbers } from './fds.ts';
import { decodeJson, encodeJson, type Json } from './json.ts';
import { type ChannelHandle, Kind } from './native-types.ts';
import { retryWhile, withPath } from './retry.ts';

/** What a channel carries: any JSON value, or bytes. */
export type Message = Json | Uint8Array;

/** What can be sent: a Message, or an object of any type that JSON can say. */
export type Sendable = Message | object;

/** What receive() gives. */
export interface Received<T = Message | undefined> {
  /** Undefined only when a region came without a message. Bytes arrive as a Uint8Array of their own memory. */
  message: T;
  /** Descriptors that came along, close-on-exec. They are yours: close each of them (closeFds() does). A worker that ends does not. */
  fds: number[];
}

export interface ReceiveOptions {
  /** Ends the waiting: receive() rejects with `signal.reason`. No message is lost by it; the next receive() gets it. */
  signal?: AbortSignal;
}

/** The process at the other end, as the kernel knew it when the connection was made. */
export interface Peer {
  /** 0 if it is in a PID namespace that cannot be seen from here. Of a pair(): the process that made the pair. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

interface Waiter {
  resolve(received: Received): void;
  reject(error: unknown): void;
}

interface Sender {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * After so many messages in a row without a pause the event loop gets its turn, so that a peer that never stops sending (or
 * reading) does not keep timers and other sockets from running.
 */
const BURST = 128;

const sent = Promise.resolve();

function decode([payload, fds]: [string | Uint8Array | undefined, number[]]): Received {
  if (typeof payload !== 'string') return { message: payload, fds };
  try {
    return { message: decodeJson(payload), fds };
  } catch (error) {
    closeFds(fds);
    throw error;
  }
}

/** A view whose memory is gone has length 0 and would be sent as an empty message. */
function checkAttached(bytes: Uint8Array): void {
  if (bytes.byteLength > 0) return;
  try {
    new Uint8Array(bytes.buffer);
  } catch {
    throw valueError('message', 'bytes that are still there (these were detached)', bytes);
  }
}

/**
 * A connection to one other process (or thread) over which messages and file descriptors travel, whole and in order.
 *
 * Nothing is read from the socket while nobody receives: a slow receiver slows down its sender, whose send() promises resolve
 * late, and descriptors that nobody takes are closed by the kernel. An idle channel does not keep the process alive; a
 * pending receive() or send() does. A channel that is garbage-collected without close() leaks nothing.
 *
 * One FdChannel per end: two that share one socket (by fromFd() twice) would take parts of each other's messages.
 * The framing is in docs/protocol.md, for peers in other languages.
 */
export class FdChannel {
  readonly #handle: ChannelHandle;
  readonly #waiters: Waiter[] = [];
  readonly #senders: Sender[] = [];
  #closed = false;
  #received = 0;
  #sent = 0;
  #peer: Peer | undefined;

  private constructor(handle: ChannelHandle) {
    this.#handle = handle;
    handle.onReadable = () => this.#drain();
    handle.onSent = (error) => {
      const sender = this.#senders.shift();
      if (error) sender?.reject(error);
      else sender?.resolve();
    };
  }

  /** @internal */
  static wrap(handle: ChannelHandle): FdChannel {
    return new FdChannel(handle);
  }

  /**
   * Connects to an FdServer, or to any unix stream socket whose owner speaks the protocol. `path` is at most 107 bytes; a
   * leading NUL means the abstract namespace. While the server's queue is full, tries again for some seconds.
   *
   * Rejects with ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for a bad path, and with ERR_SYSTEM (and
   * `errno`) if nobody listens there (ENOENT, ECONNREFUSED), it is forbidden (EACCES), or the queue stays full (EAGAIN).
   */
  static async connect(path: string): Promise<FdChannel> {
    checkPath(path);
    try {
      const open = () => native.channelConnect(path);
      return new FdChannel(await retryWhile('connect', open));
    } catch (error) {
      throw withPath(error, path);
    }
  }

  /**
   * Two channels connected to each other; give the `fd` of one to a child process or a worker. Throws ERR_SYSTEM when no
   * descriptors are left (EMFILE).
   */
  static pair(): [FdChannel, FdChannel] {
    const [first, second] = native.channelPair();
    return [new FdChannel(first), new FdChannel(second)];
  }

  /**
   * A channel over a connected unix stream socket: one that was inherited (`stdio: [0, 1, 2, channel.fd]` makes it number 3
   * in the child), or that came from another thread. Works on a duplicate: `fd` stays open and yours to close, and its flags
   * are not touched, so an inherited socket goes on to work for others as it did.
   *
   * Throws ERR_UNTRUSTED_FD for a descriptor that is not open or is something else, ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE
   * for what is no descriptor number, ERR_SYSTEM when no descriptors are left.
   */
  static fromFd(fd: number): FdChannel {
    checkFd('fd', fd);
    return new FdChannel(native.channelFromFd(fd));
  }

  /** The socket's descriptor, close-on-exec, owned by the channel. Throws ERR_CHANNEL_CLOSED after close(). */
  get fd(): number {
    const fd = this.#handle.fd();
    if (fd < 0) throw new AshmemError('ERR_CHANNEL_CLOSED', 'the channel is closed');
    return fd;
  }

  /** Whether this end was closed, by close() or because what the peer sent was not the protocol. */
  get closed(): boolean {
    return this.#closed;
  }

  get peer(): Peer {
    if (!this.#peer) {
      const [pid, uid, gid] = this.#handle.peer();
      this.#peer = Object.freeze({ pid, uid, gid });
    }
    return this.#peer;
  }

  /**
   * Sends one message of at most MAX_MESSAGE_BYTES and up to MAX_MESSAGE_FDS descriptors or regions. When this returns, the
   * message has been copied and the descriptors duplicated as far as needed: change and close yours at will. The promise
   * resolves when the kernel has the whole message; await it, or unsent messages pile up in memory. Messages arrive in the
   * order of the calls.
   *
   * Bytes must be a Uint8Array (or Buffer). Everything else is sent as JSON, if JSON can say all of it: undefined, functions,
   * symbols, BigInts, NaN, infinities, cycles, Maps, Sets and buffers inside are refused. Class instances arrive as plain
   * objects with their fields, objects with toJSON() as what that returns.
   *
   * Rejects, with nothing sent: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (also for a descriptor that is not open) or
   * ERR_OUT_OF_RANGE for bad arguments; ERR_MESSAGE_TOO_LARGE; ERR_TOO_MANY_FDS (also when too many are under way unread:
   * errno ETOOMANYREFS); ERR_NOT_SHAREABLE or ERR_REGION_CLOSED for a region without a descriptor; ERR_SYSTEM (EMFILE).
   * Rejects with ERR_CHANNEL_CLOSED when this end is closed, also before a waiting message was sent, or the peer is gone
   * (errno EPIPE or ECONNRESET).
   */
  send(message: Sendable, fds?: readonly (number | SharedRegion)[]): Promise<void> {
    try {
      const numbers = fdNumbers(fds);
      if (typeof message !== 'object' || !types.isUint8Array(message)) {
        return this.#send(Kind.json, encodeJson(message), numbers);
      }
      checkAttached(message);
      return this.#send(Kind.bytes, message, numbers);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends a region, with a message or without. The peer maps the same memory: see receiveRegion(). The region stays open here.
   * Rejects as send() does.
   */
  sendRegion(region: SharedRegion, message?: Sendable): Promise<void> {
    try {
      if (!(region instanceof SharedRegion)) throw typeError('region', 'a SharedRegion', region);
      if (message !== undefined) return this.send(message, [region]);
      return this.#send(Kind.none, undefined, [region.fd]);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #send(kind: 0 | 1 | 2, payload: string | Uint8Array | undefined, fds: number[] | undefined): Promise<void> {
    const outcome = this.#handle.send(kind, payload, fds);
    if (outcome > 0) throw valueError(`fds[${outcome - 1}]`, 'an open file descriptor', fds?.[outcome - 1]);
    if (outcome < 0) {
      return new Promise((resolve, reject) => {
        this.#senders.push({ resolve, reject });
      });
    }
    if (++this.#sent < BURST) return sent;
    this.#sent = 0;
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /**
   * The next message with its descriptors. Calls that wait are served in their order. The type parameter is a claim about
   * what the peer sends; nothing checks it.
   *
   * Rejects with ERR_CHANNEL_CLOSED when the peer has closed its end (with errno ECONNRESET if it did so before it had read
   * everything) or this end is closed; ERR_FDS_LOST when descriptors of the message did not arrive (the descriptor table here
   * is full, or the security module refused them); ERR_BAD_MESSAGE when the text is no JSON. After these two the next message
   * can be received. ERR_BAD_MESSAGE also when the stream ends inside a message or is not the protocol: then the channel is
   * closed. In all cases the descriptors of the message have been closed. With `signal.reason` when aborted.
   */
  receive<T = Message | undefined>(options?: ReceiveOptions): Promise<Received<T>> {
    return this.#receive(options) as Promise<Received<T>>;
  }

  #receive(options: ReceiveOptions | undefined): Promise<Received> {
    if (options !== undefined && (typeof options !== 'object' || options === null)) {
      return Promise.reject(typeError('options', 'an object', options));
    }
    const signal = options?.signal;
    if (signal !== undefined) {
      if (!(signal instanceof AbortSignal)) {
        return Promise.reject(typeError('options.signal', 'an AbortSignal', signal));
      }
      if (signal.aborted) return Promise.reject(signal.reason);
    }
    try {
      if (this.#waiters.length === 0 && this.#received < BURST) {
        const received = this.#handle.receive(false);
        if (received) {
          this.#received++;
          return Promise.resolve(decode(received));
        }
      }
      this.#received = 0;
      this.#handle.wait(true);
    } catch (error) {
      this.#closeIfLost();
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      if (signal) this.#waitWith(signal, resolve, reject);
      else this.#waiters.push({ resolve, reject });
    });
  }

  #waitWith(signal: AbortSignal, resolve: Waiter['resolve'], reject: Waiter['reject']): void {
    const abort = () => {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      if (this.#waiters.length === 0) this.#handle.wait(false);
      reject(signal.reason);
    };
    const waiter: Waiter = {
      resolve(received) {
        signal.removeEventListener('abort', abort);
        resolve(received);
      },
      reject(error) {
        signal.removeEventListener('abort', abort);
        reject(error);
      },
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#waiters.push(waiter);
  }

  /** The socket is readable: serves those who wait, in their order. */
  #drain(): void {
    while (this.#waiters.length > 0) {
      try {
        const received = this.#handle.receive(true);
        if (!received) {
          this.#handle.wait(true);
          return;
        }
        const decoded = decode(received);
        this.#waiters.shift()!.resolve(decoded);
      } catch (error) {
        this.#waiters.shift()!.reject(error);
        this.#closeIfLost();
      }
    }
  }

  /** The native half closes a socket on which no message can be found any more; what waits here must hear of it. */
  #closeIfLost(): void {
    if (this.#handle.fd() < 0) this.close();
  }

  /**
   * The next message, which must carry one region and no other descriptor: the region, attached, and the message if there was
   * one. Rejects as receive() does; with ERR_BAD_MESSAGE when the message carries no region, or several descriptors; with what
   * SharedRegion.fromFd() throws (ERR_UNTRUSTED_FD and others) when its descriptor is no region. The message is gone then,
   * and its descriptors are closed.
   */
  async receiveRegion<T = Message | undefined>(
    options?: ReceiveOptions,
  ): Promise<{ region: SharedRegion; message: T }> {
    const { message, fds } = await this.receive<T>(options);
    try {
      if (fds.length !== 1) {
        throw new AshmemError(
          'ERR_BAD_MESSAGE',
          `expected a message with one region, received one with ${fds.length} file descriptors`,
        );
      }
      return { region: SharedRegion.fromFd(fds[0]!), message };
    } finally {
      closeFds(fds); // the region works on a duplicate
    }
  }

  /**
   * All messages from here on. Ends when the peer closes its end between two messages, or when this end is closed; throws what
   * receive() rejects with otherwise. Leaving the loop does not close the channel.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Received> {
    const ended = { done: true as const, value: undefined };
    const iterator: AsyncIterableIterator<Received> = {
      next: () =>
        this.#receive(undefined).then(
          (value) => ({ done: false as const, value }),
          (error: AshmemError) => {
            if (error.code === 'ERR_CHANNEL_CLOSED' && error.errno === undefined) return ended;
            throw error;
          },
        ),
      return: () => Promise.resolve(ended),
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /**
   * Closes this end. Pending receive() and send() calls reject with ERR_CHANNEL_CLOSED; messages whose send() has resolved
   * still reach the peer. A second call does nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handle.close();
    for (const waiter of this.#waiters.splice(0)) {
      waiter.reject(new AshmemError('ERR_CHANNEL_CLOSED', 'the channel was closed'));
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

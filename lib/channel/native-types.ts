/** What a frame holds; `enum class Kind` of native/core/channel/frame.h. */
export const Kind = { none: 0, json: 1, bytes: 2 } as const;

/** One end of a connection: native/addon/channel_handle.cc. After close() every method but fd() and peer() throws. */
export interface ChannelHandle {
  /** Called once after wait(true), when there is something to read. */
  onReadable: () => void;
  /** Called for each frame that send() queued, in their order, with the error if it was not sent. */
  onSent: (error: Error | undefined) => void;
  /** 0: the kernel has it. -1: queued. n > 0: fds[n - 1] is not an open descriptor, and nothing was sent. */
  send(kind: 0 | 1 | 2, payload: string | Uint8Array | undefined, fds: readonly number[] | undefined): number;
  /** Undefined when no whole message is there yet; unless `woken`, looks for some microseconds if that paid lately. */
  receive(woken: boolean): [payload: string | Uint8Array | undefined, fds: number[]] | undefined;
  wait(on: boolean): void;
  /** -1 after close(). */
  fd(): number;
  peer(): [pid: number, uid: number, gid: number];
  close(): void;
}

/** A listening socket: native/addon/channel_server.cc. */
export interface ServerHandle {
  /** Called once after wait(), when somebody has connected. */
  onConnection: () => void;
  accept(): ChannelHandle | undefined;
  wait(): void;
  hold(on: boolean): void;
  close(): void;
}

export interface NativeChannel {
  channelPair(): [ChannelHandle, ChannelHandle];
  channelFromFd(fd: number): ChannelHandle;
  /** Fails with EAGAIN while the server's queue is full. */
  channelConnect(path: string): ChannelHandle;
  /** Fails with ERR_REGION_BUSY of flock while another server is opening in the same directory. */
  channelListen(path: string): ServerHandle;
  channelCloseFds(fds: readonly number[]): void;
}

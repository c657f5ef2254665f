import type { EventEmitter } from 'node:events';

/**
 * emitter.emit(), for news that have several listeners who know nothing of each other: an error that one throws does not keep it from the
 * others. It goes where an error from emit() would have gone: to 'uncaughtException', with the next tick.
 */
export function emitToEach(emitter: EventEmitter, event: string, ...args: unknown[]): void {
  for (const listener of emitter.rawListeners(event)) {
    try {
      Reflect.apply(listener, emitter, args);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

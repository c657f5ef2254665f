import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';

/** Ends when somebody wants it to: Ctrl-C, or nobody reads any more. */
function ending(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    controller.abort();
  });
  return controller.signal;
}

/**
 * Prints what `look` says, again and again: on a terminal in the same place, elsewhere one after the other, with `between` between.
 * `width` is that of the terminal.
 */
export async function repeat(
  {
    interval,
    looks,
    inPlace,
    between,
  }: { interval: number; looks: number; inPlace: boolean; between: string },
  look: (width: number | undefined) => string,
): Promise<void> {
  const signal = ending();
  const { stdout } = process;
  let lines = 0;
  for (let i = 0; i < looks && !signal.aborted; i++) {
    if (i > 0) await wait(interval, undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    let text = look(inPlace && stdout.columns > 0 ? stdout.columns : undefined);
    const height = text.split('\n').length;
    if (inPlace && lines > 0) text = `\x1b[${lines}A\x1b[J${text}`;
    else if (i > 0) text = between + text;
    lines = height;
    if (!stdout.write(`${text}\n`)) await once(stdout, 'drain', { signal }).catch(() => {});
  }
}

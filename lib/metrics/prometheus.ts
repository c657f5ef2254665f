import { typeError } from '../errors.ts';

/** What has numbers to tell: a region, a pool or a cache. */
export interface Measured {
  readonly name: string;
  stats(): object;
}

export interface PrometheusOptions {
  /** Begins each metric's name. Default: 'ashmem_compat'. */
  prefix?: string;
}

/** Counted since the region was made, or the object: they only rise. All other numbers are gauges. */
const counters = new Set(['hits', 'misses', 'fills', 'waits', 'evicted', 'refilled', 'expired', 'discarded']);

const bytes = new Set([
  'size',
  'capacity',
  'used',
  'pinned',
  'unpinned',
  'resident',
  'discarded',
  'free',
  'allocated',
  'live',
]);

const help: Record<string, string> = {
  hits: 'Gets that found their entry.',
  misses: 'Gets that did not.',
  fills: 'Fills that were begun.',
  waits: 'Calls that waited for the fill of another.',
  evicted: 'Entries that made room for others.',
  purged: 'What was discarded and not refilled; of a cache the entries that a get found discarded.',
  refilled: 'Entries that were set again after a purge.',
  expired: 'Entries that a get found too old.',
  pinned: 'Bytes that a living process holds.',
  unpinned: 'Bytes that nobody holds.',
  resident: 'Bytes in memory now.',
  discarded: 'Bytes discarded, ever.',
  fragmentation: 'Bytes lost to cutting, in parts of the bytes that were asked for.',
};

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const label = (value: string) => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

/**
 * The stats() of regions, pools and caches in the text format of Prometheus: a metric for each number, `PREFIX_KIND_NUMBER`, with the label
 * `name`. Give it to whoever asks for /metrics, with content type `text/plain; version=0.0.4`. Two of one kind with the same name and closed
 * ones are the caller's to keep apart. Errors: those of stats(); TypeError ERR_INVALID_ARG_TYPE.
 *
 * @param things by what they are called: `{ cache: [images, pages], region: frames }`
 */
export function prometheus(
  things: Record<string, Measured | readonly Measured[]>,
  options: PrometheusOptions = {},
): string {
  if (typeof things !== 'object' || things === null) throw typeError('things', 'an object', things);
  const { prefix = 'ashmem_compat' } = options;
  const lines: string[] = [];
  for (const [kind, given] of Object.entries(things)) {
    const measured = (Array.isArray(given) ? given : [given]).map((thing: Measured) => ({
      name: thing.name,
      stats: thing.stats(),
    }));
    const numbers = new Set(
      measured.flatMap(({ stats }) =>
        Object.entries(stats)
          .filter(([, value]) => typeof value === 'number')
          .map(([number]) => number),
      ),
    );
    for (const number of numbers) {
      const isCounter =
        counters.has(number) || (number === 'purged' && measured.some(({ stats }) => 'evicted' in stats));
      const unit = bytes.has(number) || (number === 'purged' && !isCounter) ? '_bytes' : '';
      const metric = `${prefix}_${snake(kind)}_${snake(number)}${unit}${isCounter ? '_total' : ''}`.replace(
        /[^\w:]/g,
        '_',
      );
      lines.push(`# HELP ${metric} ${help[number] ?? `stats().${number} of a ${kind}.`}`);
      lines.push(`# TYPE ${metric} ${isCounter ? 'counter' : 'gauge'}`);
      for (const { name, stats } of measured) {
        const value = (stats as Record<string, number | undefined>)[number];
        if (value !== undefined) lines.push(`${metric}{name="${label(name)}"} ${value}`);
      }
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

import { parseArgs } from 'node:util';

export const HELP = `Usage: npm run image-cache -- [DIR] [options]

Workers want thumbnails of the photographs in DIR, some more often than others, and keep them in one region of purgeable shared
memory. Half-way a part of it is purged, as memory pressure would do. Every image used is verified against its checksum.

  DIR               photographs; default: this machine's wallpapers, or else photographs that are rendered for it
  --workers N       processes that share the cache (default 4)
  --capacity MiB    the most that the region may take (default 64); photographs beyond it are left out
  --rounds N        rounds, each of ten requests per photograph; the first quarter is for warming up, and the purge comes
                    half-way (default 40, at least 4)
  --photos N        photographs to render (default 24)
  --megapixels N    size of those (default 12)
  --help`;

export interface Options {
  dir: string | undefined;
  workers: number;
  /** Bytes. */
  capacity: number;
  rounds: number;
  photos: number;
  megapixels: number;
}

export class UsageError extends Error {}

/** Options from the command line; undefined if help was asked for. */
export function readOptions(args: string[]): Options | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  if (positionals.length > 1) throw new UsageError('there can be only one DIR');
  const number = (
    name: 'workers' | 'capacity' | 'rounds' | 'photos' | 'megapixels',
    least: number,
    most: number,
  ) => {
    const value = Number(values[name]);
    if (values[name].trim() !== '' && Number.isInteger(value) && value >= least && value <= most)
      return value;
    throw new UsageError(`--${name} must be an integer from ${least} to ${most}`);
  };
  return {
    dir: positionals[0],
    workers: number('workers', 1, 32),
    capacity: number('capacity', 1, 1 << 20) * 2 ** 20,
    rounds: number('rounds', 4, 1_000_000),
    photos: number('photos', 1, 1000),
    megapixels: number('megapixels', 1, 100),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        workers: { type: 'string', default: '4' },
        capacity: { type: 'string', default: '64' },
        rounds: { type: 'string', default: '40' },
        photos: { type: 'string', default: '24' },
        megapixels: { type: 'string', default: '12' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

import { parseArgs } from 'node:util';
import { native } from '../native.ts';
import type { NativeGauge } from '../pressure/native-types.ts';
import { levelOf } from '../pressure/state.ts';
import { type Command, UsageError } from './command.ts';
import { pressureTable } from './pressure-table.ts';
import { repeat } from './repeat.ts';

const help = `Usage: ashmem-compat pressure [options]

Shows what each source says of memory, as this process sees it: the limits of its own cgroups, stalls, the machine.

  --interval MS   time between two looks; default 1000
  --count N       end after N looks; default: at Ctrl-C
  --json          each look as a line of JSON
  --help

Below low, medium or critical bytes available the level begins; wanted is what has to be freed then. Sources that count stalls or
events have no limit.`;

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        interval: { type: 'string', default: '1000' },
        count: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function atLeastOne(name: string, text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new UsageError(`${name} must be a whole number from 1 to 999999999, received ${text}`);
  return value;
}

function asJson(gauges: readonly NativeGauge[]): string {
  const time = new Date().toISOString();
  return JSON.stringify({ time, gauges: gauges.map((gauge) => ({ ...gauge, level: levelOf(gauge) })) });
}

async function run(args: string[]): Promise<number> {
  const values = parse(args);
  const interval = atLeastOne('--interval', values.interval);
  const looks = values.count === undefined ? Number.POSITIVE_INFINITY : atLeastOne('--count', values.count);
  const inPlace = process.stdout.isTTY === true && !values.json;
  await repeat({ interval, looks, inPlace, between: values.json ? '' : '\n' }, (width) => {
    const gauges = native.lookAtPressure();
    return values.json ? asJson(gauges) : pressureTable(gauges, width);
  });
  return 0;
}

export const pressureCommand: Command = {
  help,
  run,
};

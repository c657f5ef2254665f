import { MIB } from '../numbers.ts';
import { repeat, survivors } from './repeat.ts';
import type { Scenario } from './scenario.ts';

/** The process that reclaims is killed or stopped when it has freed something between a page and 40 MiB. */
function struck(how: 'kill' | 'stop', what: string): Scenario {
  const name = `struck-${how}`;
  return {
    name,
    async run(bench) {
      const outcomes = await repeat(bench, name, bench.runs(50), (seed) => ({
        neighbour: () => ({ take: 150 * MIB }),
        reclaimer: true,
        strike: { how, after: ((seed * 7) % 40) * MIB },
      }));
      return [survivors(`the same with who reclaims ${what}`, outcomes)];
    },
  };
}

export const killed = struck('kill', 'killed half-way');
export const stopped = struck('stop', 'stopped half-way (SIGSTOP)');

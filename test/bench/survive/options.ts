import { parseArgs } from 'node:util';
import { type Scenario, scenarios, virtualScenarios } from './scenarios/index.ts';

export interface Options {
  runs: number | undefined;
  only: string | undefined;
  short: boolean;
  trace: string | undefined;
  /** Run what belongs in the virtual machine, by starting it. */
  vm: boolean;
}

export function options(): Options {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string' },
      only: { type: 'string' },
      short: { type: 'boolean', default: false },
      trace: { type: 'string' },
      vm: { type: 'boolean', default: false },
    },
  });
  const runs = values.runs === undefined ? undefined : Number(values.runs);
  if (runs !== undefined && !(Number.isInteger(runs) && runs > 0)) {
    throw new Error(`--runs must be a number of runs, received ${values.runs}`);
  }
  return {
    only: values.only,
    trace: values.trace,
    short: values.short,
    vm: values.vm,
    runs,
  };
}

/** Those with the word, or one of several separated by commas, in their names. The ones for the virtual machine must be asked for. */
export function choose(only: string | undefined, virtual: boolean): Scenario[] {
  const all = virtual ? virtualScenarios : scenarios;
  const chosen = all.filter(
    ({ name }) => only === undefined || only.split(',').some((word) => name.includes(word)),
  );
  if (chosen.length > 0) return chosen;
  throw new Error(
    `--only must be part of one of ${all.map(({ name }) => name).join(', ')}, received ${only}`,
  );
}

import { blocked } from './blocked.ts';
import { control } from './control.ts';
import { crossing } from './crossing.ts';
import { files } from './files.ts';
import { fullSpeed } from './full-speed.ts';
import { high } from './high.ts';
import { idle } from './idle.ts';
import { modest } from './modest.ts';
import type { Scenario } from './scenario.ts';
import { killed, stopped } from './struck.ts';
import { vrangeCgroup, vrangeMachine } from './vrange.ts';
import { wholeMachine } from './whole-machine.ts';

export type { Scenario };

/** In the order of the table. `crossing` is about the runs of those before it. */
export const scenarios: readonly Scenario[] = [
  fullSpeed,
  control,
  blocked,
  killed,
  stopped,
  modest,
  files,
  idle,
  crossing,
];

/** What runs in the virtual machine only, each in one of its own. */
export const virtualScenarios: readonly Scenario[] = [high, wholeMachine, vrangeCgroup, vrangeMachine];

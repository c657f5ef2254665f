import type { Row } from '../harness/results.ts';
import { ashmemPins } from './ashmem-pins.ts';
import { create } from './create.ts';
import { everyday } from './everyday.ts';
import { importing } from './import.ts';
import { memory } from './memory.ts';
import { pinRange } from './pin-range.ts';
import { pinUnit } from './pin-unit.ts';
import { probing } from './probe.ts';
import { purge } from './purge.ts';
import { roundTrip } from './round-trip.ts';

/** In the order of the table. */
export const rows: readonly Row[] = [
  pinUnit,
  pinRange,
  create,
  roundTrip,
  purge,
  memory,
  importing,
  probing,
  everyday,
  ashmemPins,
];

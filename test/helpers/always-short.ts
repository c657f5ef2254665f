import type { PressureOptions } from '../../lib/index.ts';

/** Options with which a monitor finds memory critically short on any machine, and makes nobody do anything about it. */
export const alwaysShort: PressureOptions = {
  sources: ['meminfo'],
  watermarks: { low: 0.99999, medium: 0.99998, critical: 0.99997 },
};

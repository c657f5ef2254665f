import { fileURLToPath } from 'node:url';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export const root = path('../../..');
/** Everything that the benchmark makes. */
export const output = path('../../../build/bench');
export const floorSources = path('../floors');
/** test/bench/core, which `npm run build:core` compiles. */
export const coreTrials = path('../../../build/core/test/bench/core/core_trials');
export const trial = (name: string) => path(`../trials/${name}.ts`);
/** What a user of the package imports. */
export const packageEntry = path('../../../dist/index.js');
/** Its command. */
export const packageCommand = path('../../../dist/cli/main.js');

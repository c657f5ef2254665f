// Before tests, examples and benchmarks: builds whatever is missing or older than its sources. Install scripts may have been
// switched off, and then `npm ci` has built nothing. Called by name, not as a "pre" script, because npm may skip those too.

import { ensureAddon, orExplain } from './addon.mjs';
import { ensureLib } from './build-lib.mjs';

orExplain(() => {
  ensureAddon();
  ensureLib();
});

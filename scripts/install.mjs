// npm's "install" step: does nothing if a shipped or already compiled binary loads here, else compiles one.

import { ensureAddon, orExplain } from './addon.mjs';

orExplain(ensureAddon);

// What a process pays for knowing what works here: the first probe(), which tries it, and the next ones, which remember.

import { measure, now, report } from './measure.ts';
import { probe } from './package.ts';

const begin = now();
probe();
const first = now() - begin;

report({ first: [first], again: measure(5, 100, (count) => Array.from({ length: count }, () => probe())) });

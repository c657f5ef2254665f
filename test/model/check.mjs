// Proves the right configurations of pin.pml, kernel.pml and extents.pml, and shows that each wrong variant is refused for the reason it is wrong.
// Usage: node check.mjs [name ...]

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const megabytes = 3000;
const maxDepth = 100000;

// README.md says what each is for. `finite` also refuses any cycle in the state graph: an operation that could go on for ever.
const right = [
  { name: 'attached', flags: ['NS=3', 'ATT=7', 'OPS=4', 'DEATHS=1'] },
  { name: 'reuse', flags: ['NS=2', 'ATT=3', 'OPS=5', 'DEATHS=1', 'BIRTHS=1'] },
  { name: 'reuse-again', flags: ['NS=2', 'ATT=3', 'OPS=4', 'DEATHS=2', 'BIRTHS=1'] },
  { name: 'refill', flags: ['NS=3', 'ATT=3', 'START=2', 'OPS=4', 'DEATHS=2'] },
  { name: 'empty', flags: ['NS=2', 'ATT=0', 'OPS=5', 'DEATHS=1', 'BIRTHS=1'] },
  { name: 'exec', flags: ['EXEC', 'NS=2', 'ATT=3', 'OPS=5', 'DEATHS=1', 'BIRTHS=1'] },
  { name: 'extra', flags: ['EXTRA=4', 'NS=3', 'ATT=7', 'OPS=4', 'DEATHS=1'] },
  { name: 'extra-two', flags: ['EXTRA=6', 'NS=3', 'ATT=7', 'OPS=4', 'DEATHS=1'] },
  { name: 'extra-all', flags: ['EXTRA=7', 'NS=3', 'ATT=7', 'OPS=3', 'DEATHS=1'] },
  { name: 'extra-reuse', flags: ['EXTRA=2', 'NS=2', 'ATT=3', 'OPS=4', 'DEATHS=2', 'BIRTHS=1'] },
  { name: 'again', flags: ['AGAIN', 'NS=3', 'ATT=3', 'START=2', 'OPS=4', 'DEATHS=1'] },
  { name: 'again-extra', flags: ['AGAIN', 'EXTRA=4', 'NS=3', 'ATT=7', 'START=2', 'OPS=4', 'DEATHS=1'] },
  { name: 'orphan', flags: ['NS=3', 'ATT=7', 'START=3', 'OPS=4', 'DEATHS=1'] },
  { name: 'finite', flags: ['NS=3', 'ATT=7', 'OPS=3', 'DEATHS=1'], cycles: true },
  { name: 'finite-reuse', flags: ['NS=2', 'ATT=3', 'OPS=3', 'DEATHS=1', 'BIRTHS=1'], cycles: true },
];

const law1 = 'law1_discarded_under_a_live_holder';
const law2stopped = 'law2_purge_stopped_by_the_dead';
const law2inherited = 'law2_inherited_a_bit';
const law3 = 'law3_kept_though_lost';
const law6 = 'law6_busy_for_the_dead';
const endless = 'non-progress cycle';

const wrong = [
  { name: 'BUG_NO_HAZARD_SCAN', flags: ['NS=2', 'ATT=3', 'OPS=5'], expect: law1 },
  { name: 'BUG_HAZARD_LATE', flags: ['NS=2', 'ATT=3', 'OPS=5'], expect: law1 },
  { name: 'BUG_TAKE_FROM_LIVING', flags: ['NS=3', 'OPS=4', 'DEATHS=0'], expect: law1 },
  { name: 'BUG_T4_OVER_DEAD', flags: ['NS=2', 'ATT=3', 'OPS=5'], expect: law1 },
  { name: 'BUG_NO_EPOCH_IN_CLAIM', flags: ['NS=2', 'ATT=3', 'OPS=5', 'DEATHS=0'], expect: law1 },
  { name: 'BUG_NO_DEKKER', flags: ['EXTRA=4', 'NS=3', 'OPS=4'], expect: law1 },
  { name: 'BUG_NO_SWEEP', flags: ['NS=2', 'ATT=3', 'OPS=4'], expect: law2inherited },
  { name: 'BUG_EPOCH_KEPT', flags: ['EXEC', 'NS=2', 'ATT=3', 'OPS=4', 'BIRTHS=1'], expect: law2inherited },
  { name: 'BUG_DEAD_BITS_COUNT', flags: ['NS=3', 'OPS=3'], expect: law2stopped },
  { name: 'BUG_FORGET_REFILLER', flags: ['NS=3', 'ATT=3', 'OPS=4'], expect: law3 },
  { name: 'BUG_T8_AFTER_T7', flags: ['NS=3', 'OPS=3'], expect: law3 },
  { name: 'BUG_T8_AFTER_T7', flags: ['EXTRA=4', 'NS=3', 'OPS=3'], expect: law3 },
  { name: 'BUG_T8_AFTER_T7', flags: ['AGAIN', 'NS=3', 'ATT=3', 'START=2', 'OPS=3'], expect: law3 },
  { name: 'BUG_EXTRA_NO_SECOND_LOOK', flags: ['EXTRA=4', 'NS=3', 'ATT=7', 'START=2', 'OPS=4'], expect: law3 },
  { name: 'BUG_EXTRA_BIT_FIRST', flags: ['EXTRA=6', 'NS=3', 'ATT=7', 'START=2', 'OPS=3'], expect: law3 },
  { name: 'BUG_T2_AT_ONCE', flags: ['NS=3', 'ATT=7', 'START=2', 'OPS=3', 'DEATHS=0'], expect: law3 },
  { name: 'BUG_COLLECTED_IS_FILLED', flags: ['NS=3', 'START=2', 'OPS=3', 'DEATHS=0'], expect: law3 },
  { name: 'BUG_T4_FROM_REFILLING', flags: ['NS=3', 'START=3', 'OPS=3', 'DEATHS=0'], expect: law3 },
  { name: 'BUG_T9_OVER_HOLDERS', flags: ['AGAIN', 'NS=3', 'START=2', 'OPS=3', 'DEATHS=0'], expect: law1 },
  { name: 'BUG_BUSY_FOR_ALL', flags: ['NS=3', 'OPS=3'], expect: law6 },
  { name: 'BUG_WAIT_FOREVER', flags: ['NS=3', 'OPS=2', 'DEATHS=0'], cycles: true, expect: endless },
];

// kernel.pml. STRICT also asserts that the words say what the kernel's state is whenever nobody is at work.
const one = ['PROCS=2', 'UNITS=1'];
const bystanders = [
  'EXTRA=2',
  'PROCS=3',
  'UNITS=1',
  'OPS=3',
  'SHRINKS=1',
  'PINNERS=2',
  'PURGERS=5',
  'LEAVERS=0',
];
const successor = [
  'PROCS=3',
  'NS=2',
  'UNITS=1',
  'OPS=4',
  'ATT=3',
  'SHRINKS=0',
  'PINNERS=3',
  'PURGERS=0',
  'LEAVERS=0',
  'MORTALS=2',
];
const pinnedAndFree = ['START=READY', 'EXCUSED=1'];
const lostAndFree = ['START=PURGED', 'EXCUSED=1'];
const created = ['CREATOR=1', 'START=READY'];
const kernelRight = [
  { name: 'kernel-reuse', flags: [...one, 'OPS=3', 'BIRTHS=1'] },
  { name: 'kernel-words', flags: [...one, 'OPS=4', 'DEATHS=0'] },
  {
    name: 'kernel-told',
    flags: [...one, 'OPS=7', 'DEATHS=0', 'SHRINKS=1', 'START=2050', 'PURGERS=0', 'LEAVERS=0'],
  },
  { name: 'kernel-extra', flags: [...one, 'EXTRA=2', 'OPS=3'] },
  { name: 'kernel-extra-two', flags: [...one, 'EXTRA=3', 'OPS=3', 'LEAVERS=0'] },
  { name: 'kernel-extra-pinned', flags: [...one, 'EXTRA=2', 'OPS=3', ...pinnedAndFree, 'LEAVERS=0'] },
  { name: 'kernel-extra-lost', flags: [...one, 'EXTRA=2', 'OPS=3', ...lostAndFree, 'LEAVERS=0'] },
  { name: 'kernel-creator', flags: ['PROCS=2', 'UNITS=2', 'OPS=3', 'SHRINKS=1', ...created, 'LEAVERS=0'] },
  { name: 'kernel-two-units', flags: ['PROCS=2', 'UNITS=2', 'OPS=3', 'DEATHS=0', 'SHRINKS=1', 'LEAVERS=0'] },
  { name: 'kernel-take-over', flags: [...bystanders, 'MORTALS=1', ...pinnedAndFree] },
  {
    name: 'kernel-two-units-death',
    flags: ['PROCS=2', 'UNITS=2', 'OPS=3', 'SHRINKS=1', 'LEAVERS=0', 'MORTALS=1'],
  },
  { name: 'kernel-take-over-lost', flags: [...bystanders, 'MORTALS=1', ...lostAndFree] },
  { name: 'kernel-attach', flags: successor },
  { name: 'kernel-touch', flags: ['TOUCH', ...one, 'OPS=3'] },
  { name: 'kernel-touch-words', flags: ['TOUCH', ...one, 'OPS=4', 'DEATHS=0'] },
  { name: 'kernel-touch-extra', flags: ['TOUCH', ...one, 'EXTRA=2', 'OPS=3'] },
  {
    name: 'kernel-touch-two-units',
    flags: ['TOUCH', 'PROCS=2', 'UNITS=2', 'OPS=3', 'DEATHS=0', 'SHRINKS=1', 'LEAVERS=0'],
  },
  { name: 'kernel-finite', flags: [...one, 'EXTRA=2', 'OPS=2'], cycles: true },
].map((entry) => ({ ...entry, model: 'kernel.pml', flags: ['STRICT', ...entry.flags] }));

const told = 'law3_object_not_told';
const orphan = 'kernel_orphan';
const overlap = 'kernel_unpin_overlaps';
const kernelWrong = [
  { name: 'BUG_K1_NO_CLAIM', flags: [...one, 'OPS=3', 'DEATHS=0'], expect: orphan },
  { name: 'BUG_K1_NO_CLAIM', flags: ['ORPHANS_ALLOWED', ...one, 'OPS=3', 'DEATHS=0'], expect: law1 },
  { name: 'BUG_K1_CLAIMS_VOLATILE', flags: [...one, 'OPS=2'], expect: law3 },
  { name: 'BUG_K4_SAYS_KEPT', flags: [...one, 'OPS=2'], expect: law3 },
  { name: 'BUG_K3_AS_PINNED', flags: [...one, 'OPS=3'], expect: law3 },
  { name: 'BUG_K5_NO_CLAIM', flags: [...one, 'OPS=2', 'DEATHS=0'], expect: law1 },
  { name: 'BUG_NO_EPOCH_IN_CLAIM', flags: [...one, 'OPS=5', 'DEATHS=0', 'SHRINKS=1'], expect: law1 },
  {
    name: 'BUG_GENERATION_ONLY_FROM_READY',
    flags: [...one, 'OPS=7', 'DEATHS=0', 'SHRINKS=1', 'START=2050', 'PURGERS=0', 'LEAVERS=0'],
    expect: told,
  },
  { name: 'BUG_LOOKS_BEFORE_CLEARING', flags: [...one, 'OPS=4', 'DEATHS=0'], expect: orphan },
  {
    name: 'BUG_CREATOR_WALKS_FIRST',
    flags: [...one, 'OPS=3', 'DEATHS=0', ...created, 'LEAVERS=0'],
    expect: orphan,
  },
  { name: 'BUG_K3_OF_A_RUN', flags: ['PROCS=2', 'UNITS=2', 'OPS=3', ...created], expect: overlap },
  { name: 'BUG_T6_IGNORES_VOLATILE', flags: ['EXTRA=2', ...one, 'OPS=1', 'DEATHS=0'], expect: law1 },
  { name: 'BUG_K2_NO_EXTRA', flags: ['EXTRA=2', ...one, 'OPS=3', 'DEATHS=0'], expect: law1 },
  { name: 'BUG_K2P_NO_EXTRA', flags: ['EXTRA=2', ...one, 'OPS=3', 'DEATHS=0', ...lostAndFree], expect: law1 },
  { name: 'BUG_K3_NO_EXTRA', flags: [...bystanders, 'MORTALS=1', ...pinnedAndFree], expect: law1 },
  { name: 'BUG_K3_BACK_TO_PINNED', flags: [...bystanders, 'MORTALS=1', ...pinnedAndFree], expect: law3 },
  {
    name: 'BUG_K3_PINS_UNDER_VOLATILE',
    flags: [...bystanders, 'DEATHS=2', 'MORTALS=5', ...pinnedAndFree],
    expect: law3,
  },
  { name: 'BUG_K4_NO_EXTRA', flags: [...bystanders, 'MORTALS=1', ...lostAndFree], expect: law1 },
  {
    name: 'BUG_K4_BACK_WITHOUT_PIN',
    flags: [
      'EXTRA=2',
      'PROCS=3',
      'UNITS=1',
      'OPS=3',
      'SHRINKS=1',
      'PINNERS=3',
      'PURGERS=4',
      'LEAVERS=0',
      'MORTALS=1',
    ],
    expect: law1,
  },
  { name: 'BUG_ATTACH_DOES_NOT_LOOK', flags: successor, expect: orphan },
  { name: 'BUG_K6_FORGETS_ANSWER', flags: ['TOUCH', ...one, 'OPS=3'], expect: law3 },
  { name: 'BUG_K6_CLAIMS_VOLATILE', flags: ['TOUCH', ...one, 'OPS=3'], expect: law3 },
  { name: 'BUG_K6_NO_CLAIM', flags: ['TOUCH', ...one, 'OPS=3'], expect: law1 },
  { name: 'BUG_K6_OF_PINNED', flags: ['TOUCH', ...one, 'OPS=3'], expect: law1 },
  { name: 'BUG_K6_STAYS_PINNED', flags: ['TOUCH', ...one, 'OPS=3'], expect: orphan },
  {
    name: 'BUG_K2_BACK_AND_GONE',
    flags: ['EXTRA=2', ...one, 'OPS=3', 'DEATHS=0', ...pinnedAndFree, 'LEAVERS=0'],
    expect: orphan,
  },
  {
    name: 'BUG_BUSY_DOES_NOT_LOOK',
    flags: ['EXTRA=2', ...one, 'OPS=3', 'DEATHS=0', ...pinnedAndFree, 'LEAVERS=0'],
    expect: orphan,
  },
  {
    name: 'BUG_K5_BACK_TO_PINNED',
    flags: ['EXTRA=2', ...one, 'OPS=3', 'DEATHS=0', 'LEAVERS=0'],
    expect: law1,
  },
].map((entry) => ({ ...entry, model: 'kernel.pml' }));

// extents.pml
const extentsRight = [
  { name: 'extents', flags: ['UNITS=3', 'PURGERS=1', 'OPS=4'] },
  { name: 'extents-two-purgers', flags: ['UNITS=3', 'PURGERS=2', 'OPS=3'] },
  { name: 'extents-four', flags: ['UNITS=4', 'PURGERS=1', 'OPS=4'] },
  { name: 'extents-rows', flags: ['ROWS=1', 'UNITS=3', 'PURGERS=1', 'OPS=4'] },
  { name: 'extents-rows-two-purgers', flags: ['ROWS=1', 'UNITS=2', 'PURGERS=2', 'OPS=3'] },
].map((entry) => ({ ...entry, model: 'extents.pml' }));
const extentsWrong = [
  { name: 'BUG_NO_SECOND_LOOK', flags: ['OPS=4'], expect: law1 },
  { name: 'BUG_SPAN_BEFORE_ROWS', flags: ['ROWS=1', 'OPS=4'], expect: law1 },
  { name: 'BUG_NO_LOOK_AT_ROWS', flags: ['ROWS=1', 'OPS=4'], expect: law1 },
  { name: 'BUG_ADOPTER_DISCARDS_A_UNIT', flags: ['OPS=4'], expect: law1 },
  { name: 'BUG_JOIN_UNHELD', flags: ['OPS=4'], expect: law1 },
  { name: 'BUG_NEW_LEADER_FIRST', flags: ['OPS=4', 'PURGERS=1'], expect: 'extents_overlap' },
].map((entry) => ({ ...entry, model: 'extents.pml' }));

function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.error) throw result.error;
  return { status: result.status, text: result.stdout + result.stderr };
}

function search(model, flags, cycles, optimise = '-O2') {
  const directory = mkdtempSync(join(tmpdir(), 'ashmem-model-'));
  try {
    const begin = performance.now();
    const generated = run('spin', [...flags.map((flag) => `-D${flag}`), '-a', join(here, model)], directory);
    if (generated.status !== 0) throw new Error(`spin -a failed:\n${generated.text}`);
    // COLLAPSE compresses states without loss: the search stays exhaustive.
    const options = [optimise, '-w', cycles ? '-DNP' : '-DSAFETY', '-DCOLLAPSE', `-DMEMLIM=${megabytes}`];
    const compiled = run('gcc', [...options, '-o', 'pan', 'pan.c'], directory);
    if (compiled.status !== 0) throw new Error(`gcc failed:\n${compiled.text}`);
    const { text } = run('./pan', [`-m${maxDepth}`, ...(cycles ? ['-l'] : [])], directory);
    const number = (pattern) => Number(pattern.exec(text)?.[1] ?? Number.NaN);
    return {
      text,
      states: number(/(\d+(?:\.\d+)?(?:e\+\d+)?) states, stored/),
      depth: number(/depth reached (\d+)/),
      errors: number(/errors: (\d+)/),
      complete:
        /Full statespace search/.test(text) &&
        !/max search depth too small|Search not completed|out of memory|-DMEMLIM|VECTORSZ/.test(text),
      violation: /^pan:\d*:? *(.*(?:violated|invalid end state|cycle).*)$/m.exec(text)?.[1],
      seconds: (performance.now() - begin) / 1000,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function report(verdict, name, flags, result, remark) {
  const numbers = `${result.states} states, depth ${result.depth}, ${result.seconds.toFixed(1)} s`;
  console.log(`${verdict.padEnd(8)} ${name} [${flags.join(' ')}]: ${numbers}${remark ? `; ${remark}` : ''}`);
}

if (spawnSync('spin', ['-V']).error) {
  console.log('skipped: spin is not installed');
  process.exit(process.env.CI === 'true' ? 1 : 77);
}

const only = process.argv.slice(2);
const chosen = ({ name, model }) => only.length === 0 || only.includes(name) || only.includes(model);
let failures = 0;
const begin = performance.now();

for (const { name, model = 'pin.pml', flags, cycles } of [...right, ...kernelRight, ...extentsRight].filter(
  chosen,
)) {
  const result = search(model, flags, cycles);
  const proven = result.errors === 0 && result.complete;
  if (!proven) failures++;
  report(
    proven ? 'proven' : 'FAILED',
    name,
    flags,
    result,
    proven ? '' : (result.violation ?? 'search not complete'),
  );
  if (!proven && !result.violation) console.log(result.text);
}

for (const { name, model = 'pin.pml', flags, cycles, expect } of [
  ...wrong,
  ...kernelWrong,
  ...extentsWrong,
].filter(chosen)) {
  const result = search(model, [name, ...flags], cycles, '-O0');
  const refused = result.violation?.includes(cycles ? expect : `|${expect})`);
  if (!refused) failures++;
  const remark = refused ? expect : `expected ${expect}, got: ${result.violation ?? 'no violation'}`;
  report(refused ? 'refused' : 'FAILED', name, flags, result, remark);
}

console.log(`${((performance.now() - begin) / 1000).toFixed(0)} s in all, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);

// What doctor says in the sandbox is what the sandbox is, how long it takes, and its exit status. Not how long on a machine that is busy with
// else: the time is printed beside that of a Node that does nothing, and judged by nobody.

import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';

function run(...args) {
  const begin = performance.now();
  const child = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { ...child, ms: performance.now() - begin };
}

const wrong = [];
const expect = (holds, what) => {
  if (!holds) wrong.push(what);
};
const empty = run('-e', '0');
const text = run('dist/cli/main.js', 'doctor');
const json = run('dist/cli/main.js', 'doctor', '--json');
console.log(text.stdout);
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
console.log(`doctor: ${seconds(text.ms)}, of which Node itself ${seconds(empty.ms)} (aim: 0.5 s)`);

for (const { status, stderr } of [text, json])
  expect(status === 0 && stderr === '', `exit status ${status}: ${stderr}`);
const facts = JSON.parse(json.stdout);
const available = (list) => list.filter((one) => one.available).map(({ name }) => name);
expect(facts.sharing.works && facts.passing.works, 'regions work and pass');
expect(`${available(facts.backends)}` === 'memfd,anonymous', `backends: ${available(facts.backends)}`);
expect(`${available(facts.pressure)}` === 'meminfo,major-faults', `pressure: ${available(facts.pressure)}`);
for (const { name, reason } of [...facts.backends, ...facts.pressure])
  expect(reason, `${name} without a reason`);
// Each line of the page, against what the launcher has made.
const lines = [
  [/^ {2}seccomp {12}.*filter/m, 'a filter'],
  [/^ {2}ashmem .*not available: .*\/dev\/ashmem/m, 'the device'],
  [/^ {2}page size {10}4096/m, 'the page size'],
];
for (const [line, what] of lines) expect(line.test(text.stdout), `no line that tells of ${what}`);
if (wrong.length > 0) throw new Error(wrong.join('\n'));

// The suites of suites.mjs on a kernel that has what this one lacks, as each user in a machine of its own, all machines at once.
// Usage: npm run test:vm [-- [--kernel NAME] [SUITE ...]]     only the suites with these words in their names

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Writable } from 'node:stream';
import { root } from '../../scripts/addon.mjs';
import { kernels } from './kernels.mjs';
import { runMachine } from './machine.mjs';
import { cache, Unavailable } from './packages.mjs';
import { suites, users } from './suites.mjs';

// Less than what .ci/run grants, so that the machine ends with its log; more for suites that it does not run.
const usual = 22 * 60;
function limitOf(suites) {
  const minutes = suites.filter(({ byName }) => byName).reduce((sum, { minutes }) => sum + minutes, 0);
  return usual + minutes * 60;
}

/** Compiles a program that only the guest runs; the rest is built by `npm run build:core`. */
function compile(compiler, args, source, program) {
  const child = spawnSync(compiler, ['-O1', '-Wall', '-Wextra', '-Werror', ...args, source, '-o', program], {
    stdio: 'inherit',
  });
  if (child.status !== 0) throw new Error(`${source} does not compile`);
}

function buildGuestPrograms() {
  const [cxx, cc] = [process.env.CXX ?? 'c++', process.env.CC ?? 'cc'];
  const device = join(root, 'test/vm/guest/ashmem_device.cc');
  mkdirSync(join(cache, 'vrange-tests'), { recursive: true });
  compile(cxx, ['-std=c++17', `-I${join(root, 'test')}`], device, join(cache, 'ashmem_device'));
  const tests = join(root, 'test/vm/vrange-kernel/tests');
  for (const name of readdirSync(tests).filter((name) => name.endsWith('.c'))) {
    const program = join(cache, 'vrange-tests', name.slice(0, -2));
    compile(cc, ['-std=gnu11', '-D_GNU_SOURCE', '-pthread'], join(tests, name), program);
  }
}

/** Keeps what is written to it, so that the logs of machines that run at once come one after another. */
class Kept extends Writable {
  #chunks = [];

  _write(chunk, _encoding, callback) {
    this.#chunks.push(chunk);
    callback();
  }

  drainTo(stream) {
    for (const chunk of this.#chunks) stream.write(chunk);
    this.#chunks = [];
  }
}

async function runAs(user, all, kernel, out) {
  const chosen = all.filter((suite) => suite.users?.includes(user) ?? true);
  const outcome = [];
  let begin;
  const { statuses } = await runMachine({
    kernel,
    memory: 1024,
    cpus: 2,
    swap: 0,
    timeout: limitOf(chosen),
    out,
    err: out,
    steps: chosen.map((suite) => ({ ...suite, user, timeout: suite.minutes * 60 })),
    begin({ name, skipped }) {
      begin = performance.now();
      out.write(`\n=== ${name}, as uid ${user}, in the virtual machine\n`);
      if (skipped) out.write(`skipped: ${skipped}\n`);
    },
    end({ name }, status) {
      const seconds = ((performance.now() - begin) / 1000).toFixed(0);
      const what = { 0: 'passed', 77: 'skipped', 124: 'failed, not done' }[status] ?? `failed with ${status}`;
      const line = `--- ${name}, as uid ${user}: ${what} in ${seconds} s\n`;
      out.write(line);
      outcome.push(line);
    },
  });
  for (const { name } of chosen.slice(statuses.length)) {
    outcome.push(`--- ${name}, as uid ${user}: failed, did not come to an end\n`);
  }
  return { outcome, passed: statuses.length === chosen.length && statuses.every((status) => status === 0) };
}

async function test(words) {
  let kernelName = 'ashmem';
  if (words[0] === '--kernel') [, kernelName] = words.splice(0, 2);
  if (!Object.hasOwn(kernels, kernelName))
    throw new Error(`no such kernel; there are: ${Object.keys(kernels)}`);
  const there = suites.filter((suite) => (suite.kernels ?? ['ashmem']).includes(kernelName));
  const chosen = there.filter(({ name, byName }) => {
    if (byName) return words.includes(name);
    return words.length === 0 || words.some((word) => name.includes(word));
  });
  if (chosen.length === 0) throw new Error(`no such suite; there are: ${there.map(({ name }) => name)}`);
  const kernel = kernels[kernelName]();
  buildGuestPrograms();
  const busy = users.filter((user) => chosen.some((suite) => suite.users?.includes(user) ?? true));
  // The first is seen live, the others when they are done.
  const outs = busy.map((_, i) => (i === 0 ? process.stdout : new Kept()));
  const results = await Promise.all(busy.map((user, i) => runAs(user, chosen, kernel, outs[i])));
  for (const out of outs.slice(1)) out.drainTo(process.stdout);
  process.stdout.write(`\n${results.flatMap(({ outcome }) => outcome).join('')}`);
  return results.every(({ passed }) => passed);
}

try {
  process.exitCode = (await test(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  console.log(`skipped: ${error.message}`);
  process.exitCode = 77;
}

// The suites of suites.mjs in the likeness of an Android app, one release after another.
// Usage: npm run test:sandbox [-- RELEASE | SUITE ...]     only these releases, and suites with these words in their names

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { root } from '../../scripts/addon.mjs';
import { appEnvironment, build, buildLauncher, Unavailable, writePolicy } from './policy.mjs';
import { releases } from './releases.mjs';
import { suites } from './suites.mjs';

function buildSelfTest() {
  const source = join(root, 'test/sandbox/self/sandbox_test.cc');
  const args = [
    '-std=c++17',
    '-O1',
    '-Wall',
    '-Wextra',
    '-Werror',
    `-I${join(root, 'test')}`,
    source,
    '-pthread',
  ];
  const child = spawnSync(process.env.CXX ?? 'c++', [...args, '-o', join(build, 'sandbox_test')], {
    stdio: 'inherit',
  });
  if (child.status !== 0) throw new Error(`${source} does not compile`);
}

function runSuite(launcher, row, suite, device) {
  const { name, command, minutes, skipped, env } = suite;
  const title = `${name}, Android ${row.name}${suite.devices ? `, device ${device}` : ''}`;
  console.log(`\n=== ${title}`);
  if (skipped) console.log(`skipped: ${skipped}`);
  const writable = (suite.writable ?? []).map((path) => join(root, path));
  for (const path of writable) mkdirSync(path, { recursive: true });
  const begin = performance.now();
  const child = spawnSync(launcher, [writePolicy(row, { device, writable }), ...command], {
    cwd: root,
    env: appEnvironment(row, { ASHMEM_COMPAT_SANDBOX_DEVICE: device, ...env }),
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: minutes * 60_000,
    killSignal: 'SIGKILL',
  });
  const seconds = ((performance.now() - begin) / 1000).toFixed(0);
  // Nothing but a launcher that finds no way to begin ends the first suite with 77.
  if (child.status === 77 && name === 'self')
    throw new Unavailable('the sandbox cannot be made here; the reason is above');
  const passed = child.status === 0;
  const what = passed
    ? 'passed'
    : child.error
      ? 'failed, not done'
      : `failed with ${child.status ?? child.signal}`;
  const line = `--- ${title}: ${what} in ${seconds} s`;
  console.log(line);
  return { passed, line };
}

function test(words) {
  const named = releases.filter(({ name }) => words.includes(name));
  const rows = named.length > 0 ? named : releases;
  const others = words.filter((word) => !releases.some(({ name }) => name === word));
  const chosen = suites.filter(
    ({ name }) => others.length === 0 || others.some((word) => name.includes(word)),
  );
  if (chosen.length === 0) {
    throw new Error(
      `releases: ${releases.map(({ name }) => name)}; suites: ${suites.map(({ name }) => name)}`,
    );
  }
  const launcher = buildLauncher();
  buildSelfTest();
  const outcomes = [];
  for (const row of rows) {
    for (const suite of chosen) {
      if (!(suite.releases?.includes(row.name) ?? true)) continue;
      for (const device of suite.devices ?? [row.device])
        outcomes.push(runSuite(launcher, row, suite, device));
    }
  }
  console.log(`\n${outcomes.map(({ line }) => line).join('\n')}`);
  return outcomes.every(({ passed }) => passed);
}

try {
  process.exitCode = test(process.argv.slice(2)) ? 0 : 1;
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  console.log(`skipped: ${error.message}`);
  process.exitCode = 77;
}

// Finds, tries and compiles the native addon. It also runs where the package is installed, so it needs nothing but Node.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const binaryName = 'ashmem_compat.node';
export const builtBinary = join(root, 'build/Release', binaryName);
export const shippedBinary = join(root, 'prebuilds', `${process.platform}-${process.arch}`, binaryName);

/** The sources are here, not only what the package ships. */
export const isCheckout = existsSync(join(root, 'tsconfig.json'));

/** Why the binary does not load, or undefined if it does. In a child process: a broken binary may crash whoever loads it. */
export function tryLoad(path) {
  if (!existsSync(path)) return 'not there';
  const program = 'process.exit(typeof require(process.argv[1]).setErrorFactory === "function" ? 0 : 3)';
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawnSync(process.execPath, ['-e', program, path], {
    env,
    encoding: 'utf8',
    timeout: 30_000,
  });
  if (child.error) return child.error.message;
  if (child.signal) return `loading it ended with ${child.signal}`;
  if (child.status === 3) return 'it is not this addon';
  if (child.status !== 0)
    return /Error: (.*)/.exec(child.stderr)?.[1] ?? `loading it exited with ${child.status}`;
}

/** The newest change below these paths; folders count too, because that is where a deletion shows. */
export function newestChange(...paths) {
  let newest = 0;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const stat = statSync(path);
    newest = Math.max(newest, stat.mtimeMs);
    if (!stat.isDirectory()) continue;
    newest = Math.max(newest, ...readdirSync(path).map((name) => newestChange(join(path, name))));
  }
  return newest;
}

export const addonSources = [join(root, 'native'), join(root, 'CMakeLists.txt')];

/** Whether `output` is there and not older than what it is made from. */
export function isFresh(output, sources) {
  return existsSync(output) && statSync(output).mtimeMs >= newestChange(...sources);
}

function onPath(...names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return names.some((name) => folders.some((folder) => existsSync(join(folder, name))));
}

/** What is missing to compile with, for a person. */
function missingTools() {
  const missing = [];
  if (!onPath('g++', 'clang++')) missing.push('a C++17 compiler (g++ or clang++)');
  if (!onPath('cmake')) missing.push('cmake (3.18 or newer)');
  if (!onPath('ninja', 'make')) missing.push('make');
  return missing;
}

export function cmakeJs() {
  return createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
}

/** A cache that was configured for another folder (a copied tree) makes cmake refuse to work. */
function dropForeignCache() {
  const cache = join(root, 'build/CMakeCache.txt');
  if (!existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (home && join(home, '/') === join(root, '/')) return;
  rmSync(cache);
  rmSync(join(root, 'build/CMakeFiles'), { recursive: true, force: true });
}

export class BuildError extends Error {}

/** What the program wrote; a BuildError with all of it if it fails. */
export function run(command, args, options = {}) {
  const child = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (child.error) throw new BuildError(`${command}: ${child.error.message}`);
  if (child.status !== 0) {
    throw new BuildError(`${child.stdout ?? ''}${child.stderr ?? ''}\n${command} failed`);
  }
  return child.stdout;
}

/** Compiles the addon into build/Release. Silent unless it fails. */
export function compile() {
  const help =
    process.platform === 'android'
      ? 'Install them with: pkg install clang cmake make'
      : 'On Debian and Ubuntu: apt-get install g++ cmake make';
  const missing = missingTools();
  if (missing.length > 0) {
    throw new BuildError(`to compile the native addon, this is missing: ${missing.join(', ')}.\n${help}`);
  }
  let tool;
  try {
    tool = cmakeJs();
  } catch {
    throw new BuildError('the package cmake-js is not installed; run: npm install cmake-js');
  }
  dropForeignCache();
  rmSync(builtBinary, { force: true });
  const child = spawnSync(
    process.execPath,
    [tool, 'build', '--parallel', String(Math.min(availableParallelism(), 8))],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  if (child.error || child.status !== 0) {
    const output = `${child.stdout ?? ''}${child.stderr ?? ''}`;
    throw new BuildError(
      `${output}\ncompiling the native addon failed. It needs a C++17 compiler, cmake 3.18 or newer, and make.\n${help}`,
    );
  }
  const reason = tryLoad(builtBinary);
  if (reason) throw new BuildError(`the native addon was compiled but does not load: ${reason}`);
  // The build tool leaves an up-to-date binary alone, even if a folder changed; it is up to date as of now.
  utimesSync(builtBinary, new Date(), new Date());
}

/** Makes sure that a binary loads, compiling one if none does, or if in a checkout it is older than its sources. */
export function ensureAddon() {
  for (const path of [builtBinary, shippedBinary]) {
    if (isCheckout && !isFresh(path, addonSources)) continue;
    if (!tryLoad(path)) return;
  }
  console.log(`ashmem-compat: compiling the native addon for ${process.platform}-${process.arch} ...`);
  const begin = Date.now();
  compile();
  console.log(`ashmem-compat: compiled in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
}

/** Runs `work` and turns a BuildError into a message and exit code 1. */
export function orExplain(work) {
  try {
    work();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`ashmem-compat: ${error.message}`);
    process.exit(1);
  }
}

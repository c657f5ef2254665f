// Whether what was built loads on Android 7 (API 24): every C symbol that our own objects need is in android/bionic-api-24.txt.
// Usage: node scripts/bionic-symbols.mjs BUILD...    folders of cmake: the addon's, the C library's
//
// A binary that was linked here also has what this machine's static C++ library needs of this machine's libc. On Android that is the
// NDK's, so what counts is the object files; and the linked binary must need nothing but what they and the C++ library explain.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, orExplain, root, run } from './addon.mjs';

/** How glibc's headers, or its linker, spell what bionic has under another name. */
const spelledByGlibc = new Map([
  ['__errno_location', '__errno'],
  ['__isoc99_sscanf', 'sscanf'],
  ['__isoc23_sscanf', 'sscanf'],
  ['__isoc23_strtol', 'strtol'],
  ['__isoc23_strtoul', 'strtoul'],
  ['__isoc23_strtoull', 'strtoull'],
  ['fcntl64', 'fcntl'],
]);

/** Of the compiler, the C++ library or the linker, which come with the binary; and Node's own. */
const broughtAlong =
  /^(_Z|__cxa_|__gxx_|_Unwind_|__aarch64_|__(u?(div|mod|divmod)|ctz|clz|popcount)[dt]i[234]$|napi_|node_api_|(_GLOBAL_OFFSET_TABLE_|__dso_handle|__libc_single_threaded)$)/;

const libraries = /^(libc\.so(\.6)?|libdl\.so(\.2)?|libm\.so(\.6)?|ld-linux.*|libashmem.*)$/;

function files(folder, pattern) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
    .sort();
}

/** Name and type letter of each symbol. */
function symbols(paths, ...options) {
  return run('nm', ['--format=posix', ...options, ...paths], { cwd: root })
    .split('\n')
    .map((line) => /^(\S+) ([A-Za-z])\b/.exec(line))
    .filter(Boolean)
    .map(([, name, type]) => [name.replace(/@.*/, ''), type]);
}

function listed() {
  const lines = readFileSync(join(root, 'android/bionic-api-24.txt'), 'utf8').split('\n');
  return new Set(lines.map((line) => line.replace(/#.*/, '').trim()).filter(Boolean));
}

function check(build) {
  const allowed = listed();
  const parts = ['core', 'addon', 'capi'];
  const objects = files(build, new RegExp(`^native/(${parts.join('|')})/CMakeFiles/(?!.*staged).*\\.o$`));
  const binaries = files(build, /^(Release\/.*\.node|libashmem_compat\.so)$/);
  if (objects.length === 0 || binaries.length === 0) throw new BuildError(`${build}: nothing is built there`);

  const all = symbols(objects);
  const defined = new Set(all.filter(([, type]) => !'Uwv'.includes(type)).map(([name]) => name));
  const needed = new Set();
  for (const [name, type] of all) {
    if ('Uwv'.includes(type) && !defined.has(name) && !broughtAlong.test(name)) needed.add(name);
  }
  const faults = [...needed]
    .filter((name) => !allowed.has(spelledByGlibc.get(name) ?? name))
    .map((name) => {
      const user = objects.find((path) => symbols([path], '--undefined-only').some(([n]) => n === name));
      return `${name}, which ${user} needs`;
    });
  for (const binary of binaries) {
    for (const [, name] of run('readelf', ['-dW', binary]).matchAll(/\(NEEDED\).*\[(.*)\]/g)) {
      // Linked statically on Android; a shared one here is this machine's.
      if (/^lib(stdc\+\+|gcc_s|c\+\+)/.test(name)) continue;
      if (!libraries.test(name)) faults.push(`the library ${name}, which ${binary} needs`);
    }
  }
  if (faults.length > 0) {
    throw new BuildError(`bionic of API 24 has not:\n  ${faults.join('\n  ')}
If it has (libc/libc.map.txt of Android's bionic tells since when), add the name to android/bionic-api-24.txt.`);
  }
  console.log(`${build}: ${needed.size} symbols of libc, ${objects.length} objects; bionic's API 24 has all`);
}

orExplain(() => {
  const builds = process.argv.slice(2);
  if (builds.length === 0) throw new BuildError('usage: node scripts/bionic-symbols.mjs BUILD...');
  for (const build of builds) check(build);
});

// What the machine is made of, from the Debian sources that this machine already trusts. Nothing here names a host: another release
// is reached through copies of the machine's own source files in which the name of the release is replaced.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/addon.mjs';

export const cache = join(root, 'build/vm');

/** The machine cannot be had here, for a reason that is no fault of the project. */
export class Unavailable extends Error {}

function run(command, args, options = {}) {
  const child = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (child.error) throw new Unavailable(`${command}: ${child.error.message}`);
  return child;
}

function has(command) {
  return !spawnSync(command, ['--version'], { stdio: 'ignore' }).error;
}

/** Installs a package of this machine's own release, unless `command` (or a file) is there. Only this needs root. */
export function ensureInstalled(command, name) {
  if (command.startsWith('/') ? existsSync(command) : has(command)) return;
  if (!has('apt-get'))
    throw new Unavailable(`${command} is not installed, and there is no apt-get to get it`);
  if (process.getuid() !== 0) {
    throw new Unavailable(
      `${command} is not installed; as root: apt-get install --no-install-recommends ${name}`,
    );
  }
  console.error(`vm: installing ${name}`);
  const options = ['-qq', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', [...options, 'update'], { env });
  const child = run('apt-get', [...options, 'install', '-y', '--no-install-recommends', name], { env });
  if (child.status !== 0) throw new Unavailable(`apt-get could not install ${name}:\n${child.stderr.trim()}`);
}

/** The same source for another release: one-line and deb822 format. Undefined if the file does not speak of this release. */
export function translate(text, fileName, from, to) {
  const names = new RegExp(`(?<=^|\\s)(${from}|stable|oldstable|oldoldstable)(?=$|[\\s/-])`, 'g');
  const suites = fileName.endsWith('.sources')
    ? /^(Suites:)(.*)$/gim
    : /^(\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?\S+)(.*)$/gm;
  let found = false;
  const translated = text.replace(suites, (_, head, rest) => {
    const other = rest.replace(names, to);
    if (other !== rest || new RegExp(`\\b${to}\\b`).test(rest)) found = true;
    return head + other;
  });
  return found ? translated : undefined;
}

function copySources(folder, release) {
  const own = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
  const parts = '/etc/apt/sources.list.d';
  const names = existsSync(parts) ? readdirSync(parts).filter((name) => /\.(list|sources)$/.test(name)) : [];
  const files = [['main.list', '/etc/apt/sources.list'], ...names.map((name) => [name, join(parts, name)])];
  let copies = 0;
  for (const [name, path] of files) {
    const text = existsSync(path) ? translate(readFileSync(path, 'utf8'), name, own, release) : undefined;
    if (!text) continue;
    writeFileSync(join(folder, name), text);
    copies++;
  }
  if (copies === 0) throw new Unavailable(`no apt source of this machine names its release (${own})`);
}

/**
 * Downloads packages of another Debian release and takes files out of them: each of `wanted` says which package (a pattern, of which
 * the newest by number is taken) and which of its files (a pattern; kept under their base names). `target` appears when all is done.
 */
export function takeFromRelease(release, wanted, target) {
  if (!has('apt-get') || !has('dpkg-deb')) {
    throw new Unavailable(`no apt-get here, which gets ${wanted.map(({ what }) => what).join(', ')}`);
  }
  const work = join(cache, `apt-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  for (const name of ['sources', 'lists/partial', 'archives/partial', 'debs', 'files']) {
    mkdirSync(join(work, name), { recursive: true });
  }
  try {
    copySources(join(work, 'sources'), release);
    const options = Object.entries({
      'Dir::Etc::sourcelist': '/dev/null',
      'Dir::Etc::sourceparts': join(work, 'sources'),
      'Dir::State::lists': join(work, 'lists'),
      'Dir::Cache': work,
      'Acquire::Languages': 'none',
      'Acquire::Retries': '3',
      'APT::Sandbox::User': '',
    }).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    console.error(`vm: asking this machine's Debian sources for ${release}`);
    // A source that has no such release fails; what counts is whether another one has the packages.
    const update = run('apt-get', [...options, '-qq', 'update']);
    for (const { what, prefix, pattern, files } of wanted) {
      const offered = run('apt-cache', [...options, 'pkgnames', prefix]).stdout.split('\n');
      const number = (name) => Number(pattern.exec(name)[1] ?? 0);
      const name = offered
        .filter((candidate) => pattern.test(candidate))
        .sort((a, b) => number(b) - number(a) || a.length - b.length)[0];
      if (!name) throw new Unavailable(`apt offers no ${what} of ${release}\n${update.stderr.trim()}`);
      console.error(`vm: downloading ${name}`);
      const download = run('apt-get', [...options, '-qq', 'download', name], { cwd: join(work, 'debs') });
      if (download.status !== 0)
        throw new Unavailable(`apt-get could not get ${name}:\n${download.stderr.trim()}`);
      take(join(work, 'debs'), name, files, join(work, 'files'));
    }
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, 'files'), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function take(folder, name, files, target) {
  const archive = readdirSync(folder).find((file) => file.startsWith(`${name}_`));
  const options = '--no-same-owner --wildcards --transform="s,.*/,,"';
  const shell = `archive=$1; shift; dpkg-deb --fsys-tarfile "$archive" | tar -x ${options} "$@"`;
  const child = run('sh', ['-c', shell, 'sh', join(folder, archive), ...files], { cwd: target });
  if (child.status !== 0)
    throw new Error(`${name} has not all of ${files.join(' ')}:\n${child.stderr.trim()}`);
}

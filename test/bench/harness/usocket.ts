import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { output } from './paths.ts';
import { run } from './processes.ts';

const VERSION = '1.1.0';
const folder = `${output}/usocket`;

/** node-gyp compiles against the headers that belong to this Node, if it has brought them. */
function environment(): NodeJS.ProcessEnv {
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(`${prefix}/include/node/node_api.h`) ? { npm_config_nodedir: prefix } : {};
  return { ...process.env, ...headers };
}

/**
 * Installs and compiles the npm package usocket into build/bench/usocket, once. Why it cannot be had, or undefined. `install` false:
 * only looks.
 */
export async function usocket(install: boolean): Promise<string | undefined> {
  const built = `${folder}/node_modules/usocket/build/Release/uwrap.node`;
  if (existsSync(built)) return undefined;
  if (!install) return 'not installed yet, and --short installs nothing';
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/package.json`, '{ "private": true }\n');
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--foreground-scripts'];
  try {
    await run(
      { program: 'npm', args: [...args, '--prefix', folder, `usocket@${VERSION}`] },
      folder,
      environment(),
    );
  } catch (error) {
    const lines = (error as Error).message.split('\n');
    return `npm install usocket@${VERSION} failed: ${lines.find((line) => line.includes('rr!')) ?? lines[0]}`;
  }
  return existsSync(built) ? undefined : 'its install script did not build it';
}

import { mkdir, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { output, packageEntry } from '../harness/paths.ts';
import { nodeMilliseconds } from '../harness/processes.ts';
import { type Row, single } from '../harness/results.ts';
import { pairwise } from '../harness/samples.ts';

async function program(name: string, text: string): Promise<string> {
  const path = `${output}/${name}.mjs`;
  await mkdir(output, { recursive: true });
  await writeFile(path, text);
  return path;
}

export const importing: Row = {
  name: 'import',
  async run({ short }) {
    const empty = await program('empty', '');
    const full = await program('import', `import ${JSON.stringify(pathToFileURL(packageEntry).href)};\n`);
    const without: number[] = [];
    const withPackage: number[] = [];
    for (let round = 0; round < (short ? 15 : 41); round++) {
      const first = round % 2 === 0;
      if (first) without.push(await nodeMilliseconds(empty));
      withPackage.push(await nodeMilliseconds(full));
      if (!first) without.push(await nodeMilliseconds(empty));
    }
    const more = pairwise(withPackage, without, (a, b) => a - b);
    return [
      single('an empty Node program', 'ms', without),
      single('import of the package: how much more', 'ms', more, { atMost: 25 }),
    ];
  },
};

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runProgram } from '../helpers/run-program.ts';

describe('examples', () => {
  let dir: string;
  const started: ChildProcess[] = [];

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'ashmem-compat-examples-'));
  });

  after(() => {
    for (const child of started) child.kill('SIGKILL');
    rmSync(dir, { recursive: true });
  });

  /** Runs an example with photographs rendered under `dir`. */
  function run(example: string, ...args: string[]) {
    const program = runProgram(`examples/${example}`, args, { ...process.env, TMPDIR: dir });
    started.push(program.child);
    return program;
  }

  describe('share-fd', () => {
    it('hands a region over a socket, both ways readable', async () => {
      const socket = join(dir, 'letter.sock');
      const server = run('share-fd/server.ts', socket);
      await server.line('serving a region');
      const client = await run('share-fd/client.ts', socket).done;
      expect(client).to.deep.equal({
        code: 0,
        output: 'the bytes were kept: Hello from the server\n',
        errors: '',
      });
      expect(await server.done).to.deep.equal({
        code: 0,
        output: 'serving a region\nthe client wrote: Hello back from the client\n',
        errors: '',
      });
    });

    it('hands a region to a child through stdio', async () => {
      expect(await run('share-fd/inherit.ts').done).to.deep.equal({
        code: 0,
        output: 'the child made of it: Jello\n',
        errors: '',
      });
    });
  });

  describe('image-cache', () => {
    const SMALL = ['--photos', '8', '--megapixels', '1', '--rounds', '4', '--workers', '3'];

    /** The numbers of a row of the table, by the label that it begins with. */
    function row(output: string, label: string): number[] {
      const line = output.split('\n').find((text) => text.trim().startsWith(label));
      if (line === undefined) throw new Error(`no "${label}" in: ${output}`);
      return line.trim().slice(label.length).trim().split(/\s+/).map(Number);
    }

    it('verifies every image, and decodes purged ones again', async () => {
      const { code, output, errors } = await run('image-cache/main.ts', ...SMALL, join(dir, 'none')).done;
      expect({ code, output }).to.deep.equal({ code: 1, output: '' });
      expect(errors).to.match(/ENOENT.*none/);

      const first = await run('image-cache/main.ts', ...SMALL).done;
      expect(first.code, first.output + first.errors).to.equal(0);
      expect(first.output).to.match(/using 8 photographs/);
      const requests = row(first.output, 'requests');
      expect(requests).to.deep.equal([80, 80, 160, 320]);
      expect(row(first.output, 'verified by checksum')).to.deep.equal(requests);
      expect(row(first.output, 'purged (found so when pinned)')[3]).to.be.greaterThan(0);
      expect(row(first.output, 'decoded again, and correct')[2]).to.be.greaterThan(0);
      expect(row(first.output, 'misses (decoded)')[0]).to.equal(8); // each once, whoever asked first
      expect(first.output).not.to.include('NO ');
    });

    it('takes as many photographs of a directory as the capacity has room for', async () => {
      const { code, output, errors } = await run('image-cache/main.ts', ...SMALL, '--capacity', '4', dir)
        .done;
      expect(code, output + errors).to.equal(0);
      expect(output).to.match(/using 5 of the 8 image files/);
    });

    it('says which file it cannot decode', async () => {
      const sharp = (await import('sharp')).default;
      const png = await sharp({ create: { width: 900, height: 900, channels: 3, background: 'red' } })
        .png({ compressionLevel: 0 })
        .toBuffer();
      const broken = mkdtempSync(join(dir, 'broken-'));
      writeFileSync(join(broken, 'half.png'), png.subarray(0, png.length / 2));
      const { code, errors } = await run('image-cache/main.ts', ...SMALL, broken).done;
      expect(code).to.equal(1);
      expect(errors).to.match(/cannot decode .*half\.png/);
    });

    it('prints its usage, and refuses what it does not know', async () => {
      const [help, unknown, zero] = await Promise.all([
        run('image-cache/main.ts', '--help').done,
        run('image-cache/main.ts', '--colour').done,
        run('image-cache/main.ts', '--workers', '0').done,
      ]);
      expect(help.code).to.equal(0);
      expect(help.output).to.match(/^Usage: npm run image-cache/);
      expect(unknown.code).to.equal(1);
      expect(unknown.errors).to.include('--colour');
      expect(zero.code).to.equal(1);
      expect(zero.errors).to.include('--workers must be an integer from 1 to 32');
    });
  });
});

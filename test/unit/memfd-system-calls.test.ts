import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { pageSize as page } from '../helpers/page.ts';

// Law 4 is about memfd alone: where the kernel discards, the first holder of all and the last one have to tell it.
describe('the system calls of a memfd region', () => {
  it('pin and unpin make none while nobody contends', function () {
    if (spawnSync('strace', ['-V']).status !== 0) {
      console.log('        skipped: strace is not installed');
      this.skip();
    }
    const folder = mkdtempSync(join(tmpdir(), 'ashmem-compat-'));
    try {
      const script = join(folder, 'loop.ts');
      const lib = fileURLToPath(new URL('../../lib/index.ts', import.meta.url));
      writeFileSync(
        script,
        `import { writeSync } from 'node:fs';
        import { SharedRegion } from ${JSON.stringify(lib)};
        const region = SharedRegion.create({ size: 64 * ${page}, backend: 'memfd' });
        region.unpin();
        const loop = () => {
          for (let i = 0; i < 50000; i++) { region.pin(${page}, ${page}); region.unpin(${page}, ${page}); }
          for (let i = 0; i < 1000; i++) { region.pin(); region.unpin(); }
        };
        loop(); loop();
        writeSync(2, 'begin');
        loop();
        writeSync(2, 'end');`,
      );
      const out = join(folder, 'trace');
      const run = spawnSync('strace', ['-f', '-o', out, process.execPath, '--import', 'tsx', script]);
      if (run.status !== 0 && /ptrace/.test(String(run.stderr))) {
        console.log('        skipped: strace may not trace here');
        this.skip();
      }
      expect(run.status, String(run.stderr)).to.equal(0);
      const lines = readFileSync(out, 'utf8').split('\n');
      const begin = lines.findIndex((line) => /write\(2, "begin"/.test(line));
      const end = lines.findIndex((line) => /write\(2, "end"/.test(line));
      expect(begin).to.be.greaterThan(0);
      expect(end).to.be.greaterThan(begin);
      const thread = lines[begin]!.split(' ')[0];
      const calls = lines.slice(begin + 1, end).filter((line) => line.startsWith(`${thread} `));
      // 102000 operations; the engine itself may ask for memory now and then.
      expect(calls.length, calls.slice(0, 5).join('\n')).to.be.lessThan(20);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

import { access, mkdir, rename } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { Progress } from './progress.ts';
import { sharp } from './sharp.ts';
import { random } from './zipf.ts';

const AT_ONCE = 2;

/** Paths of `count` photographs, rendered into a directory for temporary files, where the next run finds them. */
export async function renderPhotos(count: number, megapixels: number): Promise<string[]> {
  const dir = join(tmpdir(), `ashmem-compat-photographs-${userInfo().uid}`, `${megapixels}-megapixels`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const paths = Array.from({ length: count }, (_, i) => join(dir, `${String(i).padStart(3, '0')}.jpg`));

  const missing: number[] = [];
  for (const [i, path] of paths.entries()) {
    await access(path).catch(() => missing.push(i));
  }
  if (missing.length === 0) return paths;

  const progress = new Progress(`rendering into ${dir}`, missing.length);
  const grain = await filmGrain();
  const next = missing.values();
  const painter = async () => {
    for (const i of next) {
      // Under another name first: a file that has its name is whole, also when a run was interrupted.
      const unfinished = `${paths[i]}.${process.pid}`;
      await renderPhoto(i, megapixels, grain, unfinished);
      await rename(unfinished, paths[i]!);
      progress.advance(1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, painter));
  progress.end();
  return paths;
}

/** A sky, a sun, some hills, some trees and film grain: as hard to decode as a photograph, and no two alike. */
async function renderPhoto(seed: number, megapixels: number, grain: Grain, path: string): Promise<void> {
  const next = random(seed + 1);
  const between = (low: number, high: number) => low + next() * (high - low);
  const colour = (lightness: number) => `hsl(${between(0, 360)} ${between(30, 80)}% ${lightness}%)`;
  const width = Math.round(Math.sqrt((megapixels * 1e6 * 4) / 3));
  const height = Math.round((width * 3) / 4);

  const hill = (top: number, lightness: number) =>
    `<path fill="${colour(lightness)}" d="M0 ${between(top, top + 9)}
       C20 ${between(top - 9, top + 9)} 30 ${between(top - 9, top + 9)} 50 ${between(top - 5, top + 5)}
       S80 ${between(top - 9, top + 9)} 100 ${between(top, top + 9)} V75 H0 Z"/>`;
  const tree = () =>
    `<ellipse cx="${between(0, 100)}" cy="${between(55, 75)}" rx="${between(0.3, 2)}" ry="${between(1, 5)}" fill="${colour(20)}"/>`;
  const scene = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 100 75">
    <defs>
      <linearGradient id="sky" x2="0" y2="1">
        <stop stop-color="${colour(35)}"/><stop offset="1" stop-color="${colour(80)}"/>
      </linearGradient>
      <radialGradient id="sun"><stop stop-color="#fff"/><stop offset="1" stop-color="#fff" stop-opacity="0"/></radialGradient>
    </defs>
    <rect width="100" height="75" fill="url(#sky)"/>
    <circle cx="${between(10, 90)}" cy="${between(8, 35)}" r="${between(5, 15)}" fill="url(#sun)"/>
    ${hill(40, 55)} ${hill(47, 40)} ${hill(56, 28)}
    ${Array.from({ length: 60 }, tree).join('')}
  </svg>`;
  await sharp(Buffer.from(scene))
    .composite([{ input: grain.data, raw: grain.info, tile: true, blend: 'soft-light' }])
    .removeAlpha()
    .jpeg({ quality: 90 })
    .toFile(path);
}

type Grain = Awaited<ReturnType<typeof filmGrain>>;

/** A tile of noise. Made once: making it costs more than all the rest. */
function filmGrain() {
  const noise = { type: 'gaussian', mean: 128, sigma: 25 } as const;
  return sharp({ create: { width: 512, height: 512, channels: 3, background: 'black', noise } })
    .raw()
    .toBuffer({ resolveWithObject: true });
}

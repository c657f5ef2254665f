import { readdir, realpath } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { renderPhotos } from './render.ts';
import { sharp } from './sharp.ts';

const WALLPAPERS = ['/usr/share/backgrounds', '/usr/share/wallpapers'];
const EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.jxl', '.avif', '.heic', '.tif', '.tiff'];

/** Fewer wallpapers than this make no show, and smaller ones (previews, icons) are no photographs. */
const ENOUGH = 6;
const SOME_MEGAPIXELS = 2;

export interface Photos {
  paths: string[];
  /** Where they are from, for people. */
  origin: string;
}

/** Up to `limit` photographs: of `dir`, or the machine's wallpapers, or else some that we render ourselves. */
export async function findPhotos(
  dir: string | undefined,
  limit: number,
  rendered: { count: number; megapixels: number },
): Promise<Photos> {
  if (dir !== undefined) {
    const all = await listImages(dir);
    const paths = await decodable(all, limit, 0);
    if (paths.length === 0) throw new Error(`there is no photograph in ${dir} that sharp can decode`);
    return { paths, origin: describe(paths.length, all.length, `photographs of ${dir}`) };
  }
  const wallpapers = (await Promise.all(WALLPAPERS.map((path) => listImages(path).catch(() => [])))).flat();
  const paths = await decodable(wallpapers, limit, SOME_MEGAPIXELS);
  if (paths.length >= Math.min(ENOUGH, limit)) {
    return { paths, origin: describe(paths.length, wallpapers.length, "of this machine's wallpapers") };
  }
  const count = Math.min(rendered.count, limit);
  return {
    paths: await renderPhotos(count, rendered.megapixels),
    origin: `${count} photographs of ${rendered.megapixels} megapixels that were rendered for this: no DIR was given, and there are no wallpapers here`,
  };
}

function describe(taken: number, found: number, whose: string): string {
  return taken === found ? `${taken} ${whose}` : `${taken} of the ${found} image files among the ${whose}`;
}

async function listImages(dir: string): Promise<string[]> {
  const names = await readdir(dir, { recursive: true });
  const images = names.filter((name) => EXTENSIONS.includes(extname(name).toLowerCase())).sort();
  // Packages of wallpapers have one file under several names; a dangling link has none.
  const paths = await Promise.all(images.map((name) => realpath(join(dir, name)).catch(() => undefined)));
  return [...new Set(paths.filter((path) => path !== undefined))];
}

/** The first `limit` that sharp can make sense of and that have at least so many megapixels. */
async function decodable(paths: string[], limit: number, megapixels: number): Promise<string[]> {
  const good: string[] = [];
  for (const path of paths) {
    if (good.length === limit) break;
    const { width = 0, height = 0 } = await sharp(path)
      .metadata()
      .catch(() => ({ width: 0, height: 0 }));
    if (width * height > megapixels * 1e6) good.push(path);
  }
  return good;
}

import { closeSync, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { native } from '../native.ts';
import { HEADER_BYTES, type Header, parseHeader } from './header.ts';

/** The file of a region in some process, open for reading. Reading it changes nothing, and makes nobody a user of the region. */
export class RegionFile {
  readonly fd: number;
  readonly fileSize: number;
  readonly backend: 'memfd' | 'ashmem';
  /** What the file is, for whoever meets it twice; '' if that cannot be told. */
  readonly identity: string;
  readonly header: Header;
  #closed = false;

  private constructor(
    fd: number,
    backend: 'memfd' | 'ashmem',
    fileSize: number,
    identity: string,
    header: Header,
  ) {
    this.fd = fd;
    this.backend = backend;
    this.fileSize = fileSize;
    this.identity = identity;
    this.header = header;
  }

  /** Descriptor `fd` of process `pid`, if it is a region; undefined if it is not. Throws what the system says if it may not be looked at. */
  static open(pid: number, fd: number): RegionFile | undefined {
    const path = `/proc/${pid}/fd/${fd}`;
    const link = readlinkSync(path);
    const isDevice = link.startsWith('/dev/ashmem');
    if (!isDevice && !link.startsWith('/memfd:')) return undefined;
    // Opened by its path, an area is another, empty one.
    const own = isDevice ? native.takeFd(pid, fd) : openOrTake(path, pid, fd);
    let made: RegionFile | undefined;
    try {
      made = RegionFile.#of(own, isDevice);
    } finally {
      if (!made) closeSync(own);
    }
    return made;
  }

  static #of(fd: number, isDevice: boolean): RegionFile | undefined {
    const stat = fstatSync(fd, { bigint: true });
    const fileSize = isDevice ? native.areaSize(fd) : Number(stat.size);
    if (fileSize < HEADER_BYTES || !Number.isSafeInteger(fileSize)) return undefined;
    const header = Buffer.alloc(HEADER_BYTES);
    if (readFully(fd, header, fileSize - HEADER_BYTES) !== HEADER_BYTES) return undefined;
    const parsed = parseHeader(header, fileSize);
    if (!parsed) return undefined;
    const identity = isDevice ? '' : `${stat.dev}:${stat.ino}`;
    return new RegionFile(fd, isDevice ? 'ashmem' : 'memfd', fileSize, identity, parsed);
  }

  /** Bytes of the file that take memory or swap, tables included; undefined where the system does not tell. */
  get memory(): number | undefined {
    return this.backend === 'ashmem' ? undefined : fstatSync(this.fd).blocks * 512;
  }

  /** The header as it is now: some of its fields change. */
  again(): Header {
    const bytes = this.read(this.fileSize - HEADER_BYTES, HEADER_BYTES);
    return parseHeader(bytes, this.fileSize) ?? this.header;
  }

  /** Exactly `length` bytes; zeros where the file has become too short, which a region cannot. */
  read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    readFully(this.fd, bytes, offset);
    return bytes;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.fd);
  }
}

function readFully(fd: number, bytes: Buffer, offset: number): number {
  let have = 0;
  while (have < bytes.length) {
    const n = readSync(fd, bytes, have, bytes.length - have, offset + have);
    if (n === 0) break;
    have += n;
  }
  return have;
}

/** A file that its mode protects can still be had from who has it open. */
function openOrTake(path: string, pid: number, fd: number): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    return native.takeFd(pid, fd);
  }
}

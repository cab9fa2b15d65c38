const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1a, 32 bits, over the UTF-8 bytes of `key`: which partition a key belongs to. Never to be changed: keys would move. */
export function keyHash(key: string): number {
  let hash = OFFSET_BASIS;
  for (let i = 0; i < key.length; i++) {
    const point = key.codePointAt(i)!;
    if (point < 0x80) {
      hash = Math.imul(hash ^ point, PRIME);
      continue;
    }
    if (point > 0xffff) i++;
    const bytes = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    hash = Math.imul(hash ^ (LEADS[bytes] | (point >> (6 * (bytes - 1)))), PRIME);
    for (let rest = bytes - 2; rest >= 0; rest--) {
      hash = Math.imul(hash ^ (0x80 | ((point >> (6 * rest)) & 0x3f)), PRIME);
    }
  }
  return hash >>> 0;
}

/** What the first byte of a UTF-8 sequence of so many bytes begins with. */
const LEADS = [0, 0, 0xc0, 0xe0, 0xf0];

/** "did you mean": the known name that a misspelt one most likely stands for. */

/** The nearest of `known`, or undefined when none is near: a third of the letters may differ, and two swapped letters count once. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const near = nearest(name, known);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}

/** `; did you mean "server.tcp_addr"?` for a key without its section or in another one; nothing where several sections have such a key. */
export function didYouMeanElsewhere(ending: string, known: Iterable<string>): string {
  const [found, another] = [...known].filter((name) => name.endsWith(ending));
  return found === undefined || another !== undefined ? "" : `; did you mean "${found}"?`;
}

/** Letters to insert, delete, replace or swap with their neighbour (optimal string alignment), over three rows. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = last[column - 1] + (from[row - 1] === to[column - 1] ? 0 : 1);
      let distance = Math.min(last[column] + 1, current[column - 1] + 1, replaced);
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        distance = Math.min(distance, beforeLast[column - 2] + 1);
      }
      current.push(distance);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length];
}

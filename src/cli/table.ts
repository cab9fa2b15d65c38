/** Rows of text under a heading, for people. */
import { visible } from "../core/text.ts";

/** A column: its heading, and whether its values are numbers, which stand right. */
export interface Column {
  readonly heading: string;
  readonly isNumber?: boolean;
}

/** The heading and the rows, as lines. Text from clients comes escaped: nobody draws on the terminal. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [
    columns.map(({ heading }) => heading),
    ...rows.map((row) => row.map((cell) => visible(cell, Infinity))),
  ];
  const widths = columns.map((_, index) => cells.reduce((width, row) => Math.max(width, row[index].length), 0));
  return cells.map((row) => row.map((cell, index) => padded(cell, widths[index], columns[index])).join("  ").trimEnd());
}

/** `512 B`, `1.5 MiB`: three digits or so. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let size = bytes;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** `1 session`, `2 sessions`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function padded(cell: string, width: number, { isNumber = false }: Column): string {
  return isNumber ? cell.padStart(width) : cell.padEnd(width);
}

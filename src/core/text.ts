/** What a terminal or an editor does not show as it is, or takes for a command: controls, line separators, formats such as those that turn
 * the direction of writing, halves of surrogate pairs. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** `text` as it may stand in a line for people: what nobody would see is escaped (`\u{202e}`), what is too long is cut. */
export function visible(text: string, charactersMax = 256): string {
  const shown = cut(text, charactersMax);
  return UNSEEN.test(shown) ? shown.replaceAll(UNSEEN, escaped) : shown;
}

/** A name as it may stand in a message: as {@link visible}, in quotes. */
export function quoted(name: string, charactersMax = 100): string {
  return JSON.stringify(cut(name, charactersMax)).replaceAll(UNSEEN, escaped);
}

/** JSON with what a terminal would act on escaped in JSON's own way, so that a reader gets it back; C0 has been escaped by JSON itself. */
export function visibleJson(json: string): string {
  return json.replaceAll(/[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}

/** What an error says, whatever was thrown. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The beginning of `text`, and how much is missing. */
export function cut(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const end = text.charCodeAt(charactersMax - 1) >> 10 === 0x36 ? charactersMax - 1 : charactersMax; // not between two halves
  return `${text.slice(0, end)}… (${text.length - end} more)`;
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

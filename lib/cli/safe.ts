/** A name that somebody else chose, fit for a terminal: what is not printable shows as ?, and it is cut at `width`. */
export function safe(text: string, width = 40): string {
  const printable = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return printable.length > width ? `${printable.slice(0, width - 1)}…` : printable;
}
